"""scVI as a model of the workflow: what it gives, says and leaves behind; scvi-tools by itself is the judge."""

import logging
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from places import ROOT
from scipy import sparse
from torch.distributions import Normal, kl_divergence

from scae.errors import UserError
from scae.jobs.notes import NOTE
from scae.models import registry
from scae.models import scvi as page

N_GENES = 30


def counts_of(n_cells):
    return sparse.csr_matrix(np.random.default_rng(n_cells).poisson(1.0, (n_cells, N_GENES)).astype(np.float32))


def fit(counts, batches=None, seed=3, **hyperparameters):
    pytest.importorskip("scvi")
    defaults = {name: entry["default"] for name, entry in page.CONFIG.items()}
    return page.fit(counts, batches, seed, **defaults | {"epochs": 2, "n_latent": 3} | hyperparameters)


@pytest.fixture
def package():
    return pytest.importorskip("scvi")


def test_it_is_what_scvi_tools_gives_for_the_same_counts(package):
    """Its own call, in the order of its documentation, on all cells and one thread."""
    import anndata

    counts, batches = counts_of(50), np.array(["x", "y"])[np.arange(50) % 2]
    found = fit(counts, batches, batch_size=20)
    torch.set_num_threads(1)
    package.settings.seed = 3
    data = anndata.AnnData(counts)
    data.obs["lane"] = batches
    package.model.SCVI.setup_anndata(data, batch_key="lane")
    model = package.model.SCVI(data, n_latent=3)
    options = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu", "devices": 1}
    model.train(max_epochs=2, train_size=1.0, batch_size=20, **options)
    mean, variance = model.get_latent_representation(return_dist=True)
    np.testing.assert_array_equal(found["latent"], mean)
    posterior = Normal(torch.from_numpy(mean), torch.from_numpy(variance).sqrt())
    np.testing.assert_allclose(found["kl"], kl_divergence(posterior, Normal(0, 1)), rtol=1e-4, atol=1e-6)
    for name, key in (("reconstruction", "reconstruction_loss_train"), ("kl", "kl_local_train")):
        expected = model.history[key][key].astype(float)
        np.testing.assert_allclose([row[name] for row in found["history"]], expected, rtol=1e-5)


def test_counts_of_the_caller_are_left_alone():
    counts = counts_of(40)
    before = counts.copy()
    fit(counts)
    assert (counts != before).nnz == 0


def test_a_cell_that_is_left_over_by_the_batches_stops_nothing():
    assert fit(counts_of(41), batch_size=20)["latent"].shape == (41, 3)


def test_a_cell_without_counts_is_refused():
    counts = counts_of(40).tolil()
    counts[7] = 0
    with pytest.raises(UserError, match="cell number 8 has none in these genes; raise qc"):
        fit(counts.tocsr())


def test_a_loss_that_is_no_number_ends_the_training():
    counts = counts_of(40)
    counts.data[5] = 3e38
    with pytest.raises(UserError, match="the loss of scVI became nan in epoch 1; look for extreme values in the data"):
        fit(counts)


@pytest.fixture
def caplog(caplog):
    caplog.set_level(logging.INFO)
    return caplog


def notes_of(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == NOTE]


def test_fewer_epochs_than_its_own_are_said(caplog):
    fit(counts_of(40), epochs=3)
    assert notes_of(caplog) == [
        "3 epochs of training, fewer than scVI's own 400; the weight of the KL divergence rose to 0.005 of 1, which "
        "takes 400 epochs"
    ]


@pytest.mark.parametrize(
    ("n_epochs", "own", "n_cells", "said"),
    [
        (400, 400, 500, []),
        (500, 400, 500, []),
        (
            40,
            40,
            200_000,
            [
                "40 epochs of training, scVI's own for 200,000 cells; the weight of the KL divergence rose to 0.098 of "
                "1, which takes 400 epochs"
            ],
        ),
    ],
)
def test_a_divergence_that_never_weighs_its_whole_is_said(n_epochs, own, n_cells, said, caplog):
    page._tell_epochs(n_epochs, own, n_cells)
    assert notes_of(caplog) == said


def test_its_own_epochs_are_those_of_scvi_tools(package, monkeypatch):
    asked = []
    monkeypatch.setattr(page, "_train", lambda model, epochs, *rest: asked.append(epochs) or sys.exit())
    monkeypatch.setattr(package.model._utils, "get_max_epochs_heuristic", lambda n_cells: n_cells + 7)
    with pytest.raises(SystemExit):
        fit(counts_of(40), epochs=None)
    assert asked == [47]


def test_counts_that_are_not_whole_are_said(caplog):
    counts = counts_of(40)
    counts.data *= 0.5
    fit(counts)
    assert "the counts are not whole numbers, as scVI takes them to be" in notes_of(caplog)


def test_it_leaves_no_file_and_lets_nobody_talk(tmp_path, monkeypatch, capfd, caplog):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLURM_NTASKS", "4")  # Lightning would have each task of a job take part
    monkeypatch.setenv("SLURM_JOB_NAME", "scae")
    logging.captureWarnings(True)
    try:
        fit(counts_of(40))
    finally:
        logging.captureWarnings(False)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert {record.name for record in caplog.records} == {"scae.models.scvi"}


def test_what_it_needs_is_a_file_of_requirements_and_is_told_where_it_is_missing(monkeypatch):
    said = registry.find("scvi").needs["get"]
    assert (ROOT / said.removeprefix("pip install -r ")).read_text().splitlines()[2] == "scvi-tools==1.4.2"
    monkeypatch.setattr(registry.importlib, "util", SimpleNamespace(find_spec=lambda name: None))
    assert registry.find("scvi").missing() == (
        "scVI needs the package scvi, which is not installed here; pip install -r requirements-scvi.txt, or let --sdm "
        "conda bring it"
    )
    assert registry.find("dae").missing() is None
