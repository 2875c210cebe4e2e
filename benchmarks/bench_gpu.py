"""Cells per second of training on a CUDA device and on the CPU: make bench-gpu, where there is one.

    python benchmarks/bench_gpu.py --cells 2600 20000 200000 --genes 20000

Simulated cells, of whose values 6 % are not zero. Each device takes the engine that `auto` takes on it; the CPU has one
thread. Epochs of both run in turn, after one of each that is not counted.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "benchmarks")]

from bench import HYPERPARAMETERS, SETTINGS, simulate  # noqa: E402 (needs the path above)

from scae.data import expression as reader  # noqa: E402
from scae.training import fitting  # noqa: E402

DENSITY = 0.06


def seconds_of_an_epoch(expression, kind, device):
    settings = fitting.resolve(SETTINGS | {"device": device, "engine": "auto"}, expression.density)
    _, _, seconds = fitting.fit(expression, kind, HYPERPARAMETERS[kind], settings, seed=0)
    if device == "cuda":
        torch.cuda.synchronize()
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[2600, 20000, 200000])
    parser.add_argument("--genes", type=int, default=20000)
    parser.add_argument("--kinds", nargs="+", choices=HYPERPARAMETERS, default=list(HYPERPARAMETERS))
    parser.add_argument("--repeats", type=int, default=5, help="counted epochs of each device")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("bench-gpu: there is no CUDA device here; nothing was measured")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {time.strftime('%Y-%m-%d')}\n")
    print("| cells | genes | model | CPU, cells/s | GPU, cells/s | ratio | GPU memory, MB |")
    print("|---|---|---|---|---|---|---|")
    for n_cells in options.cells:
        with tempfile.TemporaryDirectory() as folder:
            expression = reader.read(simulate(f"{folder}/expression.h5ad", n_cells, options.genes, DENSITY))
        for kind in options.kinds:
            taken = {"cpu": [], "cuda": []}
            torch.cuda.reset_peak_memory_stats()
            for repeat in range(options.repeats + 1):
                for device, seconds in taken.items():
                    found = seconds_of_an_epoch(expression, kind, device)
                    if repeat:  # the first warms up
                        seconds.append(found)
            cpu, cuda = (n_cells / median(seconds) for seconds in taken.values())
            megabytes = torch.cuda.max_memory_allocated() / 2**20
            print(
                f"| {n_cells:,} | {options.genes:,} | {kind} | {cpu:,.0f} | {cuda:,.0f} | **{cuda / cpu:.1f}** "
                f"| {megabytes:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
