"""Train the models of config/models.yaml and write docs/models.md: when to take which representation.

make models-page                   (an hour on two idle cores; goes on where an earlier run stopped)
make models-page PBMC3K=archive    (with PBMC3k from a local archive)

Data sets and labels are made by the workflow. Models are trained and scored by the functions that its jobs call,
without t-SNE, pictures and a process for each, since the page is of latents. A run that stands in runs.jsonl of the
folder is not made again; delete the folder after a change of code.
"""

import importlib
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tools")]

import models_cells  # noqa: E402 (needs the path above)
import models_latents  # noqa: E402
from evidence import markdown_table  # noqa: E402

from scae import tables  # noqa: E402
from scae.config import loader  # noqa: E402
from scae.data import row_blocks  # noqa: E402
from scae.evaluation import diagnostics, intervals, metrics, neighbors, truth  # noqa: E402
from scae.evaluation.kmeans import kmeans as kmeans_of  # noqa: E402
from scae.models import registry  # noqa: E402

CONFIG, PAGE, PICTURE = ROOT / "config/models.yaml", ROOT / "docs/models.md", ROOT / "docs/models.svg"
LABELS = {"pbmc3k_variable": "pbmc3k/labels/markers.csv"}  # gates need genes that are not all variable
ON = 0.5  # a gate is on from here
DIFFERS = 0.5  # between two types, the share of their cells with the gate on
FEWEST_LIVE, ON_SHARE = 5, (0.1, 0.6)  # what is called sparse
PEER = "scvi"  # runs where its package is installed, on what has counts
STUDY, SPARSE, CALIBRATED = "beta_vsc", "beta_vsc_sparse", "beta_vae_calibrated"
AGAINST = "pca10"
SCORES = {
    "knn_accuracy": "Vote of the 15 nearest neighbours in the latent (balanced accuracy)",
    "ari": "k-means on the latent (ARI)",
}

# The search: these settings on these data sets, with a seed that the page's runs do not have
SEARCHED_ON, SEARCH_SEED = ("pbmc3k_variable", "pbmc68k_reduced", "nuisance", "rare"), 100
_VSC = {"kind": "beta_vsc", "n_latent": 20, "c": 50.0, "spike": "logsigmoid", "kl_warmup": 50}
_VAE = {"kind": "beta_vae", "n_latent": 20, "calibrated": True, "kl_warmup": 50}
TRIED = [
    {"kind": "beta_vsc", "n_latent": 6, "beta": 2.0, "alpha": 0.5, "c": 50.0},  # the study's
    *({**_VAE, "beta": beta} for beta in (0.5, 1.0)),
    *({**_VSC, "alpha": 0.1, "beta": beta, "calibrated": True} for beta in (0.25, 0.5, 1.0)),
    {**_VSC, "alpha": 0.2, "beta": 0.5, "calibrated": True},
    *(
        {**_VSC, "alpha": alpha, "beta": beta}
        for alpha, beta in ((0.05, 0.25), (0.1, 0.1), (0.1, 0.25), (0.2, 0.1), (0.2, 0.25))
    ),
    *(
        {"kind": "beta_vae", "n_latent": n_latent, "beta": 2.0, "free_nats": free}
        for n_latent, free in ((6, 0.5), (10, 0.5), (10, 1.0))
    ),
    *({**_VAE, "beta": 0.5, "free_nats": free, "n_latent": n_latent} for n_latent, free in ((20, 0.2), (10, 0.5))),
    *(
        {**_VSC, "alpha": alpha, "beta": beta, "free_nats": free}
        for alpha, beta, free in (
            *((0.1, 0.25, 0.1), (0.1, 0.25, 0.2), (0.2, 0.1, 0.2), (0.2, 0.25, 0.05), (0.2, 0.25, 0.1)),
            *((0.2, 0.25, 0.2), (0.2, 0.5, 0.2), (0.5, 0.25, 0.2)),
        )
    ),
    *(
        {**_VSC, "alpha": alpha, "beta": beta, "free_nats": free, "n_latent": 10}
        for alpha, beta, free in ((0.2, 0.25, 0.2), (0.3, 0.5, 0.5))
    ),
]
# And these with more seeds, since they were close
FINALISTS = [
    {**_VSC, "alpha": 0.5, "beta": beta, "free_nats": free, "n_latent": n_latent}
    for beta, free, n_latent in ((0.5, 0.5, 10), (0.5, 1.0, 10), (1.0, 0.5, 10), (0.5, 0.5, 20), (1.0, 0.5, 20))
]
FINAL_SEEDS = (SEARCH_SEED, 101, 102, 103)

