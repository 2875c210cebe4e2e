"""Files as labs have them: makers of small ones, each of another kind, for test_lab_files.py."""

import io

import anndata
import h5py
import numpy as np
import pandas as pd
import zarr
from scipy import io as scipy_io
from scipy import sparse
from small_data import write

MITO = ["MT-ND1", "MT-ND2", "MT-CO1", "MT-CO2", "MT-CYB"]
KNOWN = ["CD3D", "CD3E", "IL7R", "MS4A1", "CD79A", "CD74", "CD14", "LYZ", "S100A8", "FCN1"]
GENES = [*MITO, *KNOWN, *(f"GENE{number}" for number in range(105))]
IDS = [f"ENSG{number:011d}" for number in range(120)]
RANDOM = np.random.default_rng(0)
BARCODES = ["".join(RANDOM.choice(list("ACGT"), 16)) for _ in range(90)]
CELLS = [f"{barcode}-1" for barcode in BARCODES]
WELLS = [f"P1_{'ABCDEFGH'[number % 8]}{number // 8 + 1:02d}" for number in range(90)]
TYPES = np.array(["B", "NK", "T"])[np.arange(90) % 3]
COUNTS = RANDOM.poisson(RANDOM.gamma(1.2, 2.0, 120) * RANDOM.gamma(5, 0.2, (90, 1))).astype(np.float32)
LOG = np.log1p(COUNTS / COUNTS.sum(axis=1, keepdims=True) * 1e4)
AMBIGUOUS = RANDOM.binomial(COUNTS.astype(int), 0.05)
SPLICED = RANDOM.binomial(COUNTS.astype(int) - AMBIGUOUS, 0.75)
UNSPLICED = COUNTS.astype(int) - AMBIGUOUS - SPLICED


def cells_of(matrix=COUNTS, cells=CELLS, genes=GENES, layers=(), **var):
    """AnnData of sparse matrices."""
    obs = pd.DataFrame({"type": pd.Categorical(TYPES)}, index=cells) if len(cells) == 90 else pd.DataFrame(index=cells)
    data = anndata.AnnData(sparse.csr_matrix(matrix), obs=obs, var=pd.DataFrame(var, index=genes))
    for name, layer in dict(layers).items():
        data.layers[name] = sparse.csr_matrix(layer)
    return data


def h5ad(folder, *args, **kwargs):
    cells_of(*args, **kwargs).write_h5ad(folder / "lab.h5ad")
    return folder / "lab.h5ad"


def zarr_of(folder, data, below=""):
    data.write_zarr(folder / "lab.zarr" / below)
    return folder / "lab.zarr"


def rows(table, names):
    """Lines of a table, tab-separated."""
    return ["\t".join([name, *(f"{value:.4g}" for value in row)]) for name, row in zip(names, table, strict=True)]


def by_gene(folder, table=None, cells=CELLS, genes=GENES, corner="", above=(), below=(), name="lab.tsv"):
    """A table with genes in rows, and further lines above and below the genes."""
    lines = ["\t".join([corner, *cells]), *above, *rows(COUNTS.T if table is None else table, genes), *below]
    return write(folder / name, lines)


def mtx(path, matrix):
    stream = io.BytesIO()
    scipy_io.mmwrite(stream, sparse.coo_matrix(np.asarray(matrix).astype(int)))
    return write(path, stream.getvalue())


def tenx(folder, matrix=None, cells=CELLS, genes=GENES, ids=IDS, types=None):
    """A folder of Cell Ranger."""
    types = types or ["Gene Expression"] * len(genes)
    mtx(folder / "matrix.mtx.gz", (COUNTS if matrix is None else matrix).T)
    write(folder / "features.tsv.gz", ["\t".join(line) for line in zip(ids, genes, types, strict=True)])
    write(folder / "barcodes.tsv.gz", cells)
    return folder


def loom(path, matrix, row_attrs, col_attrs):
    with h5py.File(path, "w") as file:
        file["matrix"] = np.asarray(matrix)
        for axis, attributes in (("row_attrs", row_attrs), ("col_attrs", col_attrs)):
            for name, values in attributes.items():
                file[f"{axis}/{name}"] = np.array(values, "S")
    return path


# One splicing state for the counts


def velocity(folder):
    return h5ad(folder, LOG, layers={"ambiguous": AMBIGUOUS, "spliced": SPLICED, "unspliced": UNSPLICED})


def kallisto_nac(folder):
    return h5ad(folder, 0 * COUNTS, layers={"mature": SPLICED, "nascent": UNSPLICED, "ambiguous": AMBIGUOUS})


