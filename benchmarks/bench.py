"""What training costs, against the plain dense loop and as the data grows.

    python benchmarks/bench.py engines|counts|cells|genes|tsne|study|all

Things that are compared run in turn, and the median of their ratios is what counts:
single times move with whatever else the machine does.
"""

import argparse
import json
import multiprocessing
import platform
import subprocess
import sys
import tempfile
import threading
import time
from itertools import product
from pathlib import Path
from statistics import median

import h5py
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "benchmarks")]

HYPERPARAMETERS = {
    "dae": {"n_latent": 6},
    "beta_vae": {"n_latent": 6, "beta": 2.0},
    "beta_vsc": {"n_latent": 6, "beta": 2.0, "alpha": 0.5, "c": 50.0},
}
COUNT_VAE = {"n_latent": 10, "beta": 1.0}
SETTINGS = {
    "epochs": 1, "batch_size": 256, "learning_rate": 1e-3, "threads": 1,
    "device": "cpu", "engine": "sparse", "precision": "float32",
}  # fmt: skip


def simulate(path, n_cells, n_genes, density, seed=0, chunk=1000):
    """Write a simulated expression.h5ad; genes differ in how many cells express them, as in real data."""
    rng = np.random.default_rng(seed)
    rate = rng.lognormal(0, 1.5, n_genes).clip(max=30)
    share = (rate / rate.mean() * density).clip(max=0.98)
    share = (share * density / share.mean()).astype(np.float32)
    with h5py.File(path, "w") as file:
        group = file.create_group("X")
        group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": (n_cells, n_genes)})
        data = group.create_dataset("data", (0,), np.float32, maxshape=(None,), chunks=(1 << 18,))
        indices = group.create_dataset("indices", (0,), np.int32, maxshape=(None,), chunks=(1 << 18,))
        indptr = [0]
        for start in range(0, n_cells, chunk):
            rows, genes = np.nonzero(rng.random((min(chunk, n_cells - start), n_genes), np.float32) < share)
            for stored, values in ((data, rng.gamma(4, 0.4, len(genes)).astype(np.float32)), (indices, genes)):
                stored.resize(len(stored) + len(values), axis=0)
                stored[-len(values) :] = values
            indptr.extend(indptr[-1] + np.bincount(rows, minlength=min(chunk, n_cells - start)).cumsum())
        group["indptr"] = np.array(indptr, np.int64)
        file.copy(group, file.create_group("layers"), "counts")
        layer = file["layers/counts/data"]
        for start in range(0, len(layer), 1 << 24):
            layer[start : start + (1 << 24)] = np.ceil(layer[start : start + (1 << 24)])
        for axis, length in (("obs", n_cells), ("var", n_genes)):
            file.create_group(axis).attrs["_index"] = "_index"
            file[axis]["_index"] = np.array([f"{axis}{number}" for number in range(length)], dtype="S")
    return path


def read(kind, path, **settings):
    """The expression that a model trains on, with the counts for a model of counts."""
    from scae.data import counts, expression
    from scae.models import registry

    data = expression.read(path, **settings)
    return counts.add(data, path, settings.get("scratch")) if registry.find(kind).counts else data


def sparse_epochs(kind, expression, threads=1, batch_size=256):
    """Train without end with the workflow's own engine; yields after each epoch."""
    import torch

    from scae.training import fitting, weights

    torch.manual_seed(0)
    model = weights.build(kind, expression.shape[1], HYPERPARAMETERS.get(kind, COUNT_VAE))
    if hasattr(model, "start"):
        model.start(expression, torch.arange(expression.shape[0]))
    make_batch = fitting.make_batches(expression, SETTINGS | {"threads": threads})
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    while True:
        for cells in torch.randperm(expression.shape[0]).split(batch_size):
            terms = model.loss(make_batch(cells))
            optimizer.zero_grad()
            terms["loss"].backward()
            optimizer.step()
            terms["loss"].item()
        yield