INTRODUCTION = """\
# Models: which representation when

`make models-page` makes this page: the models of `config/models.yaml` with {n_seeds} seeds, each trained for at least
{steps:,} gradient steps. Scores are of the latents, mean and 95 % interval by Student's t over the seeds; the cells are
the same, so an interval says nothing of other cells. The types of PBMC3k are those of its marker genes, those of
`pbmc68k_reduced` its authors' annotation, others are simulated.

| model | settings |
|---|---|
{models}

| data set | what it is |
|---|---|
{datasets}{missing}"""


def measure(folder, dataset, entry, training, kmeans, seed):
    """Train or make one representation and score it: {measure: number}, with ``cpu_seconds`` to make the latent.

    What its latents do goes to a file of `models_latents`.

    Args:
        folder: where the results of the workflow are.
        entry: kind and hyperparameters.
        training, kmeans: sections of the config.
    """
    from scae.data import expression
    from scae.training import fitting, trained

    results = Path(folder) / "results"
    data = expression.read(str(results / dataset / "expression.h5ad"))
    labels = tables.read_labels(results / LABELS.get(dataset, f"{dataset}/labels.csv"))
    labels = labels.loc[[str(cell) for cell in data.cells]]
    page = registry.find(entry["kind"])
    hyperparameters = {key: value for key, value in page.settings(entry).items() if key != "kind"}
    if page.external:
        importlib.import_module(page.needs["module"])  # its half minute is not what a run costs
    inside, of_run, model, start = {}, {}, None, time.process_time()
    if page.external:
        with row_blocks.opened(results / dataset / "expression.h5ad") as stored:
            counts = row_blocks.in_memory(stored.layers["counts"])
        fitted = registry.call(entry["kind"], "fit", counts, None, seed, **hyperparameters)
        latent, inside = fitted["latent"], {"kl": fitted["kl"]}
        of_run["cpu_seconds"] = time.process_time() - start
    elif page.trained:
        settings = fitting.with_enough_steps(fitting.resolve(training, data.density), len(data.cells))
        model, history, _ = fitting.fit(data, entry["kind"], hyperparameters, settings, seed)
        model.eval()
        latent = trained.embed(model, data, "posterior_mean", seed)
        of_run["cpu_seconds"] = time.process_time() - start
        inside = trained.diagnostics(model, data)
        of_run["kl_weight"] = history[-1].get("kl_weight", entry.get("beta", np.nan))
    else:
        latent = np.asarray(registry.call(entry["kind"], "embed", data, seed, **hyperparameters))
        of_run["cpu_seconds"] = time.process_time() - start
    points = pd.DataFrame(latent, index=labels.index, columns=[f"z{number + 1}" for number in range(latent.shape[1])])
    scored = tables.scored(labels)
    chosen = labels.index.isin(scored.index)
    clusters = kmeans_of(latent, scored.nunique(), {"n_init": kmeans["n_init"]}, seed, chosen)[chosen]
    agreement = metrics.score(scored, clusters, points.loc[scored.index]).set_index("metric")["value"]
    found = diagnostics.measure(points, inside)
    of_run |= {name: float(agreement[name]) for name in ("ari", "nmi")}
    of_run["knn_accuracy"] = neighbors.balanced_accuracy(scored, neighbors.votes(latent[chosen], scored))
    of_run["live"] = float(found[found["measure"] == "live"]["value"].iloc[0])
    if "gate" in inside:
        of_run |= of_gates(inside, latent, labels)
    counts = results / dataset / "counts.h5ad"
    recovered = truth.recovery(points, truth.read(counts, points.index)).set_index("measure")["value"]
    of_run |= {name: value for name, value in recovered.items() if name.startswith("recovered")}
    file = models_latents.path(folder, dataset, _key(entry), seed)
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(file, **models_latents.measure(data, points, labels, inside, model, seed))
    of_run |= {} if page.external else models_cells.measure(data, points, model, seed)
    return of_run | {"deterministic": page.deterministic}


