"""What an epoch costs here and in scVI: equal cells, equal genes, one thread, in turn.

    python benchmarks/bench_scvi.py path/to/pbmc3k_filtered_gene_bc_matrices.tar.gz

Needs requirements-scvi.txt; DRVI joins where drvi-py is installed. Each model trains in a process of its own, an epoch
when it is its turn, with the batches that are its default. The processor's seconds move less than those of the wall
with whatever else the machine does.
"""

import argparse
import importlib.util
import multiprocessing
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "benchmarks")]

import bench  # noqa: E402 (needs the path above)

LONG = 1_000_000  # epochs, more than are ever asked for


def ours(kind, path, turns):
    """Train a model of the workflow as its job does; sparse engine, batches of 256 cells (count_vae: 128, as scVI)."""
    run = bench.sparse_epochs(kind, bench.read(kind, str(path)), batch_size=128 if kind == "count_vae" else 256)
    while True:
        turns.start()
        next(run)
        turns.end()


def scvi(path, turns):
    """Train scVI as the workflow's job does."""
    from scae.models import scvi as model_file

    model_file.history_callback = lambda n_epochs: callback(turns)
    defaults = {name: entry["default"] for name, entry in model_file.CONFIG.items()}
    model_file.fit(counts_of(path), None, 0, **defaults | {"epochs": LONG})


def drvi(path, turns):
    """Train DRVI with its defaults."""
    import anndata
    import torch
    from drvi.model import DRVI

    from scae.models import scvi as model_file

    model_file.import_scvi()  # without what its packages say of themselves
    torch.set_num_threads(1)
    data = anndata.AnnData(counts_of(path))
    DRVI.setup_anndata(data)
    options = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu", "devices": 1}
    DRVI(data).train(max_epochs=LONG, train_size=1.0, callbacks=[callback(turns)], **options)


def counts_of(path):
    from scae.data import row_blocks

    with row_blocks.opened(path) as data:
        return row_blocks.in_memory(data.layers["counts"])


def callback(turns):
    from lightning.pytorch.callbacks import Callback

    class Turns(Callback):
        def on_train_epoch_start(self, trainer, plan):
            turns.start()

        def on_train_epoch_end(self, trainer, plan):
            turns.end()

    return Turns()


class Turns:
    """In the process of a model: waits for its turn, and sends what an epoch took; ends the process when told."""

    def __init__(self, connection):
        self.connection = connection

    def start(self):
        if not self.connection.recv():
            os._exit(0)
        self.began = time.perf_counter(), time.process_time()

    def end(self):
        taken = [now - began for now, began in zip((time.perf_counter(), time.process_time()), self.began, strict=True)]
        self.connection.send((*taken, bench.status_mb("VmHWM")))


def train(connection, name, path):
    """In a process of its own."""
    turns = Turns(connection)
    {"scvi": scvi, "drvi": drvi}.get(name, lambda path, turns: ours(name, path, turns))(path, turns)


def prepare(archive, n_variable, folder):
    """expression.h5ad of PBMC3k after the study's quality control, with so many variable genes."""
    import yaml

    from scae.config import loader
    from scae.data import preprocessing, quality
    from scae.sources import reader

    schema, config = (yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()) for name in ("schema", "config"))
    settings = loader.load(config, schema)["datasets"]["pbmc3k"]
    passed = quality.measure(reader.read(archive), settings["qc"], settings["genes"])
    data = preprocessing.normalize(passed, settings["scale_factor"], n_variable)
    path = folder / "expression.h5ad"
    data.write_h5ad(path)
    return path, data.shape


def measure(names, path, rounds):
    """{model: [(wall seconds, seconds of the processor, peak MB) of each epoch]}, an epoch of each in turn."""
    processes, ends = multiprocessing.get_context("spawn"), {}
    for name in names:
        ends[name], end = processes.Pipe()
        processes.Process(target=train, args=(end, name, path), daemon=True).start()
    found = {name: [] for name in names}
    for number in range(rounds + 1):
        for name, end in ends.items():
            end.send(True)
            taken = end.recv()
            if number:  # the first warms up
                found[name].append(taken)
    for end in ends.values():
        end.send(False)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", help="of PBMC3k")
    parser.add_argument("--genes", type=int, default=2000, help="most variable genes")
    parser.add_argument("--rounds", type=int, default=10, help="counted epochs of each model")
    options = parser.parse_args()
    archive = Path(options.archive).resolve()  # before the working folder changes
    names = ["dae", "beta_vae", "count_vae", "scvi"] + ["drvi"] * (importlib.util.find_spec("drvi") is not None)
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "?: ?")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # where Lightning may leave what it likes
        path, (n_cells, n_genes) = prepare(archive, options.genes, Path(folder))
        before = os.getloadavg()[0]
        found = measure(names, path, options.rounds)
        loads = f"{before:.1f} to {os.getloadavg()[0]:.1f}"
    print(
        f"{time.strftime('%Y-%m-%d')}, {model.split(':')[1].strip()} with {os.cpu_count()} processors under a load of "
        f"{loads}, Python {platform.python_version()}; {n_cells:,} cells x {n_genes:,} genes, {options.rounds} epochs\n"
    )
    print("| model | s an epoch | CPU s an epoch | cells per CPU s | peak memory (MB) | CPU s against beta_vae |")
    print("|---|---|---|---|---|---|")
    for name, epochs in found.items():
        wall, busy, peak = zip(*epochs, strict=True)
        ratio = median(mine / theirs for mine, (_, theirs, _) in zip(busy, found["beta_vae"], strict=True))
        print(
            f"| {name} | {median(wall):.2f} | {median(busy):.3f} | {n_cells / median(busy):,.0f} | {max(peak):.0f} "
            f"| {ratio:.2f} |"
        )


if __name__ == "__main__":
    main()
