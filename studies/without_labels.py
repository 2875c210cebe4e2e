"""Write docs/without-labels.md from docs/simulated.csv: whether `snakemake choose` finds the best number of dimensions.

make models-page
"""

from pathlib import Path

import matplotlib.pyplot as plt
import models
import numpy as np
import pandas as pd
import simulated
from common import ROOT

from scae.plots import drawing

DOCUMENT = ROOT / "docs/without-labels.md"
TEMPLATE = Path(__file__).with_name("without-labels.template.md")
WITHIN = 0.02  # of kNN accuracy


def on_half(table):
    """The representations that were learned from the training half, by which held-out molecules are predicted."""
    return table[table["molecules"] == simulated.HALF]


def choices(table):
    """A Markdown table: for each model, how often and how well its number of dimensions was chosen."""
    lines = ["| model | data sets | chosen size is right | largest loss of kNN accuracy | and on |", "|---" * 5 + "|"]
    for model, rows in table[table["model"].isin(simulated.CHOSEN_FROM)].groupby("model", sort=False):
        lost = losses(rows)
        lines.append(
            f"| `{model}` | {len(lost)} | {(lost <= WITHIN).mean():.0%} | {lost.max():.2f} | `{lost.idxmax()[0]}` |"
        )
    first = table[table["chosen"] == 1]
    return "\n".join(
        [*lines, "", f"`count_vae` was recommended in {(first['model'] == 'count_vae').mean():.0%} of them."]
    )


def losses(rows):
    """kNN accuracy of the best size minus that of the chosen one, for each data set and draw: Series."""
    by_set = rows.groupby(["dataset", "draw"])
    chosen = rows[rows["size"] == 1].set_index(["dataset", "draw"])["knn_accuracy"]
    return by_set["knn_accuracy"].max() - chosen


def correlations(table, real):
    """A Markdown table: Spearman's correlation of held-out molecules with kNN accuracy, over the representations."""
    lines = ["| data set | representations | rank correlation |", "|---|---|---|"]
    for name, rows in table.groupby("dataset"):
        draws = [one[["held_out", "knn_accuracy"]] for _, one in rows.groupby("draw")]
        found = [one.corr("spearman").iloc[0, 1] for one in draws]
        spread = f"{np.mean(found):.2f} ({min(found):.2f} to {max(found):.2f})"
        lines.append(f"| `{name}` | {len(draws[-1])} | {spread} |")
    for name, rows in real[real["model"] != models.CONDITIONED].groupby("dataset"):
        means = rows.pivot_table(index="model", columns="metric", values="value")[["held_out", "knn_accuracy"]].dropna()
        lines.append(f"| `{name}`, real | {len(means)} | {means.corr('spearman').iloc[0, 1]:.2f} |")
    return "\n".join(lines)


def picture(table, path):
    """Both scores by the number of components, one panel a data set, first draw."""
    rows = table[(table["model"] == "pca") & (table["draw"] == 0)]
    names = sorted(set(rows["dataset"]))
    figure, panels = plt.subplots(1, len(names), figsize=(2.1 * len(names), 2.4), layout="constrained")
    for panel, name in zip(panels, names, strict=True):
        one = rows[rows["dataset"] == name]
        panel.plot(one["n_latent"], one["held_out"], color="#0072B2", marker="o", markersize=3)
        other = panel.twinx()
        other.plot(one["n_latent"], one["knn_accuracy"], color="#D55E00", marker="s", markersize=3, linestyle="--")
        other.set_ylim(0, 1.02)
        other.tick_params(labelright=panel is panels[-1])
        panel.set(title=name, xscale="log", xlabel="components", xticks=[2, 10, 50], xticklabels=[2, 10, 50])
        panel.minorticks_off()
    panels[0].set_ylabel("held-out molecules\n(nats per 1,000)", color="#0072B2")
    other.set_ylabel("kNN accuracy", color="#D55E00")
    drawing.save(figure, path)


def write(table, real):
    """docs/without-labels.md and its picture, from the runs on the training half and docs/real.csv."""
    text = TEMPLATE.read_text(encoding="utf-8").format(
        sizes=", ".join(map(str, simulated.SIZES["count_vae"])),
        worst=max(losses(table[table["model"] == model]).max() for model in simulated.CHOSEN_FROM),
        n_sets=len(table.groupby(["dataset", "draw"])),
        kinds=table["dataset"].nunique(),
        draws=simulated.DRAWS,
        choices=choices(table),
        correlations=correlations(table, real),
    )
    DOCUMENT.write_text(text, encoding="utf-8")
    picture(table, DOCUMENT.with_suffix(".svg"))


if __name__ == "__main__":
    write(on_half(pd.read_csv(simulated.TABLE)), pd.read_csv(models.REAL))
