"""Which features are genes, and what they are called: types, summary rows, splicing states, annotation among genes."""

import logging
import re
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import sparse

from scae.errors import UserError
from scae.jobs.notes import NOTE
from scae.sources import annotation
from scae.sources import values as kinds

log = logging.getLogger(__name__)

_ID = r"(?:ENS[A-Z]*G\d{6,}|FBgn\d{5,}|WBGene\d{5,}|AT[1-5CM]G\d{5})"
ID = re.compile(rf"(?:\w+_+)?{_ID}(?:[.-]\d+)?", re.IGNORECASE)
PAIRS = (  # an id and a symbol in one name
    re.compile(rf"(?P<id>{_ID}(?:\.\d+)?)[|_;:,/ ](?P<name>[A-Za-z].*)", re.IGNORECASE),
    re.compile(rf"(?P<name>[A-Za-z].*?)[|_;:,/ (-]+(?P<id>{_ID}(?:\.\d+)?)\)?", re.IGNORECASE),
)
# Columns with the type of each feature, and types in the words of Cell Ranger, NeurIPS 2021, CITE-seq-Count and others
TYPE_COLUMNS = ("feature_types", "feature_type", "featuretype", "feature_biotype", "modality")
GENES = {
    *("gene expression", "gene", "genes", "gex", "rna", "mrna", "expression", "transcriptome", "rna expression"),
    *("whole transcriptome", "wta", "cdna", "transcript"),
}
OTHERS = {
    *("antibody capture", "antibody", "antibodies", "adt", "protein", "proteins", "prot", "ab", "cite", "abseq"),
    *("protein expression", "surface protein", "hto", "hashtag", "multiplexing capture", "sample tag"),
    *("atac", "peak", "peaks", "chromatin accessibility", "motif", "motifs", "gene activity", "methylation"),
    *("crispr guide capture", "crispr", "guide", "guides", "grna", "sgrna", "custom", "antigen capture", "vdj"),
    *("spike in", "ercc", "isotype", "isotype control", "negative control", "blank", "negative control probe"),
    *("negative control codeword", "unassigned codeword", "deprecated codeword", "genomic control"),
}
BIOTYPE = re.compile(r"protein[ _]coding|lncrna|lincrna|.*pseudogene|mt[ _][rt]rna|processed[ _]transcript")
# Counters that HTSeq, STAR and featureCounts write below the genes, and names of antibodies and sample tags
SUMMARY = re.compile(
    r"(?:X?__)?(?:no_feature|ambiguous|too_low_aQual|not_aligned|alignment_not_unique)"
    r"|N_(?:unmapped|multimapping|noFeature|ambiguous)|Unassigned(?:_\w+)?|.*\|(?:p|st)AbO"
    r"|(?:adt|hto|prot)[_-]\D.*|.+[_-](?:adt|hto|prot|protein|totalseq-?[a-d]?)|hashtag[-_ ]?\w*",
    re.IGNORECASE,
)
SPLICING = re.compile(r"(.+)[-_.](?:U|A|I|S|[Uu]nspliced|[Ss]pliced|[Aa]mbiguous|[Ii]ntron(?:ic)?|[Nn]ascent)")
SPLIT_SHARE = 0.3  # of the names are those of other genes with such an ending
# Annotation of cells among the genes of exported tables: whole names, and words that no gene symbol has
NO_GENES = {
    "cluster", "clusters", "seurat_clusters", "leiden", "louvain", "batch", "n_counts", "n_genes", "total_counts",
    "ncount_rna", "nfeature_rna", "n_genes_by_counts", "numi", "ngene", "percent.mt", "percent_mito", "percent.mito",
    "pct_counts_mt", "percent_mt", "pct_mito", "doublet_score", "s.score", "g2m.score", "tsne_1", "tsne_2", "umap_1",
    "umap_2", "tsne1", "tsne2", "umap1", "umap2", "pseudotime", "size_factor", "size_factors", "log_counts",
}  # fmt: skip
NO_GENE_WORDS = {
    *("tumor", "tumour", "malignant", "cluster", "patient", "donor", "plate", "batch", "sample", "condition"),
    *("treatment", "barcode", "celltype", "lane", "gender", "timepoint", "replicate", "phase", "subject", "tissue"),
    *("age", "sex", "group", "stage", "status", "class", "dose", "total", "totals", "genotype", "diagnosis"),
}
NO_GENE_PHRASE = re.compile(r"cell[ _.-]?(?:types?|class|line|cycle|id|label)\b|cluster[ _.-]?id", re.IGNORECASE)
SAMPLED_CELLS = 2000
MOST_NO_GENES = 30  # and at most 5 %, else the words belong to the genes