def velocyto_folder(folder):
    """Solo.out/Velocyto/filtered of STARsolo."""
    tenx(folder)
    (folder / "matrix.mtx.gz").unlink()
    for name, matrix in (("spliced", SPLICED), ("unspliced", UNSPLICED), ("ambiguous", AMBIGUOUS)):
        mtx(folder / f"{name}.mtx.gz", matrix.T)
    return folder


def presence(folder):
    return h5ad(folder, LOG, layers={"detected": (COUNTS > 0).astype(int)})


def binned(folder):
    """The bins of expression that foundation models train on."""
    return h5ad(folder, LOG, layers={"X_binned": np.ceil(LOG * 6)})


def imputed(folder):
    return h5ad(folder, LOG, layers={"MAGIC": COUNTS.mean(axis=1, keepdims=True) * 0.31 + 7.7 * COUNTS})


def only_spliced(folder):
    return h5ad(folder, LOG, layers={"spliced": SPLICED})


# Cells and genes exchanged


def plate(folder):
    return by_gene(folder, genes=IDS, cells=WELLS)


def fly(folder):
    return by_gene(folder, genes=[f"FBgn{number:07d}" for number in range(120)], cells=[f"s{n}" for n in range(90)])


def symbols_in_rows(folder):
    return by_gene(folder, COUNTS.T[5:], genes=GENES[5:], cells=[f"lib{n}" for n in range(90)], corner="name")


def transposed_mudata(folder):
    with h5py.File(h5ad(folder, COUNTS.T, cells=IDS, genes=CELLS)) as source, h5py.File(folder / "a.h5mu", "w") as file:
        source.copy(source, file.create_group("mod"), "rna")
    return folder / "a.h5mu"


def no_evidence(folder):
    return by_gene(folder, genes=[f"g{n}" for n in range(120)], cells=[f"s{n}" for n in range(90)])


def transposed(folder):
    return h5ad(folder, COUNTS.T, cells=GENES, genes=CELLS)


def transposed_zarr(folder):
    """Ids of the mouse as obs, wells as var."""
    mouse = [f"ENSMUSG{number:011d}" for number in range(120)]
    return zarr_of(folder, cells_of(COUNTS.T, cells=mouse, genes=WELLS))


def transposed_by_annotation(folder):
    """Numbers for names, and the columns of genes in obs."""
    data = cells_of(COUNTS.T, cells=[f"a{n}" for n in range(120)], genes=[f"b{n}" for n in range(90)])
    data.obs["gene_ids"] = IDS
    data.write_h5ad(folder / "lab.h5ad")
    return folder / "lab.h5ad"


def transposed_loom(folder):
    return loom(folder / "lab.loom", COUNTS, {"Gene": CELLS}, {"CellID": GENES})


def loom_by_cell(folder):
    """Its attributes say that cells are in rows."""
    return loom(folder / "lab.loom", COUNTS, {"CellID": CELLS}, {"Gene": GENES})


def exchanged_files(folder):
    tenx(folder)
    (folder / "features.tsv.gz").rename(folder / "other")
    (folder / "barcodes.tsv.gz").rename(folder / "features.tsv.gz")
    (folder / "other").rename(folder / "barcodes.tsv.gz")
    return folder


# Features that are not genes

PROTEINS = RANDOM.poisson(200, (90, 10))
WITH_PROTEINS = np.hstack([COUNTS, PROTEINS])
NAMES = [*GENES, *(f"AB{number}" for number in range(10))]


def typed(genes, others):
    def make(folder):
        types = [genes] * 120 + [others] * 10
        return h5ad(folder, WITH_PROTEINS, genes=NAMES, layers={"counts": WITH_PROTEINS}, feature_types=types)

    return make


def proteins_only(folder):
    return h5ad(folder, PROTEINS, genes=NAMES[120:], feature_types=["ADT"] * 10)


def proteins_scaled(folder):
    """Logarithms of genes beside CLR values of proteins, which are negative."""
    clr = np.log1p(PROTEINS) - np.log1p(PROTEINS).mean(axis=0)
    return h5ad(folder, np.hstack([LOG, clr]), genes=NAMES, feature_types=["Gene Expression"] * 120 + ["Protein"] * 10)


def counters(*names):
    def make(folder):
        return by_gene(folder, corner="gene", below=rows(RANDOM.poisson(3000, (len(names), 90)), names))

    return make


