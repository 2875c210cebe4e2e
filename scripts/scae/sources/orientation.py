"""Which axis has the cells: evidence in the names, whatever the format, and the other way round where it is set."""

import re
from dataclasses import replace

from scae.errors import UserError
from scae.sources import features

BARCODE = re.compile(r"(?:\w+[_#:.-])?[ACGT]{10,}(?:[-_.]\w+)*")
WELL = re.compile(r"(?:.*[_.-])?([A-P])(?:0?[1-9]|1\d|2[0-4])")
WELL_ROWS = 4  # different letters, else they are names such as G1, G2, …
CELL = re.compile(
    r"(?:.*[_. -])?cell[-_. ]?\d+|[SED]RR\d{5,}|GSM\d{5,}|SAM[NED]A?\d{6,}"
    r"|\d\d_\d\d_\d\d(?:__s\d+)?|s_\d+um_\d+_\d+-\d",
    re.IGNORECASE,
)
MITOCHONDRIAL = re.compile(r"(?:\w+_)?(?:MT|mt|Mt)[-:.]\w+")
# Symbols of genes that nearly all data sets have, and families of genes, in capitals
FAMILY = re.compile(
    r"RP[LS]\d+[AXYLP]?\d*|HLA-\w+|H2-\w+|CD\d+[A-Z]\d?|IL\d+R?[A-Z]*|CC[LR]\d+|CXC[LR]\d+|KRT\d+|COL\d+A\d+|SLC\d+A\d+"
    r"|TMEM\d+[A-Z]?|ZNF\d+|ZFP\d+|FAM\d+[A-Z]\d?|LINC\d{4,}|LOC\d{5,}|A[CLP]\d{6}\.\d+|\d{7}[A-Z]\d\dRIK"
    r"|OR\d+[A-Z]\d+|MIR\d+\w*|Y[A-P][LR]\d{3}[WC](?:-[A-Z])?|HIST\d\w+|NDUF[ABSV]\d+"
)
SYMBOLS = {
    "ACTB", "ACTG1", "GAPDH", "B2M", "MALAT1", "NEAT1", "XIST", "TMSB4X", "TMSB10", "EEF1A1", "EEF2", "TPT1", "FTL",
    "FTH1", "UBC", "UBB", "PPIA", "PTPRC", "LYZ", "GNLY", "NKG7", "MS4A1", "LDHA", "LDHB", "ENO1", "PKM", "HSPA5",
    "HSPA8", "HSP90AA1", "HSP90AB1", "VIM", "S100A4", "S100A6", "S100A8", "S100A9", "TYROBP", "FCER1G", "FCN1",
    "CST3", "PPBP", "PF4", "GZMA", "GZMB", "GZMK", "CCR7", "SELL", "JUN", "FOS", "EGR1", "MYC", "TP53", "KRAS",
    "EGFR", "GATA3", "FOXP3", "PAX6", "SOX2", "NANOG", "POU5F1", "ALB", "APOE", "EPCAM", "PECAM1", "INS", "GCG",
    "SST", "HBB", "HBA1", "HBA2", "NCAM1", "MKI67", "TOP2A", "PCNA", "STMN1", "TUBA1A", "TUBB", "TUBA1B", "NPM1",
    "HMGB1", "HMGB2", "CALM1", "CALM2", "H3F3B", "GFAP", "AQP4", "MBP", "PLP1", "SNAP25", "RBFOX3", "CLU", "YWHAZ",
}  # fmt: skip
FEW = 3  # genes in the names of an axis are evidence
GENE_COLUMNS = {"gene_ids", "gene_id", "gene_symbols", "gene_name", "feature_types", "highly_variable"}
CELL_COLUMNS = {
    "n_genes",
    "n_genes_by_counts",
    "leiden",
    "louvain",
    "cell_type",
    "celltype",
    "barcode",
    "pct_counts_mt",
}
KEY = "orientation"


def a_gene(names):
    """One of the names if they are evidently genes, else ""."""
    found = [name for name in names if _is_gene(name)]
    return found[0] if len(found) >= min(FEW, len(names)) and found else ""


def a_cell(names):
    """One of the names if most are evidently cells, else ""."""
    found = [name for name in names if BARCODE.fullmatch(name) or CELL.fullmatch(name)]
    wells = [match for name in names if (match := WELL.fullmatch(name))]
    if len({match[1] for match in wells}) >= WELL_ROWS:
        found += [match[0] for match in wells]
    return found[0] if len(found) > len(names) / 2 else ""


def _is_gene(name):
    name = name if len(name) < 100 else ""
    capitals = name.upper()
    known = capitals in SYMBOLS or FAMILY.fullmatch(capitals) or MITOCHONDRIAL.fullmatch(name)
    return bool(known or features.ID.fullmatch(name) or any(pair.fullmatch(name) for pair in features.PAIRS))


def swapped(cells, genes, obs=(), var=()):
    """The evidence that the names of cells are genes, or those of genes cells; "" if there is none.

    Args:
        cells, genes: names.
        obs, var: names of the columns of their annotation.
    """
    if (gene := a_gene(cells)) and not a_gene(genes):
        return f"{gene}, a gene, is the name of a cell"
    if (cell := a_cell(genes)) and not a_cell(cells):
        return f"{cell}, a cell, is the name of a gene"
    by_obs, by_var = GENE_COLUMNS & {*obs} - {*var}, CELL_COLUMNS & {*var} - {*obs}
    if (by_obs or by_var) and not (a_gene(genes) or a_cell(cells)):
        return f'the column "{min(by_obs or by_var)}" annotates the {"cells" if by_obs else "genes"}'
    return ""


def check(content, kind, genes):
    """Reject content whose names suggest that cells and genes are swapped.

    Args:
        content: `scae.sources.matrices.Content`.
        kind: its format.
        genes: annotation of the genes of the chosen matrix.

    Raises:
        UserError: with the evidence and what to set.
    """
    evidence = swapped(content.obs.index, genes.index, content.obs, genes)
    if not evidence:
        return
    if kind in ("triple", "10x_h5"):
        two = "files, features.tsv and barcodes.tsv" if kind == "triple" else "groups, features and barcodes"
        raise UserError(
            f"seems to have cells and genes exchanged, since {evidence}; exchange the names of the two {two}"
        )
    rows = "cells" if kind == "loom" else "genes"
    raise UserError(
        f"seems to have {rows} in rows, since {evidence}; set {KEY} to {rows}_in_rows to read it so, or to "
        f"{'genes' if kind == 'loom' else 'cells'}_in_rows if it is right as it is"
    )


def applied(content, kind, orientation):
    """The content with cells and genes exchanged, if the orientation is not that of the format."""
    usual = {"loom": "genes_in_rows", "h5ad": "cells_in_rows", "h5mu": "cells_in_rows", "zarr": "cells_in_rows"}
    if kind not in usual or orientation in ("auto", usual[kind]):
        return content
    genes = content.obs
    matrices = {
        name: _transposed(one, genes)
        for name, one in content.matrices.items()
        if one.genes.index.equals(next(iter(content.matrices.values())).genes.index)
    }
    obs = next(iter(content.matrices.values())).genes if content.matrices else content.obs
    return replace(content, obs=obs, matrices=matrices)


def _transposed(stored, genes):
    def load():
        return stored.load().T.tocsr()

    def sample():
        values, rows = stored.sample()
        whole = rows is not None and rows.shape == stored.shape
        return values, rows.T.tocsr() if whole else None

    return replace(stored, shape=stored.shape[::-1], genes=genes, load=load, sample=sample)
