"""Whether `snakemake choose` finds the number of dimensions that the labels find best, on simulated data sets.

make choose-page    (continues docs/without-labels.csv where it stopped, and writes docs/without-labels.md)

The data sets of config/evidence.yaml, each drawn anew five times.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import yaml
from common import ROOT
from scipy import sparse

from scae.config import loader
from scae.data import expression as expressions
from scae.data import preprocessing, thinning
from scae.evaluation import held_out, neighbors
from scae.models import pca, registry
from scae.plots import drawing
from scae.sources import simulation
from scae.training import fitting, trained

DOCUMENT = ROOT / "docs/without-labels.md"
TEMPLATE = Path(__file__).with_name("without-labels.template.md")
DRAWS = 5
WITHIN = 0.02  # of kNN accuracy
REPEAT = 1
SIZES = {"pca": held_out.SIZES, "count_vae": (4, 10, 20)}


def expression_of(counts, molecules):
    normalized = preprocessing.log_normalize(counts, 1e4)
    names = (np.arange(size).astype(str).astype(object) for size in counts.shape)
    arrays = normalized.indptr.astype(np.int64), normalized.indices.astype(np.int32), normalized.data
    return expressions.Expression(*arrays, np.zeros(counts.shape[1], np.float32), *names, counts=molecules)


def representations(counts, settings, sizes):
    """{(model, size): latents}; the trained model with one seed."""
    counts = counts.sorted_indices()
    data = expression_of(counts, counts.data)
    points = pca.embed(data, 0, held_out.SIZES[-1])
    found = {("pca", size): points[:, :size] for size in sizes["pca"]}
    kind = registry.find("count_vae")
    for size in sizes["count_vae"]:
        entry = {name: option["default"] for name, option in kind.config.items() if "default" in option}
        entry = {"kind": "count_vae"} | entry | {"n_latent": size}
        training = fitting.resolve(settings | kind.training(entry), data.density)
        training = fitting.with_enough_steps(training, len(data.cells))
        hyperparameters = {key: value for key, value in kind.settings(entry).items() if key != "kind"}
        model, *_ = fitting.fit(data, "count_vae", hyperparameters, training, 0, None)
        found["count_vae", size] = trained.embed(model, data, "posterior_mean", 0)
    return found


def measure(name, draw, dataset, settings, sizes=SIZES):
    """A row for each setting: its choice, and the kNN accuracy by the true types."""
    cells = simulation.simulate(dataset["simulation"] | {"seed": draw})
    counts = sparse.csr_matrix(cells.X)[:, np.asarray((cells.X > 0).sum(axis=0)).ravel() >= 3]
    types = cells.obs["type"].to_numpy().astype(str)
    half = held_out.Half(*thinning.split(counts.tocsr(), 0.5, np.random.default_rng([REPEAT, 0])))
    latents = representations(half.train, settings, sizes)
    table = held_out.choice(
        {setting: held_out.nats(points, half) for setting, points in latents.items()}, held_out.molecules(half.test)
    )
    accuracy = [neighbors.balanced_accuracy(types, neighbors.knn_predict(points, types)) for points in latents.values()]
    return table.assign(accuracy=accuracy, dataset=name, draw=draw)


def choices(table):
    """A Markdown table: for each model, how often and how well its number of dimensions was chosen."""
    lines = ["| model | data sets | chosen size is right | largest loss of kNN accuracy | and on |", "|---" * 5 + "|"]
    for model, rows in table.groupby("model", sort=False):
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
    chosen = rows[rows["size"] == 1].set_index(["dataset", "draw"])["accuracy"]
    return by_set["accuracy"].max() - chosen


def correlations(table):
    lines = ["| data set | rank correlation |", "|---|---|"]
    for name, rows in table.groupby("dataset"):
        found = [
            rank["held_out"].corr(rank["accuracy"])
            for rank in (one[["held_out", "accuracy"]].rank() for _, one in rows.groupby("draw"))
        ]
        lines.append(f"| `{name}` | {np.mean(found):.2f} ({min(found):.2f} to {max(found):.2f}) |")
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
        other.plot(one["n_latent"], one["accuracy"], color="#D55E00", marker="s", markersize=3, linestyle="--")
        other.set_ylim(0, 1.02)
        other.tick_params(labelright=panel is panels[-1])
        panel.set(title=name, xscale="log", xlabel="components", xticks=[2, 10, 50], xticklabels=[2, 10, 50])
        panel.minorticks_off()
    panels[0].set_ylabel("held-out molecules\n(nats per 1,000)", color="#0072B2")
    other.set_ylabel("kNN accuracy", color="#D55E00")
    drawing.save(figure, path)


def write(table):
    """docs/without-labels.md and its picture."""
    text = TEMPLATE.read_text(encoding="utf-8").format(
        sizes=", ".join(map(str, SIZES["count_vae"])),
        worst=max(losses(rows).max() for _, rows in table.groupby("model")),
        n_sets=len(table.groupby(["dataset", "draw"])),
        kinds=table["dataset"].nunique(),
        draws=DRAWS,
        choices=choices(table),
        settings=len(table.groupby(["model", "n_latent"])),
        correlations=correlations(table),
    )
    DOCUMENT.write_text(text, encoding="utf-8")
    picture(table, DOCUMENT.with_suffix(".svg"))


def settings():
    """The checked default config with the data sets of config/evidence.yaml."""
    schema, config = (yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()) for name in ("schema", "config"))
    sets = yaml.safe_load((ROOT / "config/evidence.yaml").read_text())["datasets"]
    return loader.load(config | {"datasets": sets, "run": config["run"] | {"datasets": sorted(sets)}}, schema)


if __name__ == "__main__":
    config = settings()
    path = DOCUMENT.with_suffix(".csv")
    rows = [pd.read_csv(path)] if path.exists() else []
    for draw in range(DRAWS):
        for name in config["run"]["datasets"]:
            if rows and ((rows[0]["dataset"] == name) & (rows[0]["draw"] == draw)).any():
                continue
            rows.append(measure(name, draw, config["datasets"][name], config["training"]))
            pd.concat(rows).to_csv(path, index=False)
            print(name, draw, flush=True)
    write(pd.read_csv(path))
