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
    interval_text,
    left_out,
    markdown_table,
    path,
    read,
    run,
    score_picture,
    score_table,
)

from scae import tables
from scae.config import loader
from scae.evaluation import diagnostics, intervals
from scae.models import registry

DOCS = ROOT / "docs"
DEFAULTS, CONFIG, SCHEMA = (ROOT / f"config/{name}.yaml" for name in ("config", "models", "schema"))
TEMPLATE = Path(__file__).with_name("models.template.md")
TABLES = ("all_metrics", "all_health", "training_times")
PER_MODEL = ("latent_matches", "generated")
STUDY, SPARSE, CALIBRATED, EXTERNAL = "beta_vsc", "beta_vsc_sparse", "beta_vae_calibrated", "scvi"
AGAINST = "pca10"
MARKERS, LABELLED = "pbmc3k", "pbmc3k_variable"  # the marker genes of the types are not all among the variable genes
EXAMPLE = LABELLED
ON = 0.5  # a gate is on from this value
OFF = 0.05  # and off below this one
DIFFERS = 0.5  # difference between two types in the share of their cells with the gate on
FEWEST_USED, OFF_SHARE = 5, 0.5  # of a sparse code: latent dimensions, and share of their gates that are off in a cell
SHOWN_GENES = 4  # of each sign


def values_of_run(folder, config, names, models):
    """Every measure of every run: DataFrame with dataset, model, seed, measure, value."""
    metrics, health, times = (read(folder, name) for name in TABLES)
    metrics = metrics[(metrics["space"] == "latent") & metrics["metric"].isin(SCORES)].rename(
        columns={"metric": "measure"}
    )
    lost = health[health["measure"] == "explained_lost"]
    health = health[health["latent"] == "all"]
    whole = health[health["measure"].isin(["active", "used", "recovered_programs", "recovered_nuisance"])]
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
            if config["models"][model]["kind"] == STUDY:
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


def differences(values, pairs):
    """Difference of each score between models, paired by seed: DataFrame by (measure, dataset, first, second)."""
    found = {}
    for (measure, name), table in values[values["measure"].isin(SCORES)].groupby(["measure", "dataset"], sort=False):
        by_seed = table.pivot_table(index="seed", columns="model", values="value")
        for first, second in pairs:
            if {first, second} <= set(by_seed):
                both = by_seed[[first, second]].dropna().to_numpy().T
                found[measure, name, first, second] = intervals.difference(*both)._asdict()
    return pd.DataFrame(found).T.rename_axis(["measure", "dataset", "first", "second"])


def document(config, summary, compared):
    """The document.

    Args:
        config: of the run.
        summary: as from `over_seeds`.
        compared: as from `differences`.
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

    sparse_on = [name for name in names if is_sparse(summary, compared, name, SPARSE)]
    return TEMPLATE.read_text(encoding="utf-8").format(
        **{"against": AGAINST, "sparse": SPARSE, "calibrated": CALIBRATED, "external": EXTERNAL, "study": STUDY},
        **{
            "example": EXAMPLE,
            "fewest": FEWEST_USED,
            "on": ON,
            "off": OFF,
            "differs": DIFFERS,
            "off_share": OFF_SHARE,
            "used": diagnostics.USED,
        },
        conclusions=conclusions(compared, first, names, models),
        sparse_on=", ".join(sparse_on) or "none of these data sets",
        reproducible=most_reproducible(summary),
        n_seeds=len(config["run"]["seeds"]),
        steps=config["training"]["min_steps"],
        missing=left_out(CONFIG, names, "models-page"),
        models="| model | settings |\n|---|---|\n"
        + "\n".join(f"| `{model}` | {settings(config['models'][model])} |" for model in models),
        datasets="| data set | description |\n|---|---|\n"
        + "\n".join(f"| `{name}` | {abouts[name]} |" for name in names),
        first_heading=first_heading,
        first_scores=score_table(summary.loc[first], names, models),
        second_heading=second_heading,
        second_scores=score_table(summary.loc[second], names, models),
        gates=gate_table(summary, compared, names, text),
        external_differences=external_table(compared, names),
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


def conclusions(compared, measure, names, models):
    """Where each model is shown to be better or worse than PCA: a Markdown list."""
    lines = []
    for model in models:
        rows = {
            name: compared.loc[(measure, name, model, AGAINST)]
            for name in names
            if (measure, name, model, AGAINST) in compared.index
        }
        ahead = [name for name, row in rows.items() if row.low > 0]
        behind = [name for name, row in rows.items() if row.high < 0]
        words = [f"{word} on {', '.join(sets)}" for word, sets in (("ahead", ahead), ("behind", behind)) if sets]
        if model != AGAINST:
            lines.append(f"- `{model}`: {'; '.join(words) or 'no difference is shown'}.")
    return "\n".join(lines)


def is_sparse(summary, compared, name, model):
    """Whether a model's code is sparse on a data set; see the text."""
    mean = summary["mean"]
    return bool(
        mean["used", name, model] >= FEWEST_USED
        and mean.get(("gates_off", name, model), np.nan) > OFF_SHARE
        and mean["gates_differing", name, model] >= 1
        and (model == STUDY or compared.loc[("knn_accuracy", name, model, STUDY), "mean"] >= 0)
    )


