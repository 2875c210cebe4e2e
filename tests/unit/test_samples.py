"""Samples become one data set whose bytes do not depend on the order of the samples."""

import hashlib
import os
import tarfile
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from server import serving
from test_simulation import SETTINGS as SIMULATION

from scae.errors import UserError
from scae.sources import address, samples

CELLS = ["AAAC-1", "AAAG-1"]
TABLES = {
    "s1": (["CD3D", "LYZ", "MT-CO1"], [[1, 0, 2], [0, 3, 0]]),
    "s2": (["LYZ", "CD3D"], [[4, 5], [0, 6]]),
    "s3": (["CD3D", "LYZ", "MT-CO1"], [[7, 0, 0], [0, 0, 8]]),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, (genes, table) in TABLES.items():
        obs = pd.DataFrame({"type": ["B", "NK"], f"only_{name}": [1, 2]}, index=CELLS)
        matrix = sparse.csr_matrix(np.array(table, np.float32))
        anndata.AnnData(matrix, obs=obs, var=pd.DataFrame(index=genes)).write_h5ad(tmp_path / f"{name}.h5ad")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings(**given):
    return {"source": None, "samples": None, "sha256": None, "join": "inner"} | given


def read(**given):
    return samples.read(settings(**given), "download")


def of_config(**given):
    return read(source={name: f"{name}.h5ad" for name in TABLES}, **given)


def test_cells_are_named_by_their_sample(folder):
    data = of_config()
    assert list(data.obs_names) == [f"{sample}_{cell}" for sample in TABLES for cell in CELLS]
    assert list(data.obs["sample"]) == ["s1", "s1", "s2", "s2", "s3", "s3"]
    assert list(data.obs["type"]) == ["B", "NK"] * 3
    np.testing.assert_array_equal(data.obs["only_s2"], [np.nan, np.nan, 1, 2, np.nan, np.nan])


def test_inner_keeps_the_genes_of_all_and_outer_those_of_any(folder):
    inner = of_config()
    assert list(inner.var_names) == ["CD3D", "LYZ"]
    assert inner.X.toarray().tolist() == [[1, 0], [0, 3], [5, 4], [6, 0], [7, 0], [0, 0]]
    outer = of_config(join="outer")
    assert list(outer.var_names) == ["CD3D", "LYZ", "MT-CO1"]
    assert outer.X.toarray()[:, 2].tolist() == [2, 0, 0, 0, 0, 8]
    assert isinstance(outer.X, sparse.csr_matrix)
    assert outer.X.dtype == np.float32
    assert (outer.uns["genes_in_all_samples"], outer.uns["genes_in_any_sample"]) == (2, 3)


@pytest.mark.parametrize("join", ["inner", "outer"])
def test_the_order_of_the_samples_changes_no_byte(join, folder):
    for name, order in (("a", TABLES), ("b", reversed(TABLES))):
        source = {sample: f"{sample}.h5ad" for sample in order}
        read(source=source, join=join).write_h5ad(folder / name, compression="gzip")
    assert (folder / "a").read_bytes() == (folder / "b").read_bytes()


def test_a_table_of_samples_gives_further_columns(folder):
    (folder / "samples.csv").write_text("sample,path,donor,day\ns2,s2.h5ad,D1,007\ns1,s1.h5ad,D2,8\n")
    data = read(samples="samples.csv")
    assert list(data.obs["sample"]) == ["s1", "s1", "s2", "s2"]
    assert list(data.obs["donor"]) == ["D2", "D2", "D1", "D1"]
    assert list(data.obs["day"]) == ["8", "8", "007", "007"]
    assert address.files_of(settings(samples="samples.csv")) == ["samples.csv", "s1.h5ad", "s2.h5ad"]
    data.write_h5ad(folder / "counts.h5ad")


def test_a_digest_in_the_table_is_checked(folder):
    for digest, says in (("0" * 64, "SHA-256 is"), (hashlib.sha256(Path("s1.h5ad").read_bytes()).hexdigest(), None)):
        (folder / "samples.csv").write_text(f"sample,path,sha256\ns1,s1.h5ad,{digest}\n")
        if says:
            with pytest.raises(UserError, match=rf"s1\.h5ad: {says}"):
                read(samples="samples.csv")
        else:
            assert read(samples="samples.csv").n_obs == 2
    (folder / "sample").mkdir()
    with pytest.raises(UserError, match="sample: is not a file and has no SHA-256"):
        read(source="sample", sha256="0" * 64)


def test_simulated_and_downloaded_data(folder):
    with serving(
        [{"headers": {"Content-Length": os.path.getsize("s1.h5ad")}, "body": Path("s1.h5ad").read_bytes()}]
    ) as server:
        assert read(source={"s1": server.url()}).n_obs == 2
    simulated = settings(source="simulated", simulation=SIMULATION)
    assert samples.read(simulated, "download").shape == (300, 200)
    described = samples.describe(simulated, "download")[None]
    assert (len(described.obs), len(described.var), described.holds) == (300, 200, "counts")


def test_all_matrices_of_an_archive_as_samples(folder):
    with tarfile.open(folder / "raw.tar", "w") as archive:
        for name in TABLES:
            archive.add(f"{name}.h5ad", arcname=f"GSM_{name}.h5ad")
    data = read(source="raw.tar", member="all")
    assert list(data.obs["sample"].unique()) == [f"GSM_{name}" for name in TABLES]
    assert data.shape == (6, 2)


def test_two_matrices_of_one_name_are_rejected(folder):
    with tarfile.open(folder / "raw.tar", "w") as archive:
        archive.add("s1.h5ad", arcname="a.h5ad")
        archive.add("s1.h5ad", arcname="a.h5")
    with pytest.raises(UserError, match=r"raw\.tar: two matrices are named a"):
        read(source="raw.tar", member="all")


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("", "needs the columns sample and path"),
        ("name,path\ns1,s1.h5ad\n", "needs the columns sample and path"),
        ("sample,path\n", "needs the columns sample and path"),
        ("sample,path\ns1,s1.h5ad,x\n", "row 2 does not have as many fields"),
        ("sample,path,donor\ns1,s1.h5ad\n", "row 2 does not have as many fields"),
        ("sample,path\ns1,s1.h5ad\ns1,s2.h5ad\n", "row 3: sample s1 is given twice"),
        ("sample,path\ns1/../x,s1.h5ad\n", "row 2: 's1/../x'"),
        ("sample,path\ns1,\n", "row 2: sample s1 has no path"),
        (b"sample,path\n\xff,s1.h5ad\n", "cannot be read"),
    ],
)
def test_bad_sample_tables_are_rejected(table, says, folder):
    (folder / "samples.csv").write_bytes(table if isinstance(table, bytes) else table.encode())
    with pytest.raises(UserError) as caught:
        read(samples="samples.csv")
    assert str(caught.value).startswith("samples.csv: ")
    assert says in str(caught.value)