def named(table):
    """Annotation of genes with their symbols as names, or ids where there is no symbol.

    Args:
        table: columns name and, where known, gene_ids, feature_types and genome; text.

    Returns:
        pandas.DataFrame: index: gene names, perhaps duplicated; the other columns.
    """
    names = pd.Series(annotation.text(table["name"]), dtype=object).str.strip()
    others = table.drop(columns="name")
    if "gene_ids" in others and (empty := names == "").any():
        log.info("%d genes have no symbol and are named by their id", empty.sum())
        names = names.where(~empty, others["gene_ids"])
    return annotation.plain(others.set_index(pd.Index(names)))


def wanted(genes, genome=None, feature_type=None):
    """Which features to read: genes, of one genome if given.

    Args:
        genes: annotation; without a column of `TYPE_COLUMNS` all features are genes but for counters (`SUMMARY`).
        genome: its name, as in a column genome or as prefix of the gene names (``GRCh38_MT-CO1``).
        feature_type: the type to read, as in the column of types; None reads the types that mean genes.

    Returns:
        numpy.ndarray: (features,) bool.

    Raises:
        UserError: if it is not known which types are genes, or none is of this genome or type.
    """
    keep = _of_type(genes, feature_type)
    counters = np.array([bool(SUMMARY.fullmatch(name)) for name in genes.index], bool) & keep
    if counters.sum() > keep.sum() / 2:  # all that there is
        counters[:] = False
    if counters.any():
        shown = ", ".join(genes.index[counters][:5])
        log.log(NOTE, "%d features that are not genes are left out (%s)", counters.sum(), shown)
        keep &= ~counters
    if genome is not None:
        if "genome" in genes and (genes["genome"] == genome).any():
            own = (genes["genome"] == genome).to_numpy()
        else:
            own = genes.index.str.startswith(f"{genome}_")
        if not own.any():
            known = f" to one of {', '.join(sorted(set(genes['genome'].astype(str))))}" if "genome" in genes else ""
            raise UserError(f'has no gene of genome "{genome}"; set genome{known or " to null"}')
        keep &= own
    return keep


def _of_type(genes, wanted_type):
    """Which features are genes by a column of types; (features,) bool."""
    columns = {str(column).lower(): column for column in reversed(list(genes.columns))}
    column = next((columns[name] for name in TYPE_COLUMNS if name in columns), None)
    if column is None:
        if wanted_type is not None:
            raise UserError(f"feature_type: no column of var has the types of features ({', '.join(TYPE_COLUMNS)})")
        return np.ones(len(genes), bool)
    types = genes[column].astype(object).where(genes[column].notna(), "").astype(str).str.strip().to_numpy()
    numbers = pd.Series(types).value_counts()
    listed = ", ".join(f'"{name}" ({number:,})' for name, number in numbers.head(8).items())
    if wanted_type is not None:
        if wanted_type not in numbers:
            raise UserError(f'has no feature of type "{wanted_type}"; set feature_type to one of {listed}')
        return types == wanted_type
    plain = {name: re.sub(r"[_-]+", " ", name.lower()) for name in numbers.index}
    biotypes = any(map(BIOTYPE.fullmatch, plain.values()))
    are_genes = {name for name, word in plain.items() if word in GENES or (biotypes and word not in OTHERS)}
    others = {name for name, word in plain.items() if word in OTHERS}
    if not are_genes and others:
        raise UserError(
            f'has no features that are genes: "{column}" holds {listed}; give data with genes, or set feature_type to '
            "the type to analyse"
        )
    if unknown := set(numbers.index) - are_genes - others if len(numbers) > 1 else ():
        raise UserError(
            f'its column "{column}" holds {listed}, and it is not known whether "{min(unknown)}" means genes; set '
            "feature_type to the type of the genes"
        )
    keep = np.isin(types, list(are_genes)) if are_genes else np.ones(len(genes), bool)
    if not keep.all():
        dropped = ", ".join(f"{name}: {numbers[name]:,}" for name in sorted(others))
        log.log(NOTE, "%d features other than genes are left out (%s)", (~keep).sum(), dropped)
    return keep


def prepared(content):
    """The content with one feature per gene, named by its symbol where names have id and symbol."""
    return replace(content, matrices={name: _by_symbol(_summed(one)) for name, one in content.matrices.items()})


