"""Gene sets of a .gmt file, and which of them the genes of a latent are rich in."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, hypergeom

from scae.errors import UserError, one_line
from scae.evaluation.latent_genes import ranked

MOST_GENES = 50  # of each sign, that are looked up
FEWEST = 3  # genes that a set shares with the data
LEVEL = 0.05  # of the false discovery rate among the sets, latents and signs of a seed
COLUMNS = ["seed", "latent", "sign", "set", "shared", "of", "expected", "p", "q", "genes"]


def read(path, genes):
    """The sets of a .gmt file (name, description and genes in each line, tabs between) that the data know.

    Args:
        path: of the file.
        genes: names of the genes of the data.

    Returns:
        {name: set of names}, of the sets with at least 3 of these genes, and of them these genes alone.

    Raises:
        UserError: naming the file and line that is none, or that no set has genes of the data.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(one_line(f"{path}: cannot be read as text ({error}); give a .gmt of gene sets")) from None
    known, found = set(genes), {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name, *rest = (part.strip() for part in line.split("\t"))
        if not name or len(rest) < 2:
            raise UserError(
                one_line(
                    f"{path}: line {number}: is no gene set; a .gmt has name, description and genes with tabs between"
                )
            )
        if name in found:
            raise UserError(one_line(f'{path}: line {number}: the set "{name}" stands twice; remove one'))
        found[name] = known & set(rest[1:])
    kept = {name: members for name, members in found.items() if len(members) >= FEWEST}
    if not kept:
        raise UserError(
            f"{path}: none of its {len(found)} sets has {FEWEST} genes of the data, such as "
            f"{', '.join(list(genes)[:3])}; give sets whose genes are named so"
        )
    return kept


def enrichment(effects, genes, sets, seed):
    """Sets that share more genes with the strongest ones of a latent than chance would: hypergeometric, by sign.

    Against all genes of the data, adjusted by Benjamini & Hochberg (1995) over the sets, latents and signs of the seed.

    Args:
        effects: scae.evaluation.latent_genes.Effects.
        genes: names of the genes.
        sets: as from `read`.
        seed: for the column.

    Returns:
        pandas.DataFrame: seed, latent, sign, set, shared (genes), of (genes of the set), expected, p, q, genes (with
        blanks between); those with q below .05.
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
