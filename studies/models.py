"""Run the models of config/models.yaml and write docs/models.md, its picture and its CSV files.

make models-page                   (continues where an earlier run stopped)
make models-page PBMC3K=archive    (with PBMC3k from a local archive)

The environment variables DATASETS and SEEDS select some of them.
"""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from common import (
    ROOT,
    SCORES,
    descriptions,
    difference_table,
    interval_text,
    left_out,
    markdown_table,
    path,
    read,
    run,
    score_picture,
    score_table,
)
from snakemake.utils import update_config

from scae import tables
from scae.config import loader
from scae.evaluation import comparison, diagnostics, intervals
from scae.models import registry

DOCS = ROOT / "docs"
DEFAULTS, CONFIG, SCHEMA = (ROOT / f"config/{name}.yaml" for name in ("config", "models", "schema"))
TEMPLATE = Path(__file__).with_name("models.template.md")
TABLES = ("all_metrics", "all_health", "training_times", "differences")
GATED, EXTERNAL = "beta_vsc", "scvi"
LINE = "pca10"  # in the picture
QUESTIONS = {  # of differences.csv
    "the PCA of its size": (comparison.SAME_SIZE, comparison.BOTH),
    "the best PCA": (comparison.BEST, comparison.BOTH),
}
MARKERS, LABELLED = "pbmc3k", "pbmc3k_variable"  # the marker genes of the types are not all among the variable genes
EXAMPLE = LABELLED
ON = 0.5  # a gate is on from this value
OFF = 0.05  # and off below this one
DIFFERS = 0.5  # difference between two types in the share of their cells with the gate on
SHOWN_GENES = 4  # of each sign


def values_of_run(folder, config, names, models):
    """Every measure of every run: DataFrame with dataset, model, seed, measure, value."""
    metrics, health, times, _ = (read(folder, name) for name in TABLES)
    metrics = metrics[(metrics["space"] == "latent") & metrics["metric"].isin(SCORES)].rename(
        columns={"metric": "measure"}
    )
    lost = health[health["measure"] == "explained_lost"]
    health = health[health["latent"] == "all"]
    whole = health[health["measure"].isin(["active", "used", "steps", "recovered_programs", "recovered_nuisance"])]
    parts = [metrics, whole, times.assign(measure="seconds", value=times["seconds"])]
    wide = health.pivot_table(index=["dataset", "model", "seed"], columns="measure", values="value")
    if "unexplained" in wide:  # the best linear map from the latent, for representations without a decoder
        explained = (1 - wide["unexplained"] / wide["total"])[wide.get("reconstruction", np.nan * wide["total"]).isna()]
        parts.append(explained.rename("value").reset_index().assign(measure="variance_reconstructed"))
    for name in names:
        for model in models:
            entry = registry.find(config["models"][model]["kind"])
            if not entry.deterministic:
                matches = read(folder, "latent_matches", dataset=name, model=model).groupby("seed")
                columns = {"reproducible": matches["reproducible"].sum(), "agreement": matches["agreement"].mean()}
                columns["agreement_random"] = matches["null_mean"].mean()
                found = pd.DataFrame(columns).melt(ignore_index=False, var_name="measure").reset_index()
                parts.append(found.assign(dataset=name, model=model))
            if path(folder, "generated", dataset=name, model=model).exists():
                parts.append(generated(read(folder, "generated", dataset=name, model=model), name, model))
            if model == GATED:
                rows = [
                    (name, model, seed, *row)
                    for seed in config["run"]["seeds"]
                    for row in gates(folder, name, model, seed, config["training"], lost)
                ]
                parts.append(pd.DataFrame(rows, columns=["dataset", "model", "seed", "measure", "value"]))
    return pd.concat(part[["dataset", "model", "seed", "measure", "value"]] for part in parts if len(part))


def generated(table, name, model):
    """Measures of generated.csv: ratio of the variances, and correlation of the means of generated cells."""
    variance = table[table["statistic"] == "variance"].assign(value=lambda rows: rows["ratio"])
    variance = variance.assign(measure="variance_" + variance["cells"])
    means = table[(table["statistic"] == "mean") & (table["cells"] == "generated")]
    means = means.assign(value=means["correlation"], measure="means_generated")
    return pd.concat([variance, means]).assign(dataset=name, model=model)


