"""Formats by content, untrusted archives, and the readers that a data set may need."""

import gzip
import io
import tarfile

import anndata
import pandas as pd
import pytest
from scipy import sparse
from small_data import annotated, assert_matrix, fails, tar, triple, write, written

from scae.sources import formats, reader


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"x", "has no rows"),
        (b"PK\x03\x04 and so on", "workbook"),
        (gzip.compress(b"X\n\x00\x00\x00\x03", mtime=0), ".rds"),
        (b"A\n", ".rds"),
        (b"RDX3\nX\n", "R workspace"),
        (b"\x80\x04\x95 a pickle", "pickle"),
        (b"PAR1", "Parquet"),
        (b"%PDF-1", "PDF"),
        (b"BAM\x01", "reads"),
        (b"\n <!DOCTYPE html>\n<html><body>404</body></html>", "web page"),
        (b"some\x00bytes", "unknown binary format"),
        (b"@read1\nACGT\n+\nIIII\n", "FASTQ"),
    ],
)
def test_unreadable_files_are_recognised_by_content(content, says, tmp_path):
    (tmp_path / "data").write_bytes(content)
    assert says in fails(tmp_path / "data")


@pytest.mark.parametrize("name", ["data.h5ad", "data.h5", "matrix.mtx.gz", "data.tar.gz", "data.loom"])
def test_content_that_does_not_match_the_name(name, tmp_path):
    (tmp_path / name).write_text("404: not found")
    assert "not what its name says (it begins '404: not found')" in fails(tmp_path / name)
    (tmp_path / name).write_bytes(b"\x1f\x8b never compressed \x00\n" * 20)
    assert "is damaged or truncated" in fails(tmp_path / name)


@pytest.mark.parametrize("kind", ["h5ad", "tar.gz", "mtx.gz", "csv.gz"])
def test_truncated_files_are_one_line(kind, tmp_path):
    obs, var = pd.DataFrame(index=[f"c{n}" for n in range(2000)]), pd.DataFrame(index=["A", "B"])
    data = anndata.AnnData(sparse.random(2000, 2, 0.5, "csr", random_state=0), obs=obs, var=var)
    folder = triple(tmp_path / "sample", matrix="matrix.mtx.gz")
    path = {"mtx.gz": folder / "matrix.mtx.gz"}.get(kind, tmp_path / f"data.{kind}")
    if kind == "h5ad":
        data.write_h5ad(path)
    elif kind == "tar.gz":
        tar(path, folder)
    elif kind == "csv.gz":
        write(path, data.to_df().to_csv().encode())
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    assert fails(path).startswith(("cannot be read", "is damaged or truncated"))


def test_an_h5ad_may_be_compressed_or_have_any_name(tmp_path):
    content = written(tmp_path / "data.h5ad", annotated()).read_bytes()
    for name, packed in (("data.h5ad.gz", gzip.compress(content)), ("data.h5", content), ("download", content)):
        (tmp_path / name).write_bytes(packed)
        assert_matrix(reader.read(tmp_path / name))


@pytest.mark.parametrize(
    "member",
    [
        {"name": "../../escaped.mtx", "size": 2},
        {"name": "/tmp/x.mtx"},
        {"name": "x.mtx", "type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
        {"name": "x.mtx", "type": tarfile.LNKTYPE, "linkname": "../x"},
        {"name": "x.mtx", "type": tarfile.CHRTYPE},
        {"name": "x.mtx", "type": tarfile.FIFOTYPE},
    ],
)
def test_an_archive_cannot_reach_outside(member, tmp_path):
    path = tmp_path / "inner/data.tar"
    path.parent.mkdir()
    with tarfile.open(path, "w") as archive:
        entry = tarfile.TarInfo()
        for name, value in member.items():
            setattr(entry, name, value)
        archive.addfile(entry, io.BytesIO(b"hi"))
    says = "is a link or device" if "type" in member else "would be unpacked outside"
    assert f'"{member["name"]}" {says}' in fails(path)
    assert not list(tmp_path.rglob("escaped*"))


@pytest.mark.parametrize("name", ["data.tar.gz", "data.h5ad.gz", "barcodes.tsv.gz", "matrix.mtx.gz"])
def test_decompression_bombs_are_stopped(name, tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "SMALL_BYTES", 10_000)
    path = tmp_path / name
    if name == "data.tar.gz":
        path = tar(path, write(tmp_path / "sample/matrix.mtx", bytes(3_000_000)).parent)
    elif name == "data.h5ad.gz":
        write(path, formats.HDF5 + bytes(3_000_000))
    else:
        path = triple(tmp_path / "sample", "matrix.mtx.gz", "genes.tsv", "barcodes.tsv.gz")
        write(path / name, gzip.decompress((path / name).read_bytes()) + b"\n" * 3_000_000)
    assert "would unpack to more than" in fails(path)


def test_an_archive_of_too_many_members_is_stopped(tmp_path, monkeypatch):
    from scae.sources import archives

    monkeypatch.setattr(archives, "MOST_MEMBERS", 2)
    assert "would unpack to more than" in fails(tar(tmp_path / "data.tar", triple(tmp_path / "sample")))


ANNDATA, TENX, TABLE = (formats.READERS[name] for name in ("h5ad", "10x_h5", "table"))
EVERY = sorted({formats.CONTAINERS, *formats.READERS.values()})


def test_the_readers_that_a_data_set_may_need(tmp_path):
    h5ad, csv = str(written(tmp_path / "a.h5ad", annotated())), str(write(tmp_path / "a.csv", ["cell,A", "c,1"]))
    mtx = triple(tmp_path / "sample") / "matrix.mtx"
    for source, named, modules in (
        ("simulated", "auto", []),
        ("scanpy:pbmc68k_reduced", "auto", [ANNDATA]),
        (h5ad, "auto", [ANNDATA, TENX]),
        (h5ad, "h5mu", [ANNDATA]),
        (csv, "auto", [TABLE]),
        (str(mtx), "auto", [formats.READERS["triple"]]),
        (str(mtx.parent), "triple", EVERY),
        ("https://example.org/a.h5ad", "h5ad", EVERY),
        ({"one": h5ad, "two": csv}, "auto", sorted([ANNDATA, TENX, TABLE])),
    ):
        assert formats.readers({"source": source, "format": named}) == modules


def test_a_job_loads_no_other_reader(tmp_path):
    """In a new process, since tests share their modules."""
    from toy import start

    code = (
        "import json, sys; from scae.sources import reader; reader.read(json.loads(sys.argv[1])); print(*sys.modules)"
    )
    path = write(tmp_path / "a.csv", ["cell,A,B", "c,1,0", "d,0,2"])
    output, errors = start(code, str(path), cwd=tmp_path).communicate()
    assert set(EVERY) & set(output.split()) == set(formats.readers({"source": str(path)})), errors
