"""Training: the seed decides everything, every cell counts once an epoch, and a model survives its file."""

import importlib.util
import json
import logging
import random
import re

import numpy as np
import pytest
import torch
from places import ROOT
from toy import ENGINES, KINDS, dense_of, expression_of, settings_of, start

from scae.errors import UserError
from scae.training import fitting

GENES = [f"gene{number}" for number in range(12)]


@pytest.fixture(scope="module")
def table():
    source = np.random.default_rng(0)
    groups = source.gamma(2.0, 1.0, (3, 12)) * (source.random((3, 12)) < 0.6)
    return (groups[np.arange(17) % 3] * source.uniform(0.8, 1.2, (17, 12))).astype(np.float32)


@pytest.fixture(scope="module")
def expression(table):
    return expression_of(table)


@pytest.fixture(params=ENGINES)
def engine(request):
    return request.param


def fit(expression, kind="beta_vae", seed=0, **changes):
    return fitting.fit(expression, kind, KINDS[kind], settings_of(**changes), seed)


def column(history, name):
    return np.array([row[name] for row in history])


def weights_of(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_weights_bit_for_bit(kind, engine, expression):
    first, first_history, _ = fit(expression, kind, engine=engine)
    second, second_history, _ = fit(expression, kind, engine=engine)
    assert torch.equal(weights_of(first), weights_of(second))
    assert first_history == second_history


@pytest.mark.parametrize("kind", KINDS)
def test_another_seed_gives_other_weights(kind, expression):
    assert not torch.equal(weights_of(fit(expression, kind)[0]), weights_of(fit(expression, kind, seed=1)[0]))


def test_the_seed_decides_the_order_of_the_cells(expression, monkeypatch):
    orders = {}
    for seed in (0, 0, 1):
        seen = record_batches(monkeypatch)
        fit(expression, seed=seed)
        orders.setdefault(seed, []).append([tuple(cells) for cells in seen])
    assert orders[0][0] == orders[0][1]
    assert orders[0][0] != orders[1][0]


def test_training_does_not_depend_on_the_random_state_around_it(expression):
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        found.append(weights_of(fit(expression)[0]))
    assert torch.equal(*found)


def states():
    numpy_state = np.random.get_state()  # noqa: NPY002
    return {
        "torch": hash(torch.get_rng_state().numpy().tobytes()),
        "numpy": hash((numpy_state[1].tobytes(), numpy_state[2])),
        "random": hash(random.getstate()),
    }


def test_training_leaves_the_random_state_around_it_alone(expression):
    torch.manual_seed(11)
    before = states()
    fit(expression)
    assert states() == before


def test_embedding_leaves_the_random_state_around_it_alone(expression):
    model = fit(expression)[0]
    torch.manual_seed(11)
    before = states()
    fitting.embed(model, expression, "sample", seed=0)
    assert states() == before


@pytest.mark.parametrize("kind", KINDS)
def test_the_history_has_a_row_per_epoch_and_the_columns_of_the_contract(kind, expression):
    _, history, seconds = fit(expression, kind, epochs=3)
    assert [list(row) for row in history] == [["epoch", "loss", "reconstruction", "kl"]] * 3
    assert [row["epoch"] for row in history] == [1, 2, 3]
    loss, reconstruction, kl = (column(history, name) for name in ("loss", "reconstruction", "kl"))
    np.testing.assert_allclose(loss, reconstruction + KINDS[kind].get("beta", 0.0) * kl, rtol=1e-5)
    assert (kl == 0).all() == (kind == "dae")
    assert seconds > 0


def record_batches(monkeypatch):
    seen, make_batches = [], fitting.make_batches

    def spy(expression, settings):
        make_batch = make_batches(expression, settings)
        return lambda cells: seen.append(cells.tolist()) or make_batch(cells)

    monkeypatch.setattr(fitting, "make_batches", spy)
    return seen


def finite(history):
    return np.isfinite([list(row.values()) for row in history]).all()


@pytest.mark.parametrize(("batch_size", "lengths"), [(8, [8, 8, 1]), (17, [17]), (256, [17]), (1, [1] * 17)])
def test_every_cell_is_used_once_an_epoch(batch_size, lengths, engine, expression, monkeypatch):
    seen = record_batches(monkeypatch)
    _, history, _ = fit(expression, epochs=2, batch_size=batch_size, engine=engine)
    assert [len(cells) for cells in seen] == lengths * 2
    halves = seen[: len(lengths)], seen[len(lengths) :]
    epochs = [[cell for cells in half for cell in cells] for half in halves]
    assert [sorted(epoch) for epoch in epochs] == [list(range(17))] * 2
    assert epochs[0] != epochs[1]
    assert finite(history)


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_cell_can_be_trained_on(kind, engine, table):
    _, history, _ = fit(expression_of(table[:1]), kind, batch_size=256, engine=engine)
    assert len(history) == 2
    assert finite(history)


def test_the_history_is_the_mean_over_cells_however_they_are_batched(engine, expression):
    model, history, _ = fit(expression, "dae", epochs=1, batch_size=8, learning_rate=1e-30, engine=engine)
    dense = torch.from_numpy(dense_of(expression))
    with torch.no_grad():
        decoded = model.decoder(torch.from_numpy(fitting.embed(model, expression, "posterior_mean", seed=0)))
        expected = ((dense - decoded.double()) ** 2).sum(dim=1).mean().item()
    assert history[0]["reconstruction"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_falls(kind, engine, expression):
    loss = column(fit(expression, kind, epochs=30, learning_rate=0.01, engine=engine)[1], "loss")
    assert loss[-3:].mean() < 0.7 * loss[0]


def test_training_is_adam_with_the_configured_rate(expression):
    start = weights_of(fit(expression, "dae", epochs=1, learning_rate=1e-30)[0])
    for rate in (1e-3, 1e-2):
        step = (weights_of(fit(expression, "dae", epochs=1, batch_size=17, learning_rate=rate)[0]) - start).abs()
        assert step.max().item() == pytest.approx(rate, rel=0.01)


@pytest.mark.parametrize("problem", ["values", "rate"])
def test_a_loss_that_is_no_number_is_the_users_to_mend(problem, engine, table):
    expression = expression_of(table * np.float32(1e30) if problem == "values" else table)
    with pytest.raises(UserError, match=r"learning_rate") as caught:
        fit(expression, epochs=20, learning_rate=1e12 if problem == "rate" else 0.001, engine=engine)
    assert re.search(r"epoch \d+, batch \d+;", str(caught.value))
    assert "\n" not in str(caught.value)


def test_a_loss_that_is_no_number_is_placed_in_its_epoch_and_batch(engine, table, monkeypatch):
    seen = record_batches(monkeypatch)
    fit(expression_of(table), batch_size=4, engine=engine)
    extreme = seen[2][0]
    broken = table.copy()
    broken[extreme] = 1e30
    with pytest.raises(UserError, match=r"in epoch 1, batch 3;"):
        fit(expression_of(broken), batch_size=4, engine=engine)


def test_the_number_of_threads_is_the_configured_one(engine, expression):
    torch.set_num_threads(2)
    fit(expression, threads=1, engine=engine)
    assert torch.get_num_threads() == 1


AUTO = {"device": "auto", "engine": "auto", "precision": "float32"}
SPARSE, BFLOAT16 = {"engine": "sparse"}, {"precision": "bfloat16"}


def resolve(density=0.05, cuda=False, **changes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: cuda)
        return fitting.resolve(settings_of(**(AUTO | changes)), density)


@pytest.mark.parametrize(
    ("density", "cuda", "changes", "device", "engine"),
    [
        (0.05, False, {}, "cpu", "sparse"),
        (fitting.SPARSE_BELOW, False, {}, "cpu", "dense"),
        (1.0, False, {}, "cpu", "dense"),
        (1.0, False, SPARSE, "cpu", "sparse"),
        (0.05, False, {"engine": "dense"}, "cpu", "dense"),
        (0.05, False, BFLOAT16, "cpu", "dense"),
        (0.05, True, {}, "cuda", "dense"),
        (0.05, True, BFLOAT16, "cuda", "dense"),
        (0.05, True, SPARSE, "cpu", "sparse"),
        (0.05, True, {"device": "cpu"}, "cpu", "sparse"),
        (0.05, True, {"device": "cuda"}, "cuda", "dense"),
    ],
)
def test_auto_takes_what_is_there_and_wins(density, cuda, changes, device, engine):
    found = resolve(density, cuda, **changes)
    assert (found["device"], found["engine"]) == (device, engine)
    assert found | AUTO | changes == settings_of(**(AUTO | changes))


@pytest.mark.parametrize(
    ("cuda", "changes", "key"),
    [
        (False, {"device": "cuda"}, "training.device"),
        (True, {"device": "cuda"} | SPARSE, "training.engine"),
        (False, SPARSE | BFLOAT16, "training.engine"),
    ],
)
def test_what_cannot_be_is_the_users_to_mend(cuda, changes, key):
    with pytest.raises(UserError, match=f"^{re.escape(key)}: ") as caught:
        resolve(cuda=cuda, **changes)
    assert "\n" not in str(caught.value)


def test_the_choice_is_logged(caplog):
    caplog.set_level(logging.INFO, "scae")
    resolve(density=0.05)
    assert caplog.messages == ["sparse engine on cpu, 5.0 % of the entries are not zero"]


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_trains_nearly_as_float32(kind, expression):
    exact, rounded = (
        column(fit(expression, kind, epochs=10, precision=precision)[1], "reconstruction")
        for precision in ("float32", "bfloat16")
    )
    assert not np.array_equal(exact, rounded)
    np.testing.assert_allclose(rounded, exact, rtol=0.03)


PROGRESS = r"epoch (\d+) of 4: loss \d+\.\d\d, reconstruction \d+\.\d\d, kl .*; \d+\.\d\d s an epoch, (\d+) s to go"


def test_progress_is_logged_at_the_first_and_the_last_epoch(expression, caplog):
    caplog.set_level(logging.INFO, "scae")
    fit(expression, epochs=4)
    assert [re.fullmatch(PROGRESS, line)[1] for line in caplog.messages] == ["1", "4"]


def test_progress_is_logged_every_few_seconds_with_the_time_to_go(expression, caplog, monkeypatch):
    clock = iter(range(0, 100_000, fitting.PROGRESS_S))
    monkeypatch.setattr(fitting.time, "perf_counter", lambda: next(clock))
    caplog.set_level(logging.INFO, "scae")
    fit(expression, epochs=4)
    lines = [re.fullmatch(PROGRESS, line) for line in caplog.messages]
    assert [line[1] for line in lines] == ["1", "2", "3", "4"]
    to_go = [int(line[2]) for line in lines]
    assert to_go[0] > to_go[1] > to_go[2] > to_go[3] == 0


def test_progress_reaches_the_terminal_once_a_minute(expression, caplog, monkeypatch):
    clock = iter(range(0, 100_000, 31))
    monkeypatch.setattr(fitting.time, "perf_counter", lambda: next(clock))
    caplog.set_level(logging.INFO, "scae")
    fit(expression, epochs=9)
    shown = [record.terminal for record in caplog.records if hasattr(record, "terminal")]
    assert len(shown) == 9
    assert 3 <= sum(shown) < 9


def test_an_unknown_kind_is_not_built():
    with pytest.raises(ModuleNotFoundError):
        fitting.build("no_such_kind", 3, {})


def test_timing_has_the_columns_of_the_contract():
    row = fitting.timing(2.0, 50, settings_of(epochs=4, engine="sparse"))
    assert list(row) == ["epochs", "seconds", "cells_per_second", "device", "threads", "engine"]
    assert list(row.values()) == [4, 2.0, 100.0, "cpu", 1, "sparse"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_loaded_model_embeds_as_the_saved_one(kind, expression, tmp_path):
    model = fit(expression, kind)[0]
    fitting.save(model, kind, KINDS[kind], settings_of(), GENES, tmp_path / "model.pt")
    loaded = fitting.load(tmp_path / "model.pt", GENES)
    assert torch.equal(weights_of(model), weights_of(loaded))
    assert not loaded.training
    for estimate in ("posterior_mean", "slab_mean", "sample"):
        np.testing.assert_array_equal(
            fitting.embed(model, expression, estimate, seed=4), fitting.embed(loaded, expression, estimate, seed=4)
        )


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_model_is_the_same_file_whatever_its_name(kind, expression, tmp_path):
    for name in ("model.pt", "model_again.pt", "a folder/another-name.bin"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        fitting.save(fit(expression, kind)[0], kind, KINDS[kind], settings_of(), GENES, tmp_path / name)
    contents = {path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(contents) == 1


def test_the_same_model_is_the_same_file_whichever_string_objects_spell_its_settings(expression, tmp_path):
    """Pickle writes a string once for each object; the "cpu" of a config is not the one inside torch."""
    model = fit(expression)[0]
    for name, device in (("literal", "cpu"), ("read", "".join(["c", "pu"]))):
        fitting.save(model, "beta_vae", KINDS["beta_vae"], settings_of(device=device), GENES, tmp_path / name)
    assert (tmp_path / "literal").read_bytes() == (tmp_path / "read").read_bytes()


def test_a_model_file_holds_weights_and_config_and_no_code(expression, tmp_path):
    settings = settings_of(engine="sparse")
    model = fit(expression, engine="sparse")[0]
    fitting.save(model, "beta_vae", KINDS["beta_vae"], settings, np.array(GENES), tmp_path / "model.pt")
    content = torch.load(tmp_path / "model.pt", weights_only=True)
    assert content["kind"] == "beta_vae"
    assert content["hyperparameters"] == KINDS["beta_vae"]
    assert content["training"] == settings
    assert content["genes"] == GENES
    assert all(isinstance(weight, torch.Tensor) for weight in content["state_dict"].values())


@pytest.mark.parametrize("genes", [GENES[:-1], [*GENES[:-1], "other"], GENES[::-1], [*GENES, "more"]])
def test_a_model_refuses_other_genes_than_its_own(genes, expression, tmp_path):
    fitting.save(fit(expression)[0], "beta_vae", KINDS["beta_vae"], settings_of(), GENES, tmp_path / "model.pt")
    with pytest.raises(UserError, match="other genes") as caught:
        fitting.load(tmp_path / "model.pt", genes)
    assert "model.pt" in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_the_latent_does_not_depend_on_the_batches_it_is_computed_in(kind, expression):
    model = fit(expression, kind)[0]
    whole = fitting.embed(model, expression, "posterior_mean", seed=0)
    assert whole.shape == (17, 6)
    assert whole.dtype == np.float32
    parts = fitting.embed(model, expression, "posterior_mean", seed=0, batch_size=4)
    np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-6)


def test_a_sampled_latent_follows_its_seed(expression):
    model = fit(expression)[0]
    first, again, other = (fitting.embed(model, expression, "sample", seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


MEMORY_JOB = """
import json, sys
from pathlib import Path
from scae.training import expression, loop
path, settings = map(json.loads, sys.argv[1:])
data = expression.read(path)
loop.fit(data, "dae", {"n_latent": 6}, settings, 0)
import numba, torch
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
found = {"peak": 1024 * int(peak.split()[1]), "csr": data.nbytes, "shape": data.shape}
print(json.dumps(found | {"threads": [torch.get_num_threads(), numba.get_num_threads()]}))
"""


@pytest.fixture(scope="module")
def job_of_its_own(tmp_path_factory):
    """What a process saw that trained one epoch on a simulated matrix, and its peak memory on one of a few cells.

    The peak is VmHWM: ru_maxrss of a child starts at what its parent had.
    """
    spec = importlib.util.spec_from_file_location("bench", ROOT / "benchmarks/bench.py")
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    folder = tmp_path_factory.mktemp("memory")
    found = []
    for n_cells in (300, 30_000):
        path = bench.simulate(folder / "expression.h5ad", n_cells, 4_000, 0.031)
        job = start(MEMORY_JOB, str(path), settings_of(epochs=1, batch_size=256, engine="sparse"), cwd=folder)
        output, errors = job.communicate()
        assert job.returncode == 0, errors
        found.append(json.loads(output))
    few, many = found
    return many | {"peak_of_few": few["peak"]}


def test_memory_grows_with_the_non_zeros(job_of_its_own):
    """Whatever the libraries and the weights take, which a few cells need too, the cells add 1.3 times their CSR."""
    n_cells, n_genes = job_of_its_own["shape"]
    bound = 1.3 * job_of_its_own["csr"] + 20e6  # and what the allocator keeps
    assert job_of_its_own["csr"] > 25e6
    assert 4 * n_cells * n_genes > 5 * bound  # a dense copy would be far over it
    assert job_of_its_own["peak"] - job_of_its_own["peak_of_few"] < bound


def test_a_job_of_its_own_keeps_to_its_threads(job_of_its_own):
    """Loading the thread pool of the kernels must not give back torch its threads."""
    assert job_of_its_own["threads"] == [1, 1]