def _summed(stored):
    """A matrix with the splicing states of a gene (``G``, ``G-U`` and ``G-A`` of alevin-fry) added up."""
    names = stored.genes.index
    known = set(names)
    bases = [match[1] if (match := SPLICING.fullmatch(name)) and match[1] in known else name for name in names]
    n_states = sum(base != name for base, name in zip(bases, names, strict=True))
    if n_states < SPLIT_SHARE * len(names) or not n_states:
        return stored
    kept, places = pd.unique(np.array(bases, object)), pd.factorize(np.array(bases, object))[0]
    log.log(NOTE, "splicing states are added up: %d features (%s) are %d genes", len(names), _three(names), len(kept))
    adding = sparse.csr_matrix((np.ones(len(names), np.int8), (np.arange(len(names)), places)))

    def load():
        return stored.load() @ adding

    def sample():
        values, rows = stored.sample()
        return values, None if rows is None else rows @ adding

    genes = stored.genes[~names.duplicated()].loc[kept]
    return replace(stored, shape=(stored.shape[0], len(kept)), genes=genes, load=load, sample=sample)


def _by_symbol(stored):
    """A matrix whose genes are called by the symbol in names such as ``ENSG00000198888.2|MT-ND1``."""
    names = stored.genes.index
    for pattern in PAIRS:
        found = [pattern.fullmatch(name) for name in names]
        symbols = {match["name"] for match in found if match}
        if sum(map(bool, found)) <= len(names) / 2 or len(symbols) <= len(names) / 4:
            continue
        log.log(NOTE, "genes are named by the symbol in their name (%s)", _three(names))
        new = [match["name"] if match else name for match, name in zip(found, names, strict=True)]
        ids = [match["id"] if match else "" for match in found]
        genes = stored.genes if "gene_ids" in stored.genes else stored.genes.assign(gene_ids=pd.Categorical(ids))
        return replace(stored, genes=genes.set_axis(pd.Index(new, dtype=object)))
    return stored


def annotation_among(matrix, names, keep):
    """Features that are annotation of the cells, not genes; (features,) bool.

    By name, or by values that no gene can have: whole numbers in most cells of a matrix of decimals, or more than any
    logarithm in a matrix of logarithms.

    Args:
        matrix: CSR of whole cells, cells x features.
        names: of the features.
        keep: (features,) bool, the features to judge.
    """
    judged = np.flatnonzero(keep)
    by_name = np.array([_names_no_gene(name) for name in names[judged]], bool)
    most = max(1, min(MOST_NO_GENES, 0.05 * len(judged)))
    if by_name.sum() > max(most, 3):
        by_name = np.array([name.lower() in NO_GENES for name in names[judged]], bool)
    some = matrix[:: max(1, matrix.shape[0] // SAMPLED_CELLS)]
    of_judged = by_name | _values_of_no_gene(some[:, judged], ~by_name, most)
    found = np.zeros(len(names), bool)
    found[judged] = of_judged & ~of_judged.all()
    return found


def _names_no_gene(name):
    low = name.lower()
    return (
        low in NO_GENES
        or bool(NO_GENE_PHRASE.search(low))
        or not NO_GENE_WORDS.isdisjoint(re.split(r"[\s_()=,;:/]+", low))
    )


def _values_of_no_gene(matrix, others, most):
    none = np.zeros(len(others), bool)
    if (
        matrix.shape[0] < 20
        or not len(matrix.data)
        or kinds.are_whole(matrix.data)
        or not np.isfinite(matrix.data).all()
    ):
        return none
    columns = matrix.tocsc()
    whole = np.bincount(_column_of(columns), kinds.near_whole(columns.data, 1e-6), len(others))
    stored = np.diff(columns.indptr)
    highest = np.zeros(len(others))
    np.maximum.at(highest, _column_of(columns), columns.data)
    whole = others & (stored > matrix.shape[0] / 2) & (whole == stored)
    beyond = others & (highest > kinds.HIGHEST_LOGARITHM)
    for suspicious, accepted in ((whole | beyond, ("log_normalized",)), (whole, ("log_normalized", "normalized"))):
        if suspicious.any() and suspicious.sum() <= most:
            rest = matrix[:, np.flatnonzero(others & ~suspicious)]
            if kinds.of(rest.data, rest).kind in accepted:
                return suspicious
    return none


def _column_of(columns):
    """The column of each stored value of a CSC matrix."""
    return np.repeat(np.arange(columns.shape[1]), np.diff(columns.indptr))


def _three(names):
    return ", ".join(map(str, names[:3])) + ", …"