def gates(folder, name, model, seed, training, lost):
    """Sparseness of one run: (measure, value) of `gate_measures`; lost has the rows explained_lost of health.csv."""
    from scae.data import expression
    from scae.evaluation import generated_cells, inspection

    data = expression.read(str(path(folder, "expression", dataset=name)))
    labels = tables.read_labels(path(folder, "labels", dataset=name)).loc[data.cells.astype(str)]
    _, zero_below = generated_cells.real_statistics(data)
    file = path(folder, "model", dataset=name, model=model, seed=seed)
    values = inspection.inspect(file, data, training, seed, zero_below).values  # noqa: PD011 (not of pandas)
    rows = lost[(lost["dataset"] == name) & (lost["model"] == model) & (lost["seed"] == seed)]
    return gate_measures(rows["value"].to_numpy() > diagnostics.USED, values["gate"], labels)


def gate_measures(used, gate, labels):
    """Mean share of the used latents whose gate is off in a cell, and the number of their gates that differ by type.

    Args:
        used: (latents,) whether the decoder loses explained variance without the latent.
        gate: from 0 to 1, (cells, latents).
        labels: Series by cell.

    Returns:
        list[(str, float)]
    """
    if not used.any():
        return [("gates_differing", 0.0)]
    gate = pd.DataFrame(gate[:, used], index=labels.index)
    by_type = (gate >= ON).groupby(labels[labels != tables.UNSCORED]).mean()
    differing = (by_type.max() - by_type.min() >= DIFFERS).sum()
    return [("gates_off", float((gate < OFF).to_numpy().mean())), ("gates_differing", float(differing))]


def over_seeds(values):
    """Mean, sd and 95 % confidence interval of each measure: DataFrame with index (measure, dataset, model)."""
    groups = values.groupby(["measure", "dataset", "model"], sort=False)["value"]
    found = {key: intervals.over_seeds(group.to_numpy(dtype=float))._asdict() for key, group in groups}
    return pd.DataFrame(found).T.rename_axis(["measure", "dataset", "model"])


def document(config, summary, compared):
    """The document.

    Args:
        config: of the run.
        summary: as from `over_seeds`.
        compared: differences.csv of the runs.
    """
    names, models = config["run"]["datasets"], config["run"]["models"]
    abouts = descriptions(CONFIG) | {"pbmc68k_reduced": "700 blood cells from the scanpy package; types by its authors"}
    simulated = [name for name in names if config["datasets"][name]["source"] == "simulated"]
    random = [model for model in models if ("reproducible", names[0], model) in summary.index]
    (first, first_heading), (second, second_heading) = SCORES.items()

    def text(measure, name, model, digits=2):
        key = (measure, name, model)
        return interval_text(summary.loc[key], digits) if key in summary.index else "–"

    def means(*measures, digits=2):
        def cell(name, model):
            found = [
                summary.loc[(measure, name, model), "mean"]
                for measure in measures
                if (measure, name, model) in summary.index
            ]
            return " / ".join(f"{mean:.{digits}f}" for mean in found) or "–"

        return cell

    training = config["training"]
    tested = {metric: tested_differences(compared, metric) for metric in SCORES}
    return TEMPLATE.read_text(encoding="utf-8").format(
        **{"line": LINE, "external": EXTERNAL, "gated": GATED, "example": EXAMPLE},
        **{"on": ON, "off": OFF, "differs": DIFFERS, "used": diagnostics.USED},
        conclusions=conclusions(tested[first], names, models),
        differences="\n\n".join(
            f"{SCORES[metric]}, against {heading}:\n\n"
            + difference_table(tested[metric][tested[metric]["question"].isin(questions)], names)
            for metric in SCORES
            for heading, questions in QUESTIONS.items()
        ),
        reproducible=most_reproducible(summary),
        n_seeds=len(config["run"]["seeds"]),
        holdout=training["holdout"],
        patience=training["early_stopping"],
        steps=steps_taken(summary, models),
        missing=left_out(CONFIG, names, "models-page"),
        models="| model | settings |\n|---|---|\n"
        + "\n".join(f"| `{model}` | {settings(config['models'][model])} |" for model in models),
        datasets="| data set | description |\n|---|---|\n"
        + "\n".join(f"| `{name}` | {abouts[name]} |" for name in names),
        first_heading=first_heading,
        first_scores=score_table(summary.loc[first], names, models),
        second_heading=second_heading,
        second_scores=score_table(summary.loc[second], names, models),
        gates=markdown_table(
            "data set",
            names,
            ["active", "used", "gates_off", "gates_differing"],
            lambda name, measure: text(measure, name, GATED, 2 if measure == "gates_off" else 1),
        ),
        reproducibility=markdown_table("data set", names, random, means("reproducible", "active", digits=1)),
        programs=markdown_table("data set", simulated, models, means("recovered_programs", "recovered_nuisance")),
        generated=markdown_table(
            "data set",
            names,
            [m for m in models if m != EXTERNAL],
            means("variance_reconstructed", "variance_generated"),
        ),
        cost=cost(summary, models),
    )


