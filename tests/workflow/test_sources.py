"""Counts come from wherever they live: a CSV pair, an archive on disk, an archive behind a URL."""

import contextlib
import hashlib
import io
import re
import shutil
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer

import anndata
import interruptions
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.io import mmwrite
from workflow_project import MODELS, Project, toy_cells

# The study's CSV pair


@pytest.fixture(scope="module")
def from_csv(finished, warm, tmp_path_factory):
    """The toy data again, from the CSV pair that the finished run exported; trained and scored."""
    folder = tmp_path_factory.mktemp("csv") / "project"
    project = Project.create(folder, finished.workflow, finished.config, warm=warm)
    for name in ("expression.csv.gz", "labels.csv"):
        shutil.copyfile(finished.path(f"results/toy/export/{name}"), project.path(name))
    project.config["datasets"]["toy"] = {
        "source": "expression.csv.gz",
        "values": "log_normalized",
        "qc": {"min_cells": 0, "min_genes": 0},
        "labels": {"from": "csv", "path": "labels.csv"},
    }
    project.run("results/toy/beta_vsc/seed0/metrics.csv", *(f"results/toy/{model}/seed0/model.pt" for model in MODELS))
    return project


@pytest.mark.parametrize("model", MODELS)
def test_csv_pair_trains_to_the_same_weights_as_its_h5ad(finished, from_csv, model):
    path = f"results/toy/{model}/seed0/model.pt"
    ours, theirs = (torch.load(project.path(path), weights_only=True) for project in (finished, from_csv))
    assert ours["state_dict"].keys() == theirs["state_dict"].keys()
    assert all(torch.equal(ours["state_dict"][name], theirs["state_dict"][name]) for name in ours["state_dict"])


@pytest.mark.parametrize("name", ["history.csv", "latent.csv", "tsne2d.csv", "clusters.csv", "metrics.csv"])
def test_csv_pair_gives_the_same_tables_as_its_h5ad(finished, from_csv, name):
    path = f"results/toy/beta_vsc/seed0/{name}"
    theirs = from_csv.path(path).read_text()
    if name == "metrics.csv":  # says where the labels come from
        theirs = re.sub("^csv,", "obs,", theirs, flags=re.MULTILINE)
    assert theirs == finished.path(path).read_text()


def test_labels_of_the_csv_pair_survive_the_round_trip(finished, from_csv):
    assert from_csv.path("results/toy/labels.csv").read_bytes() == finished.path("results/toy/labels.csv").read_bytes()


# Archives


@pytest.fixture
def archive(tmp_path):
    """The toy counts as a 10x archive, laid out as Cell Ranger does."""
    path = tmp_path / "served" / "toy.tar.gz"
    path.parent.mkdir()
    cells = toy_cells()
    matrix = io.BytesIO()
    mmwrite(matrix, cells.X.T.tocoo().astype(int))
    members = {
        "matrix.mtx": matrix.getvalue(),
        "genes.tsv": "".join(f"ID{number}\t{gene}\n" for number, gene in enumerate(cells.var_names)).encode(),
        "barcodes.tsv": "".join(f"{cell}\n" for cell in cells.obs_names).encode(),
    }
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(f"filtered_gene_bc_matrices/hg19/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def address(archive):
    """URL of the archive on a server of this machine, and the list of requests that it has had."""
    requests = []

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=archive.parent)

        def do_GET(self):
            requests.append(self.path)
            super().do_GET()

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{archive.name}", requests
        server.shutdown()


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def set_source(project, source, digest):
    project.set("datasets.toy.source", str(source))
    project.set("datasets.toy.sha256", digest)
    project.set("datasets.toy.labels", {"from": "clusters"})  # an archive holds none


def assert_toy_counts(project):
    counts, expected = anndata.read_h5ad(project.path("results/toy/counts.h5ad")), toy_cells()
    pd.testing.assert_index_equal(counts.obs_names, expected.obs_names)
    pd.testing.assert_index_equal(counts.var_names, expected.var_names)
    np.testing.assert_array_equal(counts.X.toarray(), expected.X.toarray())


def test_local_archive_is_read_without_a_digest(empty, archive):
    set_source(empty, archive, None)
    empty.run("results/toy/counts.h5ad")
    assert_toy_counts(empty)


def test_local_archive_with_another_digest_is_refused(empty, archive):
    set_source(empty, archive, "0" * 64)
    done = empty.run("results/toy/counts.h5ad", check=False)
    assert done.returncode != 0
    assert f"{archive}: SHA-256 is {sha256(archive)}, expected {'0' * 64}; set sha256 to null" in done.stdout
    assert "Traceback" not in done.stdout
    assert not empty.path("results/toy/counts.h5ad").exists()


def test_archive_behind_a_url_is_downloaded_once(empty, archive, address):
    url, requests = address
    set_source(empty, url, sha256(archive))
    empty.run("results/toy/counts.h5ad")
    assert_toy_counts(empty)
    assert requests == ["/toy.tar.gz"]
    empty.path("results/toy/counts.h5ad").unlink()
    empty.run("results/toy/counts.h5ad")
    assert_toy_counts(empty)
    assert requests == ["/toy.tar.gz"]


def test_download_with_another_digest_is_refused_and_not_kept(empty, archive, address):
    url, _ = address
    set_source(empty, url, "0" * 64)
    done = empty.run("results/toy/counts.h5ad", check=False)
    assert done.returncode != 0
    assert f"{url}: SHA-256 is {sha256(archive)}, expected {'0' * 64}" in done.stdout
    assert "Traceback" not in done.stdout
    assert not list(empty.path("results").rglob("*.tar.gz*"))


def test_address_that_is_not_there_is_named(empty, address):
    url = address[0].replace("toy.tar.gz", "gone.tar.gz")
    set_source(empty, url, None)
    done = empty.run("results/toy/counts.h5ad", check=False)
    assert done.returncode != 0
    assert f"fetch_counts dataset=toy: {url}: download failed" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_run_that_is_killed_in_a_stalled_download_can_be_run_again(empty, archive):
    content, asked, go_on = archive.read_bytes(), threading.Event(), threading.Event()

    class Stalling(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            asked.set()
            go_on.wait(60)
            with contextlib.suppress(OSError):  # of who was killed
                self.wfile.write(content[len(content) // 2 :])

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Stalling) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        set_source(empty, f"http://127.0.0.1:{server.server_port}/{archive.name}", sha256(archive))
        process = empty.start("results/toy/counts.h5ad", "--cores", 1)
        assert asked.wait(120)
        jobs = interruptions.jobs_of(process)
        process.kill()
        process.communicate()
        interruptions.wait_for_end(jobs, seconds=10)
        go_on.set()
        empty.run("--unlock")
        empty.run("results/toy/counts.h5ad")
        server.shutdown()
    assert_toy_counts(empty)