def gate_table(summary, compared, names, text):
    heads = (
        "data set",
        "model",
        "active by KL divergence",
        "used",
        "gates of these off in a cell",
        "gates that differ",
        "kNN accuracy above the study's",
        "sparse",
    )
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name in names:
        for model in (STUDY, SPARSE):
            above = "" if model == STUDY else signed(compared, "knn_accuracy", name, model, STUDY)
            cells = [
                text("active", name, model, 1),
                text("used", name, model, 1),
                text("gates_off", name, model),
                text("gates_differing", name, model, 1),
                above,
            ]
            reached = is_sparse(summary, compared, name, model)
            lines.append(f"| `{name}` | `{model}` | {' | '.join([*cells, 'yes' if reached else 'no'])} |")
    return "\n".join(lines)


def external_table(compared, names):
    with_counts = [name for name in names if ("knn_accuracy", name, EXTERNAL, AGAINST) in compared.index]
    return markdown_table(
        "data set",
        with_counts,
        [AGAINST, CALIBRATED],
        lambda name, other: " / ".join(signed(compared, measure, name, EXTERNAL, other) for measure in SCORES),
    )


def signed(compared, measure, name, first, second):
    row = compared.loc[(measure, name, first, second)]
    return f"{row['mean']:+.3f}" + ("" if np.isnan(row.low) else f" ({row.low:+.3f} to {row.high:+.3f})")


def most_reproducible(summary):
    """The highest share of active latent dimensions that are reproducible, and where."""
    both = summary["mean"].reset_index().pivot_table(index=["dataset", "model"], columns="measure", values="mean")
    share = (both["reproducible"] / both["active"]).dropna()
    name, model = share.idxmax()
    return f"{100 * share.max():.0f} % are (`{model}` on {name})"


def cost(summary, models):
    """Seconds of training, the range over data sets for each model."""
    of_models = summary["mean"].loc["seconds"].groupby("model")
    ranges = [
        f"`{model}` {of_models.min()[model]:.0f} to {of_models.max()[model]:.0f}"
        for model in models
        if model in of_models.groups
    ]
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
    """Run these models: their values, as from `values_of_run`."""
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
    return values_of_run(folder, config | {"run": {"seeds": seeds}}, names, models)


def main(folder, archive, config):
    names, models, seeds = (config["run"][key] for key in ("datasets", "models", "seeds"))
    values = run_models(folder, archive, config, names, models, seeds)
    if registry.find(config["models"][EXTERNAL]["kind"]).missing() is None:
        counts = [name for name in names if config["datasets"][name]["values"] not in loader.WITHOUT_COUNTS]
        values = pd.concat([values, run_models(folder, archive, config, counts, [EXTERNAL], seeds)])
        config["run"]["models"] = models = [*models, EXTERNAL]
    summary = over_seeds(values)
    pairs = [(model, AGAINST) for model in models if model != AGAINST]
    compared = differences(values, [*pairs, (EXTERNAL, CALIBRATED), (SPARSE, STUDY)])
    tables.write(summary[["mean", "low", "high"]].round(4).reset_index(), DOCS / "models.csv")
    if EXAMPLE in names:
        tables.write(latents(folder, models, seeds[0]), DOCS / "models_latents.csv")
    score_picture(summary.loc["knn_accuracy"], names, models, AGAINST, DOCS / "models.svg")
    (DOCS / "models.md").write_text(document(config, summary, compared), encoding="utf-8")


def read_config():
    """config/models.yaml merged into the default config, with all defaults."""
    config, own, schema = (yaml.safe_load(file.read_text(encoding="utf-8")) for file in (DEFAULTS, CONFIG, SCHEMA))
    for section, entries in own.items():
        config[section] = entries if section == "run" else config[section] | entries
    return loader.load(config, schema)


if __name__ == "__main__":
    folder, *archive = sys.argv[1:]
    config = read_config()
    config["run"]["datasets"] = os.environ.get("DATASETS", "").split() or config["run"]["datasets"]
    config["run"]["seeds"] = [int(seed) for seed in os.environ.get("SEEDS", "").split()] or config["run"]["seeds"]
    main(Path(folder).resolve(), archive[0] if archive else None, config)