def of_gates(inside, latent, labels):
    """How sparse a code is: of the live gates, the mean share that is on in a cell, and how many tell types apart.

    Args:
        inside: {"kl" in nats, "gate"}, each (cells, latents).
        latent: (cells, latents), mean of the posterior.
        labels: Series by cell.
    """
    live = diagnostics.is_live(inside["kl"].mean(axis=0), latent.std(axis=0))
    on = pd.DataFrame(inside["gate"][:, live] >= ON, index=labels.index)
    of_types = on.groupby(labels.loc[tables.scored(labels).index]).mean()
    apart = (of_types.max() - of_types.min() >= DIFFERS).sum() if live.any() else 0
    return {"on": float(on.to_numpy().mean()) if live.any() else np.nan, "switching": float(apart)}


def is_sparse(of_runs, study):
    """Whether a model's runs on a data set come to a sparse code; ``study``: kNN accuracy of the study's beta-VSC."""
    low, high = ON_SHARE
    return bool(
        of_runs["live"].mean() >= FEWEST_LIVE
        and low <= of_runs["on"].mean() <= high
        and of_runs["switching"].mean() >= 1
        and of_runs["knn_accuracy"].mean() >= study
    )


def prepare(folder, archive, cores):
    """The data sets and their labels, by the workflow; the config with all defaults."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [ROOT / "config/config.yaml", CONFIG]
    if archive:
        local = {"source": str(Path(archive).resolve()), "sha256": None}
        overlay = folder / "archive.yaml"
        overlay.write_text(yaml.safe_dump({"datasets": dict.fromkeys(("pbmc3k", "pbmc3k_variable"), local)}))
        files.append(overlay)
    more = folder / "datasets.yaml"  # the workflow makes what is run; the marker types come with all genes
    names = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["run"]["datasets"]
    more.write_text(yaml.safe_dump({"run": {"datasets": [*names, "pbmc3k"]}}))
    targets = [f"results/{name}/expression.h5ad" for name in names]
    targets += [f"results/{LABELS.get(name, f'{name}/labels.csv')}" for name in names]
    command = [Path(sys.executable).with_name("snakemake"), "--snakefile", ROOT / "Snakefile", "--directory", folder]
    command += ["--cores", cores, "--configfile", *files[1:], more, "--", *targets]
    if subprocess.run(command).returncode:
        sys.exit("the data sets could not be made; see above")
    config = {}
    for file in files:
        _overlay(config, yaml.safe_load(file.read_text(encoding="utf-8")))
    return loader.load(config, yaml.safe_load((ROOT / "config/schema.yaml").read_text(encoding="utf-8")))


def _overlay(config, more):
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            _overlay(config[key], value)
        else:
            config[key] = value


def runs(folder, config, wanted, cores):
    """DataFrame of these runs, made where they are not known: dataset, entry (JSON), seed and what `measure` gives.

    Args:
        wanted: list of (dataset, entry, seed).
    """
    path, known = folder / "runs.jsonl", {}
    if path.exists():
        rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        known = {(row["dataset"], row["entry"], row["seed"]): row for row in rows}
    keyed = {(dataset, _key(entry), seed): entry for dataset, entry, seed in wanted}
    missing = {key: entry for key, entry in keyed.items() if key not in known}
    with ProcessPoolExecutor(cores) as pool, path.open("a", encoding="utf-8") as file:
        jobs = {
            pool.submit(measure, str(folder), key[0], entry, config["training"], config["kmeans"], key[2]): key
            for key, entry in missing.items()
        }
        for job in as_completed(jobs):
            dataset, entry, seed = jobs[job]
            known[jobs[job]] = {"dataset": dataset, "entry": entry, "seed": seed} | job.result()
            file.write(json.dumps(known[jobs[job]]) + "\n")
            file.flush()
    return pd.DataFrame([known[key] for key in keyed])


def _has_counts(config, dataset):
    return config["datasets"][dataset]["values"] not in loader.WITHOUT_COUNTS


def _key(entry):
    return json.dumps(registry.find(entry["kind"]).settings(entry), sort_keys=True)


def page(config, of_models, searched, latents):
    """The page.

    Args:
        config: of the run.
        of_models: runs of the models of the config, with a column ``model`` more.
        latents: the section of `models_latents`.
        searched: runs of the search.
    """
    names, models = config["run"]["datasets"], config["run"]["models"]
    abouts = remarks()
    whole = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["run"]
    left_out = [f"`{name}`" for name in sorted(whole["datasets"]) if name not in names]
    left_out += [f"seed {seed}" for seed in whole["seeds"] if seed not in set(of_models["seed"])]
    introduction = INTRODUCTION.format(
        missing=f"\n\nNot run for this page: {', '.join(left_out)} (`make models-page` runs all)." if left_out else "",
        n_seeds=of_models["seed"].nunique(),
        steps=config["training"]["min_steps"],
        models="\n".join(f"| `{model}` | {_settings(config['models'][model])} |" for model in models),
        datasets="\n".join(
            f"| `{name}` | {abouts.get(name, '700 blood cells of the scanpy package')} |" for name in names
        ),
    )
    simulated = [name for name in names if config["datasets"][name]["source"] == "simulated"]
    shown = f"![The vote of the neighbours by model and data set]({PICTURE.name})"
    told = f"Dots are means, bars 95 % intervals over seeds, the dotted line is `{AGAINST}`: the first table below."
    parts = [introduction, advice(of_models, names, models), f"{shown}\n\n{told}"]
    parts += [scores(of_models, metric, names, models) for metric in SCORES]
    parts += [sparseness(of_models, names), programs(of_models, simulated, models)]
    parts += [beside_peer(of_models, names, models), latents, models_cells.section(of_models, names, models)]
    parts += [costs(of_models, names, models), search(searched)]
    return "\n\n".join(parts) + "\n"


def remarks():
    """{data set: the remark behind its name in the config}."""
    lines = [line.partition(": # ") for line in CONFIG.read_text(encoding="utf-8").splitlines()]
    return {name.strip(): about for name, found, about in lines if found and name.startswith("  ")}


def advice(of_models, names, models):
    """Where each representation is shown to keep types apart better or worse than PCA, in words."""
    lines = []
    for model in models:
        if model == AGAINST:
            continue
        ahead, behind = [], []
        for name in _made(of_models, names, model):
            found = _difference(of_models, name, "knn_accuracy", model, AGAINST)
            if found.low > 0:
                ahead.append(name)
            if found.high < 0:
                behind.append(name)
        told = [f"{word} on {', '.join(sets)}" for word, sets in (("ahead", ahead), ("behind", behind)) if sets]
        lines.append(f"- `{model}`: {'; '.join(told) or 'no difference is shown'}.")
    reached = [name for name in names if _reached(of_models, name, SPARSE)]
    return (
        f"## When to take which\n\nFor keeping types apart, against `{AGAINST}`, by the vote of neighbours; paired by "
        "seed, where the 95 % interval of the difference\nleaves out 0 (each by itself, not adjusted for their "
        "number):\n\n"
        + "\n".join(lines)
        + f"\n\nA code that switches per cell: `{SPARSE}`, on {', '.join(reached) or 'none of these data sets'} "
        "(see below)."
    )


def scores(of_models, metric, names, models):
    means = of_models.groupby(["dataset", "model"])[metric].mean()
    best = means.groupby("dataset").idxmax()

    def cell(name, model):
        if not _made(of_models, [name], model):
            return "–"
        text = models_latents.interval(_of(of_models, name, model)[metric])
        return f"**{text}**" if best[name] == (name, model) else text

    return f"## {SCORES[metric]}\n\nThe highest mean is bold.\n\n" + markdown_table("data set", names, models, cell)


def sparseness(of_models, names):
    low, high = ON_SHARE
    columns = {
        "model": lambda of_runs, name: f"`{of_runs['model'].iloc[0]}`",
        "live latents": lambda of_runs, name: models_latents.interval(of_runs["live"], 1),
        "live gates on in a cell": lambda of_runs, name: models_latents.interval(of_runs["on"]),
        "gates that differ between types": lambda of_runs, name: models_latents.interval(of_runs["switching"], 1),
        "kNN accuracy above the study's": lambda of_runs, name: _above(of_models, of_runs, name),
        "sparse": lambda of_runs, name: "yes" if _reached(of_models, name, of_runs["model"].iloc[0]) else "no",
    }
    lines = [f"| data set | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name in names:
        for model in (STUDY, SPARSE):
            of_runs = _of(of_models, name, model)
            lines.append(f"| `{name}` | {' | '.join(column(of_runs, name) for column in columns.values())} |")
    return (
        f"## Is the code sparse?\n\nSparse is called a code with at least {FEWEST_LIVE} live latents (KL divergence "
        f"above {diagnostics.LIVE_NATS:g} nat, standard deviation\nover the cells above {diagnostics.ACTIVE_SD:g}), of whose "
        f"gates {low:.0%} to {high:.0%} are on in a cell ({ON:g} or more), of which\none or more are on in "
        f"{DIFFERS:.0%} more of the cells of one type than of another, and with a kNN accuracy not below that of\n"
        f"`{STUDY}`, the study's; each as the mean over seeds, of which a single one may be otherwise. `{SPARSE}`\nhas "
        "free bits, with which each latent keeps some divergence: whether its latents do something is told by the\n"
        "gates that differ.\n\n" + "\n".join(lines)
    )


def programs(of_models, simulated, models):
    def cell(name, model):
        of_runs = _of(of_models, name, model)
        kinds = [f"recovered_{kind}" for kind in ("programs", "nuisance")]
        return " / ".join(
            models_latents.interval(of_runs[kind]) for kind in kinds if kind in of_runs and of_runs[kind].notna().all()
        )

    if not simulated:
        return (
            "## Programs that are found again\n\nAsked of simulated cells alone, of which none was run for this page."
        )
    return (
        f"## Programs that are found again\n\nShare of the true programs with which a latent correlates by "
        f"{truth.RECOVERED:g} or more; behind the stroke of those that know nothing of the types.\n\n"
        + markdown_table("data set", simulated, models, cell)
    )


def costs(of_models, names, models):
    def cell(name, model):
        of_runs = _of(of_models, name, model)
        return models_latents.interval(of_runs["cpu_seconds"], 1) if len(of_runs) else "–"

    return (
        "## What it costs\n\nSeconds of CPU for the latent of a run, training included, with as many gradient steps as "
        f"said above (`{PEER}`: its own). The machine had\nother work to do: read factors, not percentages.\n\n"
        + markdown_table("data set", names, models, cell)
    )


def picture(of_models, names, models):
    """The vote of the neighbours: a dot for each model and data set, with its 95 % interval over seeds.

    Returns:
        matplotlib.figure.Figure
    """
    from matplotlib import pyplot as plt

    size = (2.1 * len(names) + 1.6, 0.32 * len(models) + 1.1)
    figure, panels = plt.subplots(1, len(names), figsize=size, sharey=True, squeeze=False, layout="constrained")
    for name, panel in zip(names, panels[0], strict=True):
        for place, model in enumerate(models):
            if not _made(of_models, [name], model):
                continue
            found = intervals.over_seeds(_of(of_models, name, model)["knn_accuracy"].to_numpy())
            color = "#6b7280" if model.startswith("pca") else "#332288"
            panel.plot([found.low, found.high], [place, place], color=color, linewidth=4, alpha=0.45)
            panel.plot(found.mean, place, "o", color=color, markersize=5)
        panel.axvline(_of(of_models, name, AGAINST)["knn_accuracy"].mean(), color="#6b7280", linestyle=":", linewidth=1)
        panel.set_title(name, fontsize=9)
        panel.tick_params(labelsize=8)
        panel.grid(axis="x", color="#e5e7eb")
    panels[0, 0].set_yticks(range(len(models)), models)
    panels[0, 0].invert_yaxis()
    return figure


def beside_peer(of_models, names, models):
    """What scVI does better or worse than the strongest of the others here, paired by seed."""
    title = "## scVI beside them\n\n"
    if PEER not in models:
        return f"{title}It was not run: it needs requirements-scvi.txt."
    others = (AGAINST, CALIBRATED)
    heads = [f"{short}, against `{other}`" for short in ("vote", "ARI") for other in others]
    lines = [f"| data set | {' | '.join(heads)} | live latents |", "|---" * (len(heads) + 2) + "|"]
    for name in _made(of_models, names, PEER):
        cells = [_signed(of_models, name, metric, PEER, other) for metric in SCORES for other in others]
        lines.append(
            f"| `{name}` | {' | '.join(cells)} | {models_latents.interval(_of(of_models, name, PEER)['live'], 1)} |"
        )
    return (
        f"{title}`{PEER}` is trained on the counts, which `pbmc68k_reduced` does not have, for its own number of "
        "epochs in batches of 128\ncells. Differences to the others, paired by seed, with 95 % intervals that are not "
        "adjusted for their number;\n[what an epoch costs](../benchmarks/README.md#scvi). The simulated counts are "
        "gamma-Poisson, just as it takes counts to be:\nwhat it gains on them it need not gain on cells.\n\n"
        + "\n".join(lines)
    )


def search(searched):
    """What was tried for the two models that are not the study's."""
    names = list(dict.fromkeys(searched["dataset"]))
    settings = sorted(set(searched["entry"]))

    def told(entry, name):
        of_runs = searched[(searched["entry"] == entry) & (searched["dataset"] == name)].mean(numeric_only=True)
        gates = "" if np.isnan(of_runs["switching"]) else f", {of_runs['on']:.0%} on, {of_runs['switching']:.3g} differ"
        return f"{of_runs['knn_accuracy']:.2f}; {of_runs['live']:.3g} live{gates}"

    lines = [f"| settings | {' | '.join(f'`{name}`' for name in names)} |", "|---" * (len(names) + 1) + "|"]
    lines += [
        f"| {_settings(json.loads(entry))} | {' | '.join(told(entry, name) for name in names)} |" for entry in settings
    ]
    return (
        f"## What was tried\n\n`{SPARSE}` and `{CALIBRATED}` were chosen from these, by one run each with a seed that "
        "none of the tables above has,\nand where settings of a sparse code were close by four (means): kNN accuracy, "
        "live latents, mean share of their gates that\nis on in a cell, gates that differ between types.\n\n"
        + "\n".join(lines)
    )


