"""The report: one HTML page with everything in it, that opens from disk without a network."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from scae import tables
from scae.evaluation import summary
from scae.report.palette import RASTER_DPI, UNSCORED_COLOR, styles

NO_LABEL, NO_BATCH = "no label", "no batch"
ROTATABLE_CELLS = 20_000  # more points than this make a page heavy; the static pictures show all cells


@dataclass(frozen=True)
class Run:
    """What one model with one seed gave on one data set."""

    dataset: str
    model: str
    seed: int
    clusters: pd.DataFrame  # index cell; tsne2d, latent
    tsne3d: pd.DataFrame  # index cell; x, y, z
    pictures: dict  # {"clusters" | "tsne3d" | "losses" | "batches": path of a PNG, or None where there is none}


@dataclass(frozen=True)
class Quality:
    """What quality control of a data set saw."""

    cells: pd.DataFrame  # every cell of the source; removed_by is empty for a kept one
    limits: pd.DataFrame  # sample, limit, lower, upper, breaks_it, breaks_only_it
    picture: str  # path of a PNG


def render(
    runs,
    notes,
    labels,
    batches,
    origins,
    quality,
    models,
    metrics,
    described,
    training_times,
    heatmap,
    verdict,
    published,
    settings,
):
    """The report as HTML text.

    Args:
        runs: list of `Run`.
        notes: what the jobs noted for the user, a line each.
        labels: {dataset: Series of labels by cell}.
        batches: the same of batches, of the data sets that have some.
        origins: {dataset: {set of labels: where it comes from}}, the first set first.
        quality: {dataset: `Quality`}.
        models: {model: what its page says: title, summary, reference, doi, trained, deterministic}.
        metrics, training_times: the tables over all runs.
        described: what scae.evaluation.metrics.described says of the metrics.
        heatmap: path of the PNG.
        verdict: list of str, the lines of verdict.txt.
        published: {dataset: {"citation": …, "scores": …}}.
        settings: dict of what the run was configured with.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals["picture"] = _picture
    rows = summary.score_rows(metrics, published)
    of_batches = rows[[column for column in rows.columns if described[column[1]]["of_batches"]]]
    others = [
        column
        for column in rows.columns.difference(of_batches.columns, sort=False)
        if not described[column[1]]["heatmap"]
    ]
    of_neighbors, rows = rows[others], rows.drop(columns=[*others, *of_batches.columns])
    seeds = sorted({run.seed for run in runs})
    return environment.get_template("page.html.j2").render(
        datasets=[
            _dataset(name, of_cells, runs, rows, described)
            | _quality(quality[name])
            | {"neighbors": _measured(of_neighbors.loc[[name]], described)}
            | {"mixing": _measured(of_batches.loc[[name]], described), "batches": _batches(of_cells, batches.get(name))}
            | {"sets": origins[name], "labels_from": next(iter(origins[name].values()))}
            for name, of_cells in labels.items()
        ],
        notes=notes,
        models=models,
        fixed=[name for name, model in models.items() if model["deterministic"]],
        seeds=seeds,
        spaces=_columns(rows, described),
        neighbor_spaces=_columns(of_neighbors, described),
        mixing_spaces=_columns(of_batches, described),
        metrics=[metric | {"span": _span(metric)} for metric in described.values()],
        heatmap=heatmap,
        verdict=[line.partition(": ")[::2] for line in verdict],
        training_times=_training_times(training_times),
        settings=_flat(settings),
        has_published=bool(published),
        plotlyjs=get_plotlyjs(),
        points=_script_json({_run_id(run): _traces(run, labels[run.dataset]) for run in runs}),
        rotatable_cells=ROTATABLE_CELLS,
    )


def _dataset(name, labels, runs, rows, described):
    scored = tables.scored(labels)
    looks = styles(scored)
    counts = scored.value_counts()
    of_dataset = [run for run in runs if run.dataset == name]
    models = dict.fromkeys(run.model for run in of_dataset)
    return {
        "name": name,
        "n_cells": len(labels),
        "n_unscored": len(labels) - len(scored),
        "types": [{"name": label, "color": looks[label][0], "cells": int(counts[label])} for label in looks],
        "scores": [_score_row(index, row, described) for index, row in rows.loc[[name]].iterrows()],
        "models": [
            {"name": model, "runs": [_run(run, labels) for run in of_dataset if run.model == model]} for model in models
        ],
    }


def _quality(quality):
    removed = quality.cells["removed_by"]
    return {
        "quality": {
            "picture": quality.picture,
            "n_read": len(removed),
            "n_kept": int((removed == "").sum()),
            "limits": [
                {
                    "limit": limit.limit + (f" of {limit.sample}" if limit.sample else ""),
                    "bounds": [_bound(limit.lower), _bound(limit.upper)],
                    "breaks_it": limit.breaks_it,
                    "breaks_only_it": limit.breaks_only_it,
                }
                for limit in quality.limits.itertuples()
            ],
        }
    }


def _bound(value):
    return f"{value:,.4g}" if np.isfinite(value) else "–"


def _measured(rows, described):
    """Lines of the rows that have a score; a publication has none of these."""
    return [_score_row(index, row, described) for index, row in rows[rows.notna().any(axis=1)].iterrows()]


