"""What each rule of the whole workflow takes as the cells get more: wall time, peak memory, bytes written.

    python benchmarks/bench_scale.py --cells 2600 20000 --epochs 2 --folder scale

A synthetic data set (20,000 genes, 5 % of entries not zero, ten types in obs) goes through every rule with one
autoencoder, PCA and a random projection beside it, one seed, two sets of labels (from obs, and by clustering), on two
cores. Time and peak are from Snakemake's own benchmark files, bytes from the notes of the jobs. What is finished in the
folder is not run again, and a run that fails is shown as far as it came. The same numbers go to scale.json in the
folder; benchmarks/scale.json is what the memory and time that rules ask for are tested against.
"""

import argparse
import csv
import json
import platform
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

N_GENES, DENSITY, N_TYPES, TYPE_GENES = 20_000, 0.05, 10, 300
CELLS_AT_ONCE = 1_000


def simulate(path, n_cells, n_genes=N_GENES, seed=0):
    """Write counts of ten types as .h5ad, block by block; genes differ in how many cells express them."""
    from scae.data import row_blocks

    rng = np.random.default_rng(seed)
    rate = rng.lognormal(0, 1.5, n_genes).clip(max=30)
    share = np.tile(rate / rate.mean() * DENSITY, (N_TYPES, 1))
    for of_type in share:  # each type has genes of its own
        of_type[rng.choice(n_genes, min(TYPE_GENES, n_genes // 10), replace=False)] *= 4
    share = share.clip(max=0.98)
    share *= DENSITY / share.mean()
    types = rng.choice(N_TYPES, n_cells, p=np.arange(1, N_TYPES + 1) / np.arange(1, N_TYPES + 1).sum())

    def blocks():
        for start in range(0, n_cells, CELLS_AT_ONCE):
            of_block = types[start : start + CELLS_AT_ONCE]
            draws = rng.random((len(of_block), n_genes), np.float32)
            found = sparse.csr_matrix(draws < share[of_block], dtype=np.float32)
            found.data += rng.poisson(0.6, found.nnz).astype(np.float32)
            yield {"X": found}

    obs = pd.DataFrame({"type": pd.Categorical([f"Type {n}" for n in types])}, [f"cell{n}" for n in range(n_cells)])
    var = pd.DataFrame(index=[f"Gene{number}" for number in range(n_genes)])
    row_blocks.write(path, obs, var, blocks(), int(n_cells * n_genes * DENSITY))


def run(folder, n_cells, options):
    """Run the workflow on so many cells; the seconds it took, or None where a rule failed."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "counts.h5ad").exists():
        simulate(folder / "new.h5ad", n_cells, options.genes)
        (folder / "new.h5ad").rename(folder / "counts.h5ad")
    sets = {"types": {"from": "obs", "column": "type"}, "clusters": {"from": "clusters"}}
    labels = {name: sets[name] for name in options.labels}
    (folder / "scale.yaml").write_text(json.dumps({
        "run": {"datasets": ["scale"], "models": ["dae", "pca", "random_projection"], "seeds": [0]},
        "datasets": {"scale": {"source": "counts.h5ad", "labels": labels, "qc": {"min_genes": options.genes // 100}}},
        "training": {"epochs": options.epochs, "min_steps": 0},
        "tsne": {"max_cells": options.tsne_cells},
    }))  # fmt: skip
    command = [sys.executable, "-m", "snakemake", "-s", ROOT / "Snakefile", "-d", folder, "--cores", options.cores]
    command += ["--configfile", folder / "scale.yaml", "--rerun-incomplete", "--keep-going", *options.targets]
    start = time.perf_counter()
    with (folder / "snakemake.log").open("a") as log:
        found = subprocess.run(list(map(str, command)), stdout=log, stderr=log, check=False)
    return time.perf_counter() - start if found.returncode == 0 else None


def measured(folder):
    """{rule: what its jobs took}, as scale.json keeps it.

    Returns:
        dict: of each rule the number of ``jobs``, ``wall`` and ``cpu`` seconds of all and ``longest``, wall of one;
        ``peak_mb`` of the largest job, ``written_mb`` of all files, ``input_mb`` of the job with the largest input, and
        ``expression_mb``, the size of expression.h5ad, by which some rules ask for memory.
    """
    from scae.jobs import record

    keys = ("jobs", "wall", "cpu", "longest", "peak_mb", "written_mb", "input_mb")
    found = defaultdict(lambda: dict.fromkeys(keys, 0.0) | {"expression_mb": megabytes(expression)})
    expression = folder / "results/scale/expression.h5ad"
    for path in sorted((folder / "results/benchmarks").rglob("*.tsv")):
        rule = found[path.relative_to(folder / "results/benchmarks").parts[0]]
        with path.open() as file:
            row = {key: float(value) if value not in ("-", "NA") else 0.0 for key, value in numbers(file)}
        rule["jobs"] += 1
        rule["wall"] += row["s"]
        rule["cpu"] += row["cpu_time"]
        rule["longest"] = max(rule["longest"], row["s"])
        rule["peak_mb"] = max(rule["peak_mb"], row["max_rss"])
    for job in record.read(folder / "results/logs").values():
        rule = found[job["rule"]]
        rule["written_mb"] += job["content"]["bytes"] / 1e6
        rule["input_mb"] = max(rule["input_mb"], sum(megabytes(folder / path) for path in job["inputs"]))
    ended = {name: rule for name, rule in found.items() if rule["jobs"]}
    return {name: {key: round(value, 1) for key, value in rule.items()} for name, rule in ended.items()}


def numbers(file):
    """The columns of a benchmark file but for the one that repeats another as text."""
    row = next(csv.DictReader(file, delimiter="\t"))
    return [(key, value) for key, value in row.items() if key != "h:m:s"]


def megabytes(path):
    return path.stat().st_size / 2**20 if path.exists() else 0.0


def table(sizes):
    """The lines of a table, a row for each rule and a group of columns for each number of cells."""
    columns = {"wall": "s", "cpu": "CPU s", "peak_mb": "peak MB", "written_mb": "written MB"}
    heads = [f"{int(n_cells):,}: {what}" for n_cells in sizes for what in columns.values()]
    yield "| rule (jobs) | " + " | ".join(heads) + " |"
    yield "|---" * (1 + len(heads)) + "|"
    rules = list(dict.fromkeys(rule for found in sizes.values() for rule in found))
    for rule in sorted(rules, key=lambda name: -max(found.get(name, {}).get("cpu", 0) for found in sizes.values())):
        cells = [f"{found[rule][key]:.0f}" if rule in found else "–" for found in sizes.values() for key in columns]
        jobs = max(found[rule]["jobs"] for found in sizes.values() if rule in found)
        yield f"| {rule} ({jobs:.0f}) | " + " | ".join(cells) + " |"


def projected(sizes, n_cells):
    """The lines of a table of what each rule would take with more cells: both by the growth between the largest sizes.

    Args:
        sizes: {number of cells, as text: as from `measured`}.
        n_cells: to reckon for. Memory grows in a straight line, CPU by a power of the cells, of at least 0.
    """
    low, high = sorted(sizes, key=int)[-2:]
    yield f"| rule (jobs) | CPU grows as cells to the power of | CPU h at {n_cells:,} | peak GB |"
    yield "|---" * 4 + "|"
    for rule in sorted(set(sizes[low]) & set(sizes[high]), key=lambda name: -sizes[high][name]["cpu"]):
        first, second = sizes[low][rule], sizes[high][rule]
        power = max(0.0, np.log(max(second["cpu"], 1) / max(first["cpu"], 1)) / np.log(int(high) / int(low)))
        hours = second["cpu"] * (n_cells / int(high)) ** power / 3600
        slope = max(0.0, (second["peak_mb"] - first["peak_mb"]) / (int(high) - int(low)))
        peak = second["peak_mb"] + slope * (n_cells - int(high))
        yield f"| {rule} ({second['jobs']:.0f}) | {power:.1f} | {hours:.2f} | {peak / 1024:.1f} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, nargs="+", default=[2_600, 20_000, 60_000, 200_000])
    parser.add_argument("--genes", type=int, default=N_GENES)
    parser.add_argument("--labels", nargs="+", default=["types", "clusters"], choices=["types", "clusters"])
    parser.add_argument("--tsne-cells", type=int, default=100_000, help="of more cells so many are projected in 2-D")
    parser.add_argument("--epochs", type=int, default=2, help="of training; its time is proportional to them")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("scale"), help="where data and results stay")
    parser.add_argument("--targets", nargs="*", default=[], help="a part of the workflow, such as data")
    parser.add_argument("--project", type=int, help="a number of cells to reckon for, from the two largest sizes")
    parser.add_argument("--show", action="store_true", help="only what is there already")
    options = parser.parse_args()
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "?: ?")
    print(f"{time.strftime('%Y-%m-%d')}, {model.split(':')[1].strip()}, Python {platform.python_version()}\n")
    sizes = {}
    for n_cells in options.cells:
        folder = (options.folder / str(n_cells)).resolve()
        seconds = None if options.show else run(folder, n_cells, options)
        sizes[str(n_cells)] = measured(folder)
        took = "not all of it" if seconds is None else f"{seconds:.0f} s"
        print(f"{n_cells:,} cells: {took} on {options.cores} cores, {options.epochs} epochs", flush=True)
    (options.folder / "scale.json").write_text(json.dumps(sizes, indent=1, sort_keys=True) + "\n")
    print("\n" + "\n".join(table(sizes)))
    if options.project:
        print("\n" + "\n".join(projected(sizes, options.project)))


if __name__ == "__main__":
    main()
