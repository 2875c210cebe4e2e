"""Shared by the studies: running the workflow, reading its tables, writing Markdown and pictures."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

from scae import results, tables

ROOT = Path(__file__).resolve().parent.parent
SCORES = {"knn_accuracy": "kNN accuracy (15 nearest neighbours, balanced)", "ari": "ARI of k-means"}


def run(folder, configfiles, overlay, targets):
    """Run the workflow in a folder, with these config files and these settings on top, until the targets exist."""
    folder.mkdir(parents=True, exist_ok=True)
    last = folder / "overlay.yaml"
    last.write_text(yaml.safe_dump(overlay), encoding="utf-8")
    command = [Path(sys.executable).with_name("snakemake"), "--snakefile", ROOT / "Snakefile", "--directory", folder]
    command += ["--cores", os.environ.get("CORES", "2"), "--configfile", *configfiles, last, "--", *targets]
    if subprocess.run(command, check=False).returncode:
        sys.exit("the run failed; see above")


def path(folder, name, **wildcards):
    """Path of a file of the results contract."""
    return folder / "results" / results.BY_NAME[name].path.format(**wildcards)


def read(folder, name, **wildcards):
    """Table of the results contract."""
    return tables.read(name, path(folder, name, **wildcards))


def descriptions(config):
    """{data set: comment after its name} of a config file."""
    lines = [line.partition(": # ") for line in config.read_text(encoding="utf-8").splitlines()]
    return {name.strip(): text for name, comment, text in lines if comment and name.startswith("  ")}


def markdown_table(corner, rows, columns, cell):
    """Markdown table with ``cell(row, column)`` as text; rows and columns are names."""
    lines = [f"| {corner} | {' | '.join(f'`{column}`' for column in columns)} |", "|---" * (len(columns) + 1) + "|"]
    lines += [f"| `{row}` | {' | '.join(cell(row, column) for column in columns)} |" for row in rows]
    return "\n".join(lines)


def interval_text(interval, digits=2):
    """Mean and 95 % confidence interval; the mean alone if all seeds agree."""
    text = f"{interval['mean']:.{digits}f}"
    return f"{text} ({interval.low:.{digits}f}–{interval.high:.{digits}f})" if interval["sd"] >= 5e-4 else text


def score_table(intervals, names, models, digits=2):
    """Markdown table of scores with their intervals, the highest mean of a data set in bold.

    Args:
        intervals: DataFrame with index (dataset, model) and columns mean, sd, low, high.
    """
    best = intervals["mean"].groupby("dataset").idxmax()

    def cell(name, model):
        if (name, model) not in intervals.index:
            return "–"
        text = interval_text(intervals.loc[(name, model)], digits)
        return f"**{text}**" if best[name] == (name, model) else text

    return markdown_table("data set", names, models, cell)


def score_picture(intervals, names, models, against, file):
    """Draw the same table: a panel per data set, a dot with its interval per model, a line at the model ``against``."""
    from matplotlib import pyplot as plt

    from scae.plots import drawing

    size = (1.7 * len(names) + 1.6, 0.32 * len(models) + 1.1)
    figure, panels = plt.subplots(1, len(names), figsize=size, sharey=True, squeeze=False, layout="constrained")
    for name, panel in zip(names, panels[0], strict=True):
        for place, model in enumerate(models):
            if (name, model) in intervals.index:
                found = intervals.loc[(name, model)]
                color = "#6b7280" if model.startswith("pca") else "#332288"
                panel.plot([found.low, found.high], [place, place], color=color, linewidth=4, alpha=0.45)
                panel.plot(found["mean"], place, "o", color=color, markersize=5)
        panel.axvline(intervals.loc[(name, against), "mean"], color="#6b7280", linestyle=":", linewidth=1)
        panel.set_title(name, fontsize=9)
        panel.tick_params(labelsize=8)
        panel.grid(axis="x", color="#e5e7eb")
    panels[0, 0].set_yticks(range(len(models)), models)
    panels[0, 0].invert_yaxis()
    drawing.save(figure, file)
    plt.close(figure)
