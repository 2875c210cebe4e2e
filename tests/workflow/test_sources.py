"""Counts from a CSV pair, an archive on disk and an archive behind a URL."""

import contextlib
import hashlib
import re
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anndata
import interruptions
import numpy as np
import pandas as pd
import pytest
import torch
from server import serving
from small_data import tar, triple
from workflow_project import MODELS, Project, toy_cells


def test_the_csv_pair_gives_the_same_weights_and_tables_as_its_h5ad(finished, warm, tmp_path):
    project = Project.create(tmp_path / "project", finished.workflow, finished.config, warm=warm)
    for name in ("expression.csv.gz", "labels.csv"):
        shutil.copyfile(finished.path(f"results/toy/export/{name}"), project.path(name))
    project.config["datasets"]["toy"] = {
        "source": "expression.csv.gz",
        "values": "log_normalized",
        "qc": {"min_cells": 0, "min_genes": 0},
        "labels": {"from": "csv", "path": "labels.csv"},
    }
    project.run("results/toy/beta_vsc/seed0/metrics.csv", *(f"results/toy/{model}/seed0/model.pt" for model in MODELS))
    for model in MODELS:
        path = f"results/toy/{model}/seed0/model.pt"
        ours, theirs = (torch.load(one.path(path), weights_only=True)["state_dict"] for one in (project, finished))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    runs = [f"beta_vsc/seed0/{name}.csv" for name in ("history", "latent", "tsne2d", "clusters", "metrics")]
    for name in ("labels.csv", *runs):
        ours, theirs = (one.path(f"results/toy/{name}").read_text() for one in (project, finished))
        if name.endswith("metrics.csv"):  # which has the source of the labels
            ours = re.sub("^csv,", "obs,", ours, flags=re.MULTILINE)
        assert ours == theirs, name


@pytest.fixture
def archive(tmp_path):
    """The toy counts as a 10x archive."""
    cells = toy_cells()
    ids = [f"ID{number}" for number in range(cells.n_vars)]
    folder = triple(tmp_path / "hg19", columns=(ids, cells.var_names), table=cells.X.T, names=cells.obs_names)
    return tar(tmp_path / "toy.tar.gz", folder)


def set_source(project, source, digest):
    project.set("datasets.toy.source", str(source))
    project.set("datasets.toy.sha256", digest)
    project.set("datasets.toy.labels", {"from": "clusters"})  # an archive has none


def assert_toy_counts(project):
    project.run("results/toy/counts.h5ad")
    counts, expected = anndata.read_h5ad(project.path("results/toy/counts.h5ad")), toy_cells()
    pd.testing.assert_index_equal(counts.obs_names, expected.obs_names)
    pd.testing.assert_index_equal(counts.var_names, expected.var_names)
    np.testing.assert_array_equal(counts.X.toarray(), expected.X.toarray())


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_local_archive_with_and_without_digest(empty, archive):
    set_source(empty, archive, "0" * 64)
    done = empty.run("results/toy/counts.h5ad", check=False)
    assert done.returncode != 0
    assert f"{archive}: SHA-256 is {sha256(archive)}, expected {'0' * 64}" in done.stdout
    assert "Traceback" not in done.stdout
    assert not empty.path("results/toy/counts.h5ad").exists()
    set_source(empty, archive, None)
    assert_toy_counts(empty)


def test_an_archive_behind_a_url_is_downloaded_once(empty, archive):
    content = archive.read_bytes()
    with serving([{"headers": {"Content-Length": len(content)}, "body": content}]) as server:
        url = server.url("/toy.tar.gz")
        set_source(empty, url, "0" * 64)
        done = empty.run("results/toy/counts.h5ad", check=False)
        assert done.returncode != 0
        assert f"{url}: SHA-256 is {sha256(archive)}, expected {'0' * 64}" in done.stdout
        assert not list(empty.path("results").rglob("*.tar.gz*"))
        set_source(empty, url, sha256(archive))
        assert_toy_counts(empty)
        empty.path("results/toy/counts.h5ad").unlink()
        assert_toy_counts(empty)
        assert len(server.requests) == 2


def test_a_url_that_does_not_exist_is_named(empty):
    with serving([{"status": 404, "headers": {"Content-Length": 0}}]) as server:
        set_source(empty, server.url(), None)
        done = empty.run("results/toy/counts.h5ad", check=False)
    assert done.returncode != 0
    assert f"fetch_counts dataset=toy: {server.url()}: download failed" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_run_killed_in_a_stalled_download_can_be_run_again(empty, archive):
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
            with contextlib.suppress(OSError):  # of the killed client
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
        assert_toy_counts(empty)
        server.shutdown()