def tested_differences(compared, metric):
    """The rows of differences.csv that compare a model with a PCA in the latent and are tested."""
    chosen = (compared["space"] == "latent") & (compared["metric"] == metric) & compared["p_holm"].notna()
    return compared[chosen & compared["question"].isin([one for some in QUESTIONS.values() for one in some])]


def conclusions(tested, names, models):
    """Where each model is shown to be better or worse than PCA: a Markdown list."""
    lines = []
    for model in models:
        parts = []
        for heading, questions in QUESTIONS.items():
            rows = tested[(tested["first"] == model) & tested["question"].isin(questions)]
            if rows.empty:
                continue
            mean = rows[[intervals.shown(row) for _, row in rows.iterrows()]].set_index("dataset")["mean"]
            ahead, behind = ([name for name in names if sign * mean.get(name, 0) > 0] for sign in (1, -1))
            words = [f"{word} on {', '.join(sets)}" for word, sets in (("ahead", ahead), ("behind", behind)) if sets]
            parts.append(f"against {heading}: {', '.join(words) or 'no difference is shown'}")
        if parts:
            lines.append(f"- `{model}` {'; '.join(parts)}.")
    return "\n".join(lines)


def steps_taken(summary, models):
    """Mean number of gradient steps to the weights that are kept, the range over data sets for each model."""
    return ", ".join(f"`{model}` {low:,.0f} to {high:,.0f}" for model, low, high in _ranges(summary, "steps", models))


def _ranges(summary, measure, models):
    """(model, lowest, highest mean over the data sets) of the models that have a measure."""
    if measure not in summary.index.get_level_values("measure"):
        return []
    by_model = summary["mean"].loc[measure].groupby("model")
    return [(model, by_model.min()[model], by_model.max()[model]) for model in models if model in by_model.groups]


def most_reproducible(summary):
    """The highest share of active latent dimensions that are reproducible, and where."""
    both = summary["mean"].reset_index().pivot_table(index=["dataset", "model"], columns="measure", values="mean")
    share = (both["reproducible"] / both["active"]).dropna()
    name, model = share.idxmax()
    return f"{100 * share.max():.0f} % are (`{model}` on {name})"


def cost(summary, models):
    """Seconds of training, the range over data sets for each model."""
    ranges = [f"`{model}` {low:.0f} to {high:.0f}" for model, low, high in _ranges(summary, "seconds", models)]
    return f"seconds of training per run, range over data sets: {', '.join(ranges)}."


def settings(entry):
    entry = registry.find(entry["kind"]).settings(entry)
    return ", ".join(f"{key} {str(value).lower()}" for key, value in sorted(entry.items()) if value is not None)


def latents(folder, models, seed):
    """Active latent dimensions on `EXAMPLE`: genes that rise and fall most, types with the highest and lowest mean."""
    labels = tables.read_labels(path(folder, "labels", dataset=EXAMPLE))
    rows = []
    for model in models:
        points = read(folder, "latent", dataset=EXAMPLE, model=model, seed=seed).set_index("cell")
        means = points.groupby(labels[labels != tables.UNSCORED]).mean()
        matches = read(folder, "latent_matches", dataset=EXAMPLE, model=model)
        reproducible = matches[matches["seed"] == seed].set_index("latent")["reproducible"]
        effects = read(folder, "latent_genes", dataset=EXAMPLE, model=model)
        for (latent, move), table in effects[effects["seed"] == seed].groupby(["latent", "move"], sort=False):
            ranked = table.sort_values("effect")["gene"]
            up, down = ranked[::-1][:SHOWN_GENES], ranked[:SHOWN_GENES]
            found = {1: "yes", 0: "no"}.get(reproducible.get(latent), "same for every seed")
            rows.append(
                (
                    model,
                    latent,
                    move,
                    " ".join(up),
                    " ".join(down),
                    means[latent].idxmax(),
                    means[latent].idxmin(),
                    found,
                )
            )
    columns = ["model", "latent", "move", "up", "down", "highest_in", "lowest_in", "reproducible"]
    return pd.DataFrame(rows, columns=columns)


