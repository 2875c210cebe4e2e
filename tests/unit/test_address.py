"""Local files by content, URLs without secrets, and the data sets of scanpy."""

import hashlib
import os

import pytest

from scae.sources import address


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "{cells}.csv"
    path.write_text("cell,GENE\nA,1\n")
    return path


def test_a_file_is_known_by_its_content_not_its_time(file):
    before = address.content([file])
    assert before == [hashlib.sha256(file.read_bytes()).hexdigest()]
    os.utime(file, (0, 0))
    assert address.content([file]) == before
    file.write_text("cell,GENE\nA,2\n")
    os.utime(file, (0, 0))
    assert address.content([file]) != before


def test_a_large_file_is_known_by_its_size_and_time(file, monkeypatch):
    assert address.is_hashed(file)
    monkeypatch.setattr(address, "HASHED_BYTES", 5)
    assert not address.is_hashed(file)
    before = address.content([file])
    os.utime(file, (0, 0))
    assert address.content([file]) != before  # Snakemake cannot watch a path with braces
    plain = file.rename(file.with_name("cells.csv"))
    assert address.content([plain]) == [f"{plain.stat().st_size} bytes"]


def test_the_data_sets_of_scanpy_are_known():
    import scanpy

    assert set(address.SHIPPED_DATASETS) == set(scanpy.datasets.__all__) - {"ebi_expression_atlas"}


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("https://example.org/a.h5ad?token=secret#x", "https://example.org/a.h5ad"),
        ("https://me:secret@example.org/a.h5ad", "https://example.org/a.h5ad"),
        ("/home/me/a.h5ad", "a.h5ad"),
        ("data/a.h5ad", "data/a.h5ad"),
        ("scanpy:pbmc68k_reduced", "scanpy:pbmc68k_reduced"),
    ],
)
def test_reports_show_no_secret_and_no_local_folder(source, shown):
    assert address.shown(source) == shown


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://example.org/a.h5ad", None),
        ("http://127.0.0.1:80/x?y=1", None),
        ("http://[::1]:8080/x", None),
        ("http://a./x", None),
        ("https://", "not the URL"),
        ("http://[::1", "not the URL"),
        ("https://a b/c", "not the URL"),
        ("http://host:99999/x", "not the URL"),
        ("http://a..b/x", "not the URL"),
        (f"http://{'a' * 64}/x", "not the URL"),
        ("https://me:secret@host/x", "netrc"),
        ("https://me@host/x", "netrc"),
    ],
)
def test_problems_of_urls(url, problem):
    found = address.problem_of_url(url)
    assert problem in found if problem else found is None
    assert "secret" not in str(found)


@pytest.mark.parametrize(
    ("name", "says"),
    [("a.RDS", "R file"), ("a.xlsx", "workbook"), ("reads.bam", "reads"), ("a.pkl", "pickle"), ("a.h5ad", None)],
)
def test_files_that_cannot_be_read_are_known_by_name(name, says):
    found = address.problem_of_name(f"data/{name}")
    assert says in found if says else found is None


def test_samples_of_a_data_set():
    found = address.samples({"source": {"b": "b.h5ad", "a": "a.h5ad"}})
    assert list(found) == ["a", "b"]
    assert found["a"] == {"source": "a.h5ad", "sha256": None, "columns": {}}
    assert address.samples({"source": "a.h5ad", "sha256": "x"}) == {
        None: {"source": "a.h5ad", "sha256": "x", "columns": {}}
    }
    assert address.shown_samples({"source": {"b": "/me/b.h5ad", "a": "https://h/a?t=s"}}) == "a: https://h/a, b: b.h5ad"
    assert address.sample_name("GSM1/filtered matrix.h5ad.gz") == "GSM1_filtered_matrix"


def test_only_the_files_that_are_read_are_watched(tmp_path):
    names = ["barcodes.tsv", "genes.tsv", "matrix.mtx"]
    for name in [*names, "matrix.mtx.bak", "barcodes.tsv~", "features.tsv.old", ".matrix.mtx.swp", "clusters.csv"]:
        (tmp_path / name).touch()
    assert address.local_files(str(tmp_path)) == [str(tmp_path / name) for name in names]
    (tmp_path / "matrix.mtx").unlink()
    assert str(tmp_path / "clusters.csv") in address.local_files(str(tmp_path))
    (tmp_path / "sub/a.zarr/X").mkdir(parents=True)
    for name in (".zgroup", "X/0"):
        (tmp_path / "sub/a.zarr" / name).touch()
    for folder in ("sub", "sub/a.zarr"):
        found = address.local_files(str(tmp_path / folder))
        assert found == [str(tmp_path / "sub/a.zarr" / name) for name in (".zgroup", "X/0")]
    assert address.local_files("scanpy:paul15") == address.local_files("https://example.org/a") == []


def test_large_sources_are_only_exported_if_the_config_says_so(file, monkeypatch):
    dataset = {"source": str(file), "export": "auto"}
    assert address.is_exported(dataset)
    monkeypatch.setattr(address, "EXPORTED_BYTES", 5)
    assert not address.is_exported(dataset)
    assert address.is_exported(dataset | {"export": True})
    assert address.is_exported({"source": "https://example.org/cells.h5ad", "export": "auto"})
    assert not address.is_exported({"source": "simulated", "export": False})


@pytest.mark.parametrize(
    ("source", "labels", "origin"),
    [
        ("cells.h5ad", {"from": "obs", "column": "cell_type"}, "obs"),
        ("cells.h5ad", {"from": "obs", "column": "bulk_labels"}, "obs"),
        ("cells.h5ad", {"from": "obs", "column": "cluster_name"}, "obs"),
        *(
            ("cells.h5ad", {"from": "obs", "column": column}, "obs_clusters")
            for column in ("leiden", "louvain_0.5", "seurat_clusters", "RNA_snn_res.0.8", "KMeans", "Cluster")
        ),
        ("simulated", {"from": "obs", "column": "leiden"}, "simulation"),
        ("cells.h5ad", {"from": "csv", "column": "leiden"}, "csv"),
    ],
)
def test_the_source_of_labels_tells_clusters_from_annotations(source, labels, origin):
    assert address.origin_of_labels(source, labels) == origin
