"""scVI as a model of the workflow: results, messages and side effects, compared with scvi-tools itself."""

import logging
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from places import ROOT
from scipy import sparse
from torch.distributions import Normal, kl_divergence
from toy import refusal

from scae.jobs.notes import NOTE
from scae.models import registry
from scae.models import scvi as model_file


def counts_of(n_cells):
    return sparse.csr_matrix(np.random.default_rng(n_cells).poisson(1.0, (n_cells, 30)).astype(np.float32))


def fit(counts, batches=None, **hyperparameters):
    pytest.importorskip("scvi")
    defaults = {name: entry["default"] for name, entry in model_file.CONFIG.items()}
    return model_file.fit(counts, batches, 3, **defaults | {"epochs": 2, "n_latent": 3} | hyperparameters)


@pytest.fixture
def package():
    return pytest.importorskip("scvi")


def test_it_is_what_scvi_tools_gives_for_the_same_counts(package):
    """Its own calls, in the order of its documentation, on all cells and one thread."""
    import anndata

    counts, batches = counts_of(50), np.array(["x", "y"])[np.arange(50) % 2]
    before = counts.copy()
    found = fit(counts, batches, batch_size=20)
    assert (counts != before).nnz == 0
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


def test_a_batch_of_one_cell_does_not_stop_the_training():
    assert fit(counts_of(41), batch_size=20)["latent"].shape == (41, 3)


def test_unusable_counts_are_refused():
    counts = counts_of(40).tolil()
    counts[7] = 0
    assert "cell number 8 has none" in refusal(fit, counts.tocsr())
    counts = counts_of(40)
    counts.data[5] = 3e38
    assert refusal(fit, counts).startswith("the loss of scVI is nan in epoch 1; ")


@pytest.fixture
def notes(caplog):
    """Function: the messages of level NOTE so far."""
    caplog.set_level(logging.INFO)
    return lambda: [record.getMessage() for record in caplog.records if record.levelno == NOTE]


@pytest.mark.parametrize(
    ("n_epochs", "default", "fragments"),
    [
        (400, 400, []),
        (500, 400, []),
        (3, 400, ["3 epochs, fewer than its default of 400", "reached 0.005 of 1 "]),
        (1, 400, ["1 epoch, fewer"]),
        (40, 40, ["40 epochs, the default for 200,000 cells", "reached 0.098 of 1 "]),
    ],
)
def test_short_trainings_are_noted(n_epochs, default, fragments, notes):
    model_file._log_epochs(n_epochs, default, 200_000)
    assert len(notes()) == bool(fragments)
    assert all(fragment in notes()[0] for fragment in fragments)


def test_epochs_default_to_those_of_scvi_tools(package, monkeypatch):
    asked = []
    monkeypatch.setattr(model_file, "_train", lambda model, epochs, *rest: asked.append(epochs) or sys.exit())
    monkeypatch.setattr(package.model._utils, "get_max_epochs_heuristic", lambda n_cells: n_cells + 7)
    with pytest.raises(SystemExit):
        fit(counts_of(40), epochs=None)
    assert asked == [47]


def test_it_writes_no_file_and_its_packages_print_and_log_nothing(tmp_path, monkeypatch, capfd, caplog, notes):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLURM_NTASKS", "4")  # Lightning would wait for all tasks of the job
    monkeypatch.setenv("SLURM_JOB_NAME", "scae")
    logging.captureWarnings(True)
    try:
        fit(counts_of(40))
    finally:
        logging.captureWarnings(False)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    assert {record.name.partition(".")[0] for record in caplog.records} == {"scae"}
    assert sum("epoch 2 of 2: loss " in message for message in caplog.messages) == 1
    assert len(notes()) == 1
    fit(counts_of(40) * 0.5)
    assert any("not whole numbers" in note for note in notes())


def test_it_says_how_to_install_the_package(monkeypatch):
    command = registry.find("scvi").needs["get"]
    assert "scvi-tools==1.4.2" in (ROOT / command.removeprefix("pip install -r ")).read_text().splitlines()
    monkeypatch.setattr(registry.importlib, "util", SimpleNamespace(find_spec=lambda name: None))
    assert f"the package scvi, which is not installed here; {command}" in registry.find("scvi").missing()