def one_engine(connection, engine, kind, path, threads):
    """In a process of its own: trains an epoch whenever something is received, and sends how long it took."""
    import torch

    from scae.training.batches import DenseBatches

    torch.set_num_threads(threads)
    expression = read(kind, path)
    if engine == "dense":
        import dense_loop

        matrix = DenseBatches(expression, torch.device("cpu"))(torch.arange(expression.shape[0])).expression
        run = dense_loop.epochs(kind, matrix)
    else:
        run = sparse_epochs(kind, expression, threads)
    while connection.recv():
        start = time.perf_counter()
        next(run)
        connection.send(time.perf_counter() - start)


def engine_rows(name, path, repeats, kinds, threads):
    """Sparse against dense, epoch by epoch in turn, each in a process with settings of its own."""
    processes = multiprocessing.get_context("spawn")
    for n_threads, kind in product(threads, kinds):
        ends, seconds = {}, {"dense": [], "sparse": []}
        for engine in seconds:
            ends[engine], end = processes.Pipe()
            processes.Process(target=one_engine, args=(end, engine, kind, path, n_threads), daemon=True).start()
        for repeat in range(repeats + 1):
            for engine, end in ends.items():
                end.send(True)
                taken = end.recv()
                if repeat:  # the first warms up
                    seconds[engine].append(taken)
        for end in ends.values():
            end.send(False)
        ratios = [slow / fast for slow, fast in zip(seconds["dense"], seconds["sparse"], strict=True)]
        print(
            f"| {name} | {kind} | {n_threads} | {median(seconds['dense']):.3f} | {median(seconds['sparse']):.3f} "
            f"| **{median(ratios):.2f}** | {min(ratios):.2f} to {max(ratios):.2f} |",
            flush=True,
        )


def counts(options, folder):
    """The multinomial likelihood against the squared error: batches of 256 cells, one thread, in turn."""
    print("\n## A model of counts against the squared error, sparse engine, 1 thread, CPU seconds an epoch\n")
    print("| data | beta_vae | count_vae | ratio (median) | range |\n|---|---|---|---|---|")
    paths = {"PBMC3k": pbmc3k(options.archive, folder)} if options.archive else {}
    paths["2,560 x 30,000, 5 %"] = simulate(folder / "wide.h5ad", 2_560, 30_000, 0.05)
    import torch

    torch.set_num_threads(1)
    for name, path in paths.items():
        runs = {kind: sparse_epochs(kind, read(kind, path)) for kind in ("beta_vae", "count_vae")}
        seconds = {kind: [] for kind in runs}
        for repeat, (kind, run) in product(range(options.repeats + 1), runs.items()):
            start = time.process_time()
            next(run)
            if repeat:  # the first warms up
                seconds[kind].append(time.process_time() - start)
        error, likelihood = seconds.values()
        ratios = [slow / fast for slow, fast in zip(likelihood, error, strict=True)]
        print(
            f"| {name} | {median(error):.3f} | {median(likelihood):.3f} | **{median(ratios):.2f}** "
            f"| {min(ratios):.2f} to {max(ratios):.2f} |",
            flush=True,
        )


def pbmc3k(archive, folder):
    """expression.h5ad of the study, from the archive."""
    import yaml

    from scae.config import loader
    from scae.data import preprocessing, quality
    from scae.sources import reader

    schema, config = (yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()) for name in ("schema", "config"))
    settings = loader.load(config, schema)["datasets"]["pbmc3k"]
    path = folder / "pbmc3k.h5ad"
    passed = quality.measure(reader.read(archive), settings["qc"], settings["genes"])
    preprocessing.write(passed, settings["scale_factor"], settings["genes"]["variable"], path)
    return path