def annotation_rows(folder):
    """Three rows of numbers above logarithms; one is the cell type."""
    codes = [72 + np.arange(90) % 5, np.ones(90), 1 + np.arange(90) % 3]
    names = ["tumor", "malignant(1=no,2=yes)", "non-malignant cell type (1=T,2=B)"]
    return by_gene(folder, LOG.T, corner="Cell", above=rows(codes, names))


def cluster_row(folder):
    return by_gene(folder, above=rows(np.array([1 + np.arange(90) % 3, COUNTS.sum(axis=1)]), ["Cluster_ID", "Total"]))


def antibodies_by_name(folder):
    return h5ad(folder, WITH_PROTEINS, genes=[*GENES, *(f"CD{number}-prot" for number in range(10))])


def annotation_row_of_text(folder):
    return by_gene(folder, above=["\t".join(["CellType", *TYPES]), "\t".join(["Patient", *(["p1", "p2"] * 45)])])


def annotation_unnamed(folder):
    """A row of whole numbers and one beyond any logarithm, under names that say nothing."""
    codes = [1 + np.arange(90) % 3, 100.5 + np.arange(90)]
    return h5ad(folder, np.hstack([LOG, np.array(codes).T]), genes=[*GENES, "foo", "bar"])


def feature_counts(folder):
    above = "# Program:featureCounts v2.0.1; Command:featureCounts -a genes.gtf\n"
    header = "\t".join(["Geneid", "Chr", "Start", "End", "Strand", "Length", *WELLS])
    lines = [
        "\t".join([gene, "chr1;chr1", "100", "200", "+", "1000", *(f"{value:.0f}" for value in row)])
        for gene, row in zip(IDS, COUNTS.T, strict=True)
    ]
    return write(folder / "lab.txt", [above.strip(), header, *lines])


def splicing_suffixes(folder):
    """quants_mat.mtx of alevin-fry with spliced, unspliced and ambiguous counts of each gene."""
    mtx(folder / "quants_mat.mtx", np.hstack([SPLICED, UNSPLICED, AMBIGUOUS]))
    write(folder / "quants_mat_cols.txt", [*IDS, *(f"{one}-U" for one in IDS), *(f"{one}-A" for one in IDS)])
    write(folder / "quants_mat_rows.txt", BARCODES)
    return folder


def abseq(folder):
    names = [*GENES, *(f"CD{n}:SK{n}|CD{n}|AHS00{n}|pAbO" for n in range(10))]
    lines = [",".join(["Cell_Index", *names])]
    lines += [f"{n + 100}," + ",".join(f"{value:.0f}" for value in row) for n, row in enumerate(WITH_PROTEINS)]
    return write(folder / "lab_RSEC_MolsPerCell.csv", ["##########", "## BD Rhapsody", *lines])


# Readable after all


def long_bd(folder):
    """Expression_Data.st of BD Rhapsody: one line per count."""
    lines = ["## BD Rhapsody", "Cell_Index\tGene\tRSEC_Reads\tRaw_Molecules\tRSEC_Adjusted_Molecules"]
    for cell, gene in zip(*np.nonzero(COUNTS), strict=True):
        count = int(COUNTS[cell, gene])
        lines.append(f"{cell + 100}\t{GENES[gene]}\t{count * 7}\t{count + 1}\t{count}")
    return write(folder / "lab_Expression_Data.st", lines)


def long_plain(folder):
    found = zip(*np.nonzero(COUNTS), strict=True)
    return write(
        folder / "lab.csv", ["gene,cell,count", *(f"{GENES[g]},{CELLS[c]},{COUNTS[c, g]:.0f}" for c, g in found)]
    )


def kallisto(folder):
    """All of a folder of kb count."""
    below = folder / "counts_unfiltered"
    mtx(below / "cells_x_genes.mtx", COUNTS)
    write(below / "cells_x_genes.barcodes.txt", BARCODES)
    write(below / "cells_x_genes.genes.txt", [f"{one}.5" for one in IDS])
    write(below / "cells_x_genes.genes.names.txt", GENES)
    write(folder / "10x_version3_whitelist.txt", BARCODES)
    write(folder / "run_info.json", ["{}"])
    return folder


def kallisto_states(folder):
    """A folder of kb count --workflow nac."""
    kallisto(folder)
    (folder / "counts_unfiltered/cells_x_genes.mtx").unlink()
    for name, matrix in (("mature", SPLICED), ("nascent", UNSPLICED), ("ambiguous", AMBIGUOUS)):
        mtx(folder / f"counts_unfiltered/cells_x_genes.{name}.mtx", matrix)
    return folder