def overlay(archive, names, models, seeds):
    """Settings on top of config/models.yaml; the labels of `LABELLED` are the marker types of `MARKERS`."""
    source = {"source": str(Path(archive).resolve()), "sha256": None} if archive else {}
    labels = {"from": "csv", "path": f"results/{MARKERS}/labels/markers.csv", "missing": "unscored"}
    return {
        "run": {"datasets": names, "models": models, "seeds": seeds},
        "datasets": {MARKERS: source, LABELLED: source | {"labels": labels}},
        "kmeans": {"k": None},
        "tsne": {"early_exaggeration_iterations": 50, "iterations": 50},  # only the latent is used
    }


def run_models(folder, archive, config, names, models, seeds):
    """Run these models: their values, as from `values_of_run`, and their differences.csv."""
    if LABELLED in names and not (folder / f"results/{MARKERS}/labels/markers.csv").exists():
        first = overlay(archive, [MARKERS], models, seeds)
        first["datasets"][LABELLED].pop("labels")
        run(folder, [CONFIG], first, [f"results/{MARKERS}/labels/markers.csv"])
    targets = [path(Path(), name) for name in TABLES]
    targets += [path(Path(), "latent_matches", dataset=name, model=model) for name in names for model in models]
    trained = [
        model
        for model in models
        if (entry := registry.find(config["models"][model]["kind"])).trained and not entry.external
    ]
    targets += [path(Path(), "generated", dataset=name, model=model) for name in names for model in trained]
    run(folder, [CONFIG], overlay(archive, names, models, seeds), targets)
    values = values_of_run(folder, config | {"run": {"seeds": seeds}}, names, models)
    return values, read(folder, "differences")


def main(folder, archive, config):
    names, models, seeds = (config["run"][key] for key in ("datasets", "models", "seeds"))
    with_counts = [name for name in names if config["datasets"][name]["values"] not in loader.WITHOUT_COUNTS]
    parts = {tuple(names): models}
    if with_counts and registry.find(config["models"][EXTERNAL]["kind"]).missing() is None:
        config["run"]["models"] = [*models, EXTERNAL]
        parts = {tuple(with_counts): [*models, EXTERNAL], tuple(set(names) - set(with_counts)): models}
    found = [run_models(folder, archive, config, sorted(part), ran, seeds) for part, ran in parts.items() if part]
    values, compared = (pd.concat(tables) for tables in zip(*found, strict=True))
    models, summary = config["run"]["models"], over_seeds(values)
    tables.write(summary[["mean", "low", "high"]].round(4).reset_index(), DOCS / "models.csv")
    if EXAMPLE in names:
        tables.write(latents(folder, models, seeds[0]), DOCS / "models_latents.csv")
    score_picture(summary.loc["knn_accuracy"], names, models, LINE, DOCS / "models.svg")
    (DOCS / "models.md").write_text(document(config, summary, compared), encoding="utf-8")


def read_config():
    """config/models.yaml merged into the default config, with all defaults."""
    config, own, schema = (yaml.safe_load(file.read_text(encoding="utf-8")) for file in (DEFAULTS, CONFIG, SCHEMA))
    update_config(config, own)
    return loader.load(config, schema)


if __name__ == "__main__":
    folder, *archive = sys.argv[1:]
    config = read_config()
    config["run"]["datasets"] = os.environ.get("DATASETS", "").split() or config["run"]["datasets"]
    config["run"]["seeds"] = [int(seed) for seed in os.environ.get("SEEDS", "").split()] or config["run"]["seeds"]
    main(Path(folder).resolve(), archive[0] if archive else None, config)