def engines(options, folder):
    print("\n## Sparse engine against the plain dense loop, seconds an epoch\n")
    print("| data | model | threads | dense | sparse | ratio (median) | range |\n|---|---|---|---|---|---|---|")
    if options.archive:
        engine_rows("PBMC3k", pbmc3k(options.archive, folder), options.repeats, list(HYPERPARAMETERS), [1, 2])
    wide = simulate(folder / "wide.h5ad", 2_560, 30_000, 0.05)
    engine_rows("2,560 x 30,000, 5 %", wide, options.repeats, ["dae"], [1, 2])
    wide.unlink()


def status_mb(key):
    """A figure of /proc/self/status, such as VmHWM (peak resident) or RssAnon (private), in MB of 10^6 bytes."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status[key].split()[0]) * 1024 / 1e6


def one_training(path, memory_mb, kind="dae"):
    """In a process of its own: one epoch to warm up and three timed; prints seconds, memory and the bound as JSON."""
    private, done = [], threading.Event()

    def watch():
        while not done.wait(0.05):
            private.append(status_mb("RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    expression = read(kind, path, memory_mb=memory_mb, scratch=Path(path).parent)
    read_s = time.perf_counter() - start
    run = sparse_epochs(kind, expression)
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        next(run)
        seconds.append(time.perf_counter() - start)
    done.set()
    watcher.join()
    weights = 2 * expression.shape[1] * 128 * 4
    print(json.dumps({
        "read_s": read_s,
        "epoch_s": median(seconds[1:]),
        "peak_mb": status_mb("VmHWM"),
        "private_mb": max(private),
        "csr_mb": expression.nbytes / 1e6,
        "bound_mb": (1.3 * expression.nbytes + 4 * weights) / 1e6 + 300,
    }))  # fmt: skip


def growth(folder, sizes):
    print("Peak is resident memory with all libraries, private what is this job's alone; bound is 1.3 CSR + weights,")
    print("gradients and moments + 300 MB. Epoch is the median of three.\n")
    print(
        "| cells | genes | held | read (s) | epoch (s) | µs a cell | CSR (MB) | peak (MB) | private (MB) | bound (MB) |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for n_cells, n_genes, memories in sizes:
        path = simulate(folder / "simulated.h5ad", n_cells, n_genes, 0.05)
        for memory_mb in memories:
            command = [sys.executable, __file__, "one", "--expression", path, "--memory-mb", memory_mb or 0]
            found = json.loads(subprocess.run(list(map(str, command)), check=True, capture_output=True).stdout)
            held = "on disk" if memory_mb else "in memory"
            each = 1e6 * found["epoch_s"] / n_cells
            print(
                f"| {n_cells:,} | {n_genes:,} | {held} | {found['read_s']:.1f} | {found['epoch_s']:.2f} "
                f"| {each:.0f} | {found['csr_mb']:.0f} | {found['peak_mb']:.0f} "
                f"| {found['private_mb']:.0f} | {found['bound_mb']:.0f} |",
                flush=True,
            )
        path.unlink()


def cells(options, folder):
    print("\n## Growth with the number of cells (dae, 1 thread, 5 % of entries not zero)\n")
    growth(folder, [(n, 20_000, [None]) for n in (2_600, 10_000, 50_000)] + [(200_000, 20_000, [None, 800])])


def genes(options, folder):
    print("\n## Growth with the number of genes (dae, 1 thread, 5 % of entries not zero)\n")
    growth(folder, [(5_000, n, [None]) for n in (2_000, 5_000, 10_000, 20_000, 30_000)])


def tsne(options, folder):
    """Both on one thread, in CPU seconds: those of scikit-learn take all that OpenMP has, whatever n_jobs says."""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    from scae.evaluation import tsne

    print("\n## t-SNE of a simulated latent, 6 columns, 1 thread, 1,000 iterations, CPU seconds (median of 3)\n")
    print("| cells | dimensions | scikit-learn | openTSNE | ratio (median) |\n|---|---|---|---|---|")
    settings = {"perplexity": 40.0, "iterations": 750, "early_exaggeration_iterations": 250, "max_cells": 100_000}
    rng = np.random.default_rng(0)
    for n_cells in (700, 2_638):
        latent = rng.normal(size=(n_cells, 6)) + 3 * rng.normal(size=(9, 6))[rng.integers(9, size=n_cells)]
        for dimensions in (2, 3):
            seconds = {"scikit-learn": [], "openTSNE": []}
            for _ in range(3):
                with threadpool_limits(1):
                    start = time.process_time()
                    TSNE(dimensions, perplexity=40, init="pca", random_state=0, n_jobs=1).fit_transform(latent)
                    middle = time.process_time()
                    tsne.tsne(latent, dimensions, settings, 0)
                seconds["scikit-learn"].append(middle - start)
                seconds["openTSNE"].append(time.process_time() - middle)
            ratio = median(a / b for a, b in zip(*seconds.values(), strict=True))
            print(
                f"| {n_cells:,} | {dimensions} | {median(seconds['scikit-learn']):.1f} "
                f"| {median(seconds['openTSNE']):.1f} | {ratio:.2f} |",
                flush=True,
            )


def study(options, folder):
    """The whole study by the workflow and by the sequential script, in turn."""
    print("\n## The whole PBMC3k study, wall seconds\n")
    print("| round | sequential script | workflow, 2 cores | ratio |\n|---|---|---|---|")
    if not options.archive:
        print("| – | give --archive, the path of the PBMC3k archive | | |")
        return
    overlay = folder / "local.yaml"
    overlay.write_text(json.dumps({
        "datasets": {"pbmc3k": {"source": str(Path(options.archive).resolve()), "sha256": None}},
        "training": {"epochs": options.epochs, "min_steps": 0},
    }))  # fmt: skip
    ratios = []
    for number in range(1, options.rounds + 1):
        work = folder / f"study{number}"
        work.mkdir()
        snakemake = [sys.executable, "-m", "snakemake", "-s", ROOT / "Snakefile", "-d", work, "--cores", "2", "--quiet"]
        recipe = [sys.executable, ROOT / "benchmarks/study_recipe.py", folder / "study1/results/pbmc3k/export"]
        commands = {
            "workflow": [*snakemake, "--configfile", ROOT / "config/pbmc3k.yaml", overlay],
            "script": [*recipe, str(options.epochs)],
        }
        seconds = {}
        for name in sorted(
            commands, reverse=number % 2
        ):  # the workflow first, then in turn; the script reads its export
            start = time.perf_counter()
            subprocess.run(commands[name], check=True, capture_output=True)
            seconds[name] = time.perf_counter() - start
        ratios.append(seconds["script"] / seconds["workflow"])
        print(f"| {number} | {seconds['script']:.0f} | {seconds['workflow']:.0f} | {ratios[-1]:.2f} |", flush=True)
    print(f"| median | | | **{median(ratios):.2f}** |")


def main():
    parts = {"engines": engines, "cells": cells, "genes": genes, "tsne": tsne, "study": study, "counts": counts}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=[*parts, "all", "one"])
    parser.add_argument("--archive", help="the PBMC3k archive; without it only simulated data is measured")
    parser.add_argument("--expression", help=argparse.SUPPRESS)
    parser.add_argument("--repeats", type=int, default=5, help="counted epochs of each engine")
    parser.add_argument("--rounds", type=int, default=3, help="of the part study")
    parser.add_argument("--epochs", type=int, default=200, help="of the part study")
    parser.add_argument("--kind", default="dae", help=argparse.SUPPRESS)
    parser.add_argument("--memory-mb", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part == "one":
        one_training(options.expression, options.memory_mb or None, options.kind)
        return
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "?: ?")
    print(f"{time.strftime('%Y-%m-%d')}, {model.split(':')[1].strip()}, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as folder:
        for name, part in parts.items():
            if options.part in (name, "all"):
                part(options, Path(folder))


if __name__ == "__main__":
    main()