def _settings(entry):
    entry = registry.find(entry["kind"]).settings(entry)
    return ", ".join(f"{key} {str(value).lower()}" for key, value in entry.items() if value is not None)


def _of(of_models, name, model):
    return of_models[(of_models["dataset"] == name) & (of_models["model"] == model)].sort_values("seed")


def _difference(of_models, name, metric, first, second):
    return intervals.difference(*(_of(of_models, name, model)[metric].to_numpy() for model in (first, second)))


def _above(of_models, of_runs, name):
    model = of_runs["model"].iloc[0]
    return "" if model == STUDY else _signed(of_models, name, "knn_accuracy", model, STUDY)


def _signed(of_models, name, metric, first, second):
    found = _difference(of_models, name, metric, first, second)
    return f"{found.mean:+.3f}" + (f" ({found.low:+.3f} to {found.high:+.3f})" if not np.isnan(found.low) else "")


def _made(of_models, names, model):
    """The data sets on which a model was run."""
    return [name for name in names if len(_of(of_models, name, model))]


def _reached(of_models, name, model):
    return is_sparse(_of(of_models, name, model), _of(of_models, name, STUDY)["knn_accuracy"].mean())


if __name__ == "__main__":
    folder, *archive = sys.argv[1:]
    folder, cores, start = Path(folder).resolve(), int(os.environ.get("CORES", "2")), time.perf_counter()
    config = prepare(folder, archive[0] if archive else None, str(cores))
    config["run"]["datasets"] = os.environ.get("DATASETS", "").split() or config["run"]["datasets"]
    config["run"]["seeds"] = [int(seed) for seed in os.environ.get("SEEDS", "").split()] or config["run"]["seeds"]
    names = {_key(config["models"][model]): model for model in config["run"]["models"]}
    if registry.find(config["models"][PEER]["kind"]).missing() is None:
        config["run"]["models"] = [*config["run"]["models"], PEER]
        names[_key(config["models"][PEER])] = PEER
    wanted = [
        (dataset, config["models"][model], seed)
        for model in config["run"]["models"]
        for seed in config["run"]["seeds"]
        for dataset in config["run"]["datasets"]
        if model != PEER or _has_counts(config, dataset)
    ]
    of_models = runs(folder, config, wanted, cores)
    of_models["model"] = of_models["entry"].map(names)
    wanted = [(dataset, entry, SEARCH_SEED) for entry in TRIED for dataset in SEARCHED_ON]
    wanted += [(dataset, entry, seed) for entry in FINALISTS for dataset in SEARCHED_ON for seed in FINAL_SEEDS]
    searched = runs(folder, config, wanted, cores)
    from scae.plots import drawing

    names, models = config["run"]["datasets"], config["run"]["models"]
    latents = models_latents.section(folder, of_models, names, models)
    drawing.save(picture(of_models, names, models), PICTURE)
    PAGE.write_text(page(config, of_models, searched, latents), encoding="utf-8")
    print(f"{PAGE}: made in {(time.perf_counter() - start) / 60:.1f} minutes")