def _batches(labels, batches):
    """The batches of a data set with the cells of each type in each; None where it has no batch."""
    if batches is None:
        return None
    known = batches[labels.index].replace(tables.UNSCORED, NO_BATCH)
    counts = pd.crosstab(labels.replace(tables.UNSCORED, NO_LABEL).to_numpy(), known.to_numpy())
    return {"names": list(counts.columns), "rows": [(name, list(line)) for name, line in counts.iterrows()]}


def _run(run, labels):
    labels = labels.to_numpy()
    scored = labels != tables.UNSCORED
    names = np.where(scored, labels, NO_LABEL)
    of_spaces = []
    for space, clusters in run.clusters.items():
        counts = pd.crosstab(clusters.to_numpy(), names)
        owners = summary.cluster_owners(labels[scored], clusters[scored])["label"]
        lines = [
            {
                "cluster": cluster,
                "cells": int(line.sum()),
                "counts": [
                    {"value": int(value), "share": value / line.sum(), "owner": label == owners.get(cluster)}
                    for label, value in line.items()
                ],
            }
            for cluster, line in counts.iterrows()
        ]
        of_spaces.append(
            {
                "space": summary.SPACE_NAMES.get(space, space),
                "types": list(counts.columns),
                "rows": lines,
                "detected": owners.nunique(),
            }
        )
    return {"id": _run_id(run), "seed": run.seed, "pictures": run.pictures, "cluster_tables": of_spaces}


def _run_id(run):
    return f"{run.dataset}.{run.model}.{run.seed}"  # no name has a dot


def _span(metric):
    """The range of a metric in words."""
    low, high = (f"{end:g}".replace("-", "−") if end is not None else "" for end in (metric["low"], metric["high"]))
    if low and high:
        return f"{low} to {high}"
    return f"up to {high}" if high else f"{low} or more" if low else "any number"


def _columns(rows, described):
    """Headings of the table of scores: a group per space, each with its metrics."""
    groups = {}
    for space, metric in dict.fromkeys((space, metric) for space, metric, _ in rows.columns):
        metrics = groups.setdefault(space, {"name": summary.SPACE_NAMES.get(space, space), "metrics": []})["metrics"]
        metrics.append(described[metric]["heading"])
    return list(groups.values())


def _score_row(index, row, described):
    cells = []
    for space, metric in dict.fromkeys((space, metric) for space, metric, _ in row.index):
        mean, sd = row[space, metric, "mean"], row[space, metric, "sd"]
        if pd.isna(mean):
            cells.append("–")
            continue
        is_number_of_something = described[metric]["high"] is None
        digits = 2 if not is_number_of_something else 0 if pd.isna(sd) else 1
        cells.append(f"{mean:.{digits}f}" + ("" if pd.isna(sd) else f" ± {sd:.{digits}f}"))
    return {"model": index[1], "source": index[2], "labels": index[3], "cells": cells}


def _training_times(table):
    rows = []
    for (dataset, model), runs in table.groupby(["dataset", "model"], sort=False):
        seconds, rate = runs["seconds"], runs["cells_per_second"]
        rows.append(
            {
                "dataset": dataset,
                "model": model,
                "runs": len(runs),
                "epochs": int(runs["epochs"].iloc[0]),
                "seconds": f"{seconds.mean():.1f}" + (f" ± {seconds.std():.1f}" if len(runs) > 1 else ""),
                "rate": f"{rate.mean():,.0f}",
                "device": ", ".join(runs["device"].unique()),
                "threads": ", ".join(map(str, runs["threads"].unique())),
            }
        )
    return rows


def _traces(run, labels):
    """Points of the rotatable plot: a trace of plotly.js per cell type."""
    points, labels = run.tsne3d.to_numpy().round(2), labels.to_numpy()
    if len(points) > ROTATABLE_CELLS:
        chosen = np.sort(np.random.default_rng(0).choice(len(points), ROTATABLE_CELLS, replace=False))
        points, labels = points[chosen], labels[chosen]
    size = 3 if len(points) < 5_000 else 2
    looks = {tables.UNSCORED: (UNSCORED_COLOR, None, "circle")} if (labels == tables.UNSCORED).any() else {}
    looks |= styles(labels[labels != tables.UNSCORED])
    return [
        {
            "type": "scatter3d",
            "mode": "markers",
            "name": _plain(name or NO_LABEL),
            "hoverinfo": "name",
            "marker": {"size": size, "color": color, "symbol": symbol},
            **{axis: points[labels == name, column].tolist() for column, axis in enumerate("xyz")},
        }
        for name, (color, _, symbol) in looks.items()
    ]


def _plain(name):
    """A name that plotly.js, which knows a few HTML tags, shows as it is."""
    return name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _script_json(value):
    """JSON that can stand inside a <script> element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _picture(path, alt):
    """An <img> with the PNG inside it, as wide as its figure was drawn."""
    png = Path(path).read_bytes()
    width = int.from_bytes(png[16:20]) * 96 // RASTER_DPI  # the PNG header; a CSS pixel is 1/96 inch
    data = base64.b64encode(png).decode()
    return Markup('<img src="data:image/png;base64,{}" width="{}" alt="{}">').format(data, width, alt)


def _flat(settings, prefix=""):
    """Nested settings as (dotted key, value) pairs."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