def atlas(folder):
    """The matrix service of the Human Cell Atlas."""
    tenx(folder)
    (folder / "features.tsv.gz").unlink()
    (folder / "barcodes.tsv.gz").unlink()
    lines = ["featurekey\tfeaturename\tfeaturetype\tchromosome"]
    lines += [f"{one}\t{gene}\tprotein_coding\t1" for one, gene in zip(IDS, GENES, strict=True)]
    write(folder / "genes.tsv.gz", lines)
    write(folder / "cells.tsv.gz", ["cellkey\tgenes_detected", *(f"{cell}\t7" for cell in CELLS)])
    return folder


def from_r(way):
    """Genes and barcodes by write.csv or write.table of R."""

    def make(folder):
        mtx(folder / "matrix.mtx", COUNTS.T)
        mark, header, name = (",", '"","x"', "csv") if way == "write.csv" else (" ", '"x"', "txt")
        for stem, values in (("genes", GENES), ("barcodes", CELLS)):
            numbered = [f'"{number}"{mark}"{value}"' for number, value in enumerate(values, 1)]
            write(folder / f"{stem}.{name}", [header, *numbered])
        return folder

    return make


def from_pandas(folder):
    """Genes and cells by to_csv of pandas, and cells in rows."""
    mtx(folder / "matrix.mtx", COUNTS)
    cells_of().var.to_csv(folder / "genes.csv")
    cells_of().obs.to_csv(folder / "barcodes.csv")
    return folder


def half_precision(folder):
    data = cells_of()
    data.X = data.X.toarray()
    data.write_h5ad(folder / "lab.h5ad")
    with h5py.File(folder / "lab.h5ad", "a") as file:
        attributes = dict(file["X"].attrs)
        del file["X"]
        file["X"] = COUNTS.astype("float16")
        file["X"].attrs.update(attributes)
    return folder / "lab.h5ad"


def half_precision_sparse(folder):
    with h5py.File(h5ad(folder), "a") as file:
        values = file["X/data"][...].astype("float16")
        del file["X/data"]
        file["X/data"] = values
    return folder / "lab.h5ad"


def spatial(*names):
    """A SpatialData store."""

    def make(folder):
        group = zarr.open_group(folder / "lab.zarr", mode="w", zarr_format=2)
        for name in ("images", "shapes", "tables"):
            group.create_group(name)
        for name in names:
            zarr_of(folder, cells_of(), f"tables/{name}")
        return folder / "lab.zarr"

    return make


def joined_names(form):
    def make(folder):
        names = [form.format(id=one, symbol=gene) for one, gene in zip(IDS, GENES, strict=True)]
        return by_gene(folder, genes=names, corner="gene")

    return make


def codes_of_r(folder):
    """A column of categories in which R's NA is the smallest integer."""
    with h5py.File(h5ad(folder), "a") as file:
        codes = file["obs/type/codes"][...].astype("int32")
        codes[0] = np.iinfo("int32").min
        del file["obs/type/codes"]
        file["obs/type/codes"] = codes
        file["obs/type/codes"].attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    return folder / "lab.h5ad"


def codes_from_1(folder):
    with h5py.File(h5ad(folder), "a") as file:
        file["obs/type/codes"][...] = file["obs/type/codes"][...] + 1
    return folder / "lab.h5ad"


def attributes_of_r(folder):
    """Arrays of one text in place of text, as hdf5r writes attributes."""
    with h5py.File(h5ad(folder), "a") as file:
        for entry in [file, *(file[name] for name in ("X", "obs", "var", "obs/type", "obs/_index", "var/_index"))]:
            for name, value in dict(entry.attrs).items():
                if isinstance(value, str):
                    entry.attrs[name] = np.array([value], object)
    return folder / "lab.h5ad"


def zstandard(folder, entry):
    """One entry says that it is compressed by a filter that is not installed."""
    with h5py.File(h5ad(folder), "a") as file:
        old = file[entry]
        values, attributes = old[...], dict(old.attrs)
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk(values.shape)
        plist.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, ())
        kind, space = old.id.get_type(), h5py.h5s.create_simple(values.shape)
        del file[entry]
        h5py.h5d.create(file.id, entry.encode(), kind, space, plist)
        file[entry].attrs.update(attributes)
    return folder / "lab.h5ad"


def seurat_disk(folder):
    """Codes that do not refer to their categories."""
    with h5py.File(h5ad(folder), "a") as file:
        obs = file["obs"]
        codes, categories = obs["type/codes"][...], obs["type/categories"][...]
        del obs["type"]
        obs["type"], obs["__categories/type"] = codes, categories
    return folder / "lab.h5ad"
