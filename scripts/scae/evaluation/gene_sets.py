"""Gene sets of a .gmt file, and their enrichment among the genes of a latent."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, hypergeom

from scae import results
from scae.errors import UserError, one_line
from scae.evaluation.latent_genes import ranked

MOST_GENES = 50  # genes of each sign that are tested
FEWEST = 3  # genes of the data in a set
LEVEL = 0.05  # false discovery rate over the sets, latents and signs of a seed
COLUMNS = results.BY_NAME["latent_sets"].column_names


def read(path, genes):
    """Read the sets of a .gmt file (in each line name, description and genes, tab-separated).

    Args:
        path: of the file.
        genes: names of the genes of the data.

    Returns:
        {name: set of gene names}, reduced to the genes of the data; sets with fewer than 3 of them are dropped.

    Raises:
        UserError: naming the file and line, if a line is invalid or no set has 3 genes of the data.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(one_line(f"{path}: cannot be read as text ({error}); give a .gmt file")) from None
    known, found = set(genes), {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name, *rest = (part.strip() for part in line.split("\t"))
        if not name or len(rest) < 2:
            raise UserError(
                one_line(
                    f"{path}: line {number}: not a gene set; a .gmt has name, description and genes, tab-separated"
                )
            )
        if name in found:
            raise UserError(one_line(f'{path}: line {number}: the set "{name}" is given twice; remove one'))
        found[name] = known & set(rest[1:])
    kept = {name: members for name, members in found.items() if len(members) >= FEWEST}
    if not kept:
        raise UserError(
            f"{path}: none of its {len(found)} sets has {FEWEST} genes of the data; name genes as in the data: "
            f"{', '.join(list(genes)[:3])}, …"
        )
    return kept


def enrichment(effects, genes, sets, seed):
    """Gene sets enriched among the strongest genes of a latent, by sign.

    Hypergeometric test against all genes of the data, adjusted by Benjamini & Hochberg (1995) over the sets, latents
    and signs of the seed.

    Args:
        effects: scae.evaluation.latent_genes.Effects.
        genes: names of the genes.
        sets: as from `read`.
        seed: for the column.

    Returns:
        pandas.DataFrame: seed, latent, sign, set, shared (genes), of (genes of the set), expected, p, q, genes
        (separated by spaces); rows with q below .05.
    """
    genes = np.asarray(genes, object)
    rows = []
    for latent, values in zip(effects.moves.index, effects.changes, strict=True):
        for sign, chosen in (("+", ranked(values)[:MOST_GENES]), ("-", ranked(-values)[:MOST_GENES])):
            for name, members in sets.items():
                shared = [gene for gene in genes[chosen] if gene in members]
                expected = len(chosen) * len(members) / len(genes)
                p = float(hypergeom.sf(len(shared) - 1, len(genes), len(members), len(chosen)))
                rows.append(
                    (seed, latent, sign, name, len(shared), len(members), expected, p, np.nan, " ".join(shared))
                )
    table = pd.DataFrame(rows, columns=COLUMNS)
    if len(table):
        table["q"] = false_discovery_control(table["p"])
    return table[table["q"] < LEVEL].sort_values(["latent", "sign", "p"], kind="stable")
