"""Gene names, mitochondrial genes, excluded genes and the most variable genes."""

import json
import logging
import re
from pathlib import Path

import numpy as np
import pandas as pd

from scae.errors import UserError
from scae.jobs.notes import NOTE
from scae.sources import annotation, features

log = logging.getLogger(__name__)

ALL = {"exclude": [], "names": "auto", "variable": None}

# Columns of var that hold symbols, as Cell Ranger, CELLxGENE, scanpy, Seurat, biomaRt and others name them
SYMBOLS = (
    *("feature_name", "gene_symbols", "gene_symbol", "gene_names", "gene_name", "symbols", "symbol", "gene_short_name"),
    *("external_gene_name", "hgnc_symbol", "mgi_symbol", "features", "genes", "gene", "names", "name"),
)
IDS = ("gene_ids", "gene_id", "ensembl_id", "ensembl_ids", "ensembl", "feature_id", "ensembl_gene_id", "ids", "id")
NUMBER = re.compile(r"\d+")

# Human MT-, mouse and fish mt-, rat Mt-, fly mt:; R replaces them by a dot; files of two species have GRCh38_MT-
GENOME = r"(?:\w+_|(?:GRC[a-z]\d+|hg\d+|mm\d+|rn\d+|dm\d+|BDGP\d+)[-.])?"
MITOCHONDRIAL = re.compile(rf"{GENOME}(?:MT|mt|Mt)[-:.]\w")
LIKELY = re.compile(r"^(.*?(?:^|[^a-z])mt[^a-z0-9])(?=[a-z0-9])", re.IGNORECASE)
BARE = re.compile(r"ND[1-6]|ND4L|COX?[123]|ATP[68]|CYTB")  # mitochondrial genes in annotations without a prefix
SPIKE_IN = re.compile(r"g?ERCC[-_.]\d+|SIRV\w*|\w*spike[-_. ]?in\w*", re.IGNORECASE)
SPIKE_IN_SHARE = 0.05
FEW, MOST_COUNTS, MANY = 10, 0.5, 100  # so few of many features with so large a share of the counts are seldom genes
# Share of the genes in each local fit of variance to mean: Seurat's, then wider ones for few different means
SPANS = (0.3, 0.4, 0.5, 0.6, 0.75, 0.9, 1.0)
FEWEST_MEANS = 5  # with fewer different means the fit fails, with none it crashes the process


def name(var, column="auto"):
    """Unique, non-empty names of the genes.

    Args:
        var: DataFrame, the annotation of the genes.
        column: column of ``var`` with the names, ``index``, or ``auto``: the index, unless it holds ids or numbers
            and there is a column of symbols.

    Returns:
        pandas.Index: missing names are replaced by those of the index.

    Raises:
        UserError: if there is no such column.
    """
    index = pd.Index(var.index.astype(str))
    if column == "auto":
        column = _symbol_column(index, var)
        if column == "index" and annotation.are_rows(index):
            columns = annotation.quoted(var.columns)
            raise UserError(f"genes.names: the genes are named by numbers; set it to a column of var: {columns}")
        if column != "index":
            log.log(NOTE, 'genes are named by the column "%s" (instead of %s)', column, _three(index))
    if column == "index":
        names = index
    elif column not in var:
        columns = annotation.quoted(var.columns)
        raise UserError(f'genes.names: the data have no column "{column}"; columns of var: {columns}')
    else:
        names = _text(var[column])
        names = pd.Index(np.where(names == "", index, names))
    if names.has_duplicates:
        from anndata.utils import make_index_unique

        log.info("%d gene names are duplicates and get a number", names.duplicated().sum())
        names = make_index_unique(names)
    return names


def _text(column):
    """A column as stripped text; missing values are empty."""
    return column.astype(object).where(column.notna(), "").astype(str).str.strip()


def _symbol_column(index, var):
    """The column of symbols (or ids, if the index has numbers) to use as names, or ``index``."""
    by_number, by_id = _mostly(NUMBER, index), _mostly(features.ID, index)
    if by_number or by_id:
        columns = {str(column).lower(): column for column in reversed(list(var.columns))}
        for known in (*SYMBOLS, *(IDS if by_number else ())):
            if known in columns:
                found = _text(var[columns[known]])
                if (
                    (found != "").any()
                    and not _mostly(NUMBER, found)
                    and (known in IDS or not _mostly(features.ID, found))
                ):
                    return columns[known]
    return "index"


def _mostly(pattern, names):
    return len(names) > 0 and sum(bool(pattern.fullmatch(name)) for name in names) > len(names) / 2


def exclude(names, prefixes):
    """Which genes begin with one of the prefixes, and are dropped; (genes,) bool."""
    names = pd.Index(names)
    excluded = np.zeros(len(names), bool)
    for prefix in prefixes:
        found = np.asarray(names.str.startswith(prefix))
        if not found.any():
            log.warning('genes.exclude: no gene name begins with "%s"; genes are named %s', prefix, _three(names))
        excluded |= found
    return excluded