def test_only_counts_and_corrected_counts_are_joined(folder):
    parts = {name: read(source={name: f"{name}.h5ad"}) for name in TABLES}
    parts["s3"].uns["values"] = "corrected_counts"
    assert samples._joined(parts, "inner", 0.5).uns["values"] == "corrected_counts"
    parts["s3"].uns["values"] = "log_normalized"
    with pytest.raises(UserError, match="s1 counts, s2 counts, s3 log_normalized"):
        samples._joined(parts, "inner", 0.5)


def test_samples_without_a_gene_in_common_are_rejected(folder):
    data = anndata.read_h5ad("s3.h5ad")
    data.var_names = ["ENSG1", "ENSG2", "ENSG3"]
    data.write_h5ad("s3.h5ad")
    with pytest.raises(UserError, match="share 0 genes, 0 % of those of s2"):
        of_config()


def test_each_sample_is_described_as_it_is_read(folder):
    (folder / "samples.csv").write_text("sample,path,donor\ns1,s1.h5ad,D1\ns2,s2.h5ad,D2\n")
    found = samples.describe(settings(samples="samples.csv"), "download")
    assert {name: (set(one.obs["donor"]), len(one.var), one.holds) for name, one in found.items()} == {
        "s1": ({"D1"}, 3, "counts"),
        "s2": ({"D2"}, 2, "counts"),
    }
    (folder / "samples.csv").write_text("sample\n")
    assert "needs the columns" in samples.describe(settings(samples="samples.csv"), "download")[None].problems[0]