def mitochondrial(names, qc, var=None):
    """Which genes are mitochondrial; (genes,) bool.

    Args:
        names: names of the genes.
        qc: dict with mito_genes (names, or the path of a file with one name per line; None uses the prefix),
            mito_prefix (a prefix, a list of them, or ``auto``) and max_pct_mito.
        var: annotation of the genes, index: their names in the source, which mito_genes may use too.

    Raises:
        UserError: if there is no such gene but a limit on their share.
    """
    names = pd.Index(names)
    if qc["mito_genes"] is not None:
        listed = _gene_list(qc["mito_genes"])
        found = np.asarray(names.isin(listed))
        if var is not None:
            found |= np.asarray(var.index.astype(str).isin(listed))
        wanted = f"qc.mito_genes ({_three(pd.Index(listed))})"
    elif qc["mito_prefix"] == "auto":
        found = np.array([bool(MITOCHONDRIAL.match(name)) for name in names], bool)
        wanted = "the prefixes of human, mouse and fly (MT-, mt-, mt:)"
    else:
        prefixes = [qc["mito_prefix"]] if isinstance(qc["mito_prefix"], str) else qc["mito_prefix"]
        found = np.asarray(names.str.startswith(tuple(prefixes)))
        wanted = f"qc.mito_prefix ({', '.join(prefixes)})"
    if not found.any() and qc["max_pct_mito"] is not None:
        raise UserError(
            f"qc.max_pct_mito: no gene is mitochondrial by {wanted}; genes are named {_three(names)}; "
            f"{_remedy(names, var)}, or set max_pct_mito to null"
        )
    log.log(logging.INFO if found.any() else NOTE, "%d mitochondrial genes by %s", found.sum(), wanted)
    return found


def _gene_list(listed):
    if not isinstance(listed, str):
        return [str(gene) for gene in listed]
    try:
        lines = Path(listed).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"qc.mito_genes: {listed}: cannot be read; give a text file with one gene per line") from error
    return [gene for line in lines if (gene := re.split(r"[\t,;]", line)[0].strip().strip('"'))]


def _remedy(names, var):
    """Settings that would find mitochondrial genes, or advice."""
    if prefixes := likely_prefixes(names):
        n_genes = sum(name.startswith(tuple(prefixes)) for name in names)
        return f"qc.mito_prefix: {json.dumps(prefixes[0] if len(prefixes) == 1 else prefixes)} would match {n_genes}"
    for column in [] if var is None else ["index", *var.columns]:
        values = var.index.astype(str) if column == "index" else _text(var[column])
        n_genes = sum(bool(MITOCHONDRIAL.match(value)) for value in values)
        if n_genes:
            return f"genes.names: {column} would match {n_genes}"
    if len(bare := [name for name in names if BARE.fullmatch(name)]) >= 5:
        return f"qc.mito_genes: [{', '.join(bare)}] would match {len(bare)}"
    if _mostly(features.ID, names):
        return "these are ids: list the mitochondrial ones in qc.mito_genes, or use data with gene symbols"
    return "set their prefix in qc.mito_prefix or their names in qc.mito_genes"


def likely_prefixes(names):
    """Prefixes of genes that look mitochondrial."""
    found = (LIKELY.match(name) for name in names)
    return sorted({match[1] for match in found if match})


def warn_of_spike_ins(names, counts):
    """Warn if ERCC spike-ins have a large share of the counts; counts: (genes,) sums."""
    names = np.asarray(names)
    spikes = np.array([bool(SPIKE_IN.fullmatch(name)) for name in names], bool)
    share = counts[spikes].sum() / max(counts.sum(), 1e-12)
    if share > SPIKE_IN_SHARE:
        prefixes = ", ".join(sorted({re.match(r"\D*", name)[0] for name in names[spikes]}))
        said = f"; genes.exclude: [{prefixes}] drops them"
        log.warning("%d spike-ins have %.0f %% of the counts%s", spikes.sum(), 100 * share, said)


def warn_of_few(names, counts):
    """Warn if a few features have most of the counts; counts: (genes,) sums."""
    if len(names) < MANY or not counts.sum() > 0:
        return
    largest = np.argsort(-counts, kind="stable")[:FEW]
    shares = counts[largest] / counts.sum()
    number = int(np.searchsorted(shares.cumsum(), MOST_COUNTS)) + 1
    if number <= FEW:
        shown = [f"{names[one]} ({100 * share:.0f} %)" for one, share in zip(largest, shares, strict=True)]
        log.warning(
            "%d of %d features have %.0f %% of the counts: %s; if they are not genes, drop them with genes.exclude",
            number,
            len(names),
            100 * shares[:number].sum(),
            ", ".join(shown[:number]),
        )


def variable(data, n_genes):
    """Names of the most variable genes.

    With counts: by the variance of standardised counts (vst; Stuart et al. 2019); otherwise by the dispersion of
    log-normalised expression (Satija et al. 2015).

    Raises:
        UserError: if the counts vary too little to fit variance to mean.
    """
    import scanpy

    n_genes = min(n_genes, data.n_vars)
    if "counts" not in data.layers:
        table = scanpy.pp.highly_variable_genes(data, flavor="seurat", n_top_genes=n_genes, inplace=False)
        return data.var_names[table["highly_variable"].to_numpy()]
    counts = data.layers["counts"]
    varies = (counts.max(axis=0) != counts.min(axis=0)).toarray().ravel()
    means = np.unique(np.asarray(counts.mean(axis=0)).ravel()[varies])
    if len(means) >= FEWEST_MEANS:
        for span in SPANS:
            try:
                table = scanpy.pp.highly_variable_genes(
                    data, flavor="seurat_v3", layer="counts", n_top_genes=n_genes, span=span, inplace=False
                )
            except ValueError:  # of the fit, with too few different means nearby
                continue
            if span != SPANS[0]:
                log.warning("few cells or counts: variance is fitted to mean over %.0f %% of the genes", 100 * span)
            return table.index[table["highly_variable"]]
    raise UserError(
        f"no variable genes are found, since the counts vary too little ({data.n_obs} cells; {varies.sum()} of "
        f"{data.n_vars} genes vary, with {len(means)} different means); use all genes, and labels from obs or csv"
    )


def _three(names):
    """Three of the names, as an example."""
    return ", ".join(map(str, names[:3])) + (", …" if len(names) > 3 else "")
