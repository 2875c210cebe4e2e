"""A change reruns exactly the jobs whose result it can change, and no other."""

import os
import time

import pytest
import yaml
from workflow_project import MODELS, toy_cells

OF_DATASET = ["fetch_counts", "preprocess_cells", "label_cells", "export_csv"]
OF_RUN = ["train_model", "embed_cells", "project_tsne", "cluster_cells", "score_clusters"]
PLOTS = ["plot_clusters", "plot_tsne3d", "plot_losses"]
OVER_ALL = ["collect_metrics", "collect_training_times", "plot_heatmap", "write_report"]
AGGREGATORS = [*OVER_ALL, "collect_embeddings"]


def jobs(*rules, dataset="toy", models=MODELS, seeds=("0",)):
    """{rule: wildcards of all its jobs}, in the form of `Project.planned`."""
    expected = {}
    for rule in rules:
        if rule in OVER_ALL:
            expected[rule] = {()}
        elif rule in [*OF_DATASET, "collect_embeddings"]:
            expected[rule] = {(dataset,)}
        else:
            dimensions = [("2",), ("3",)] if rule == "project_tsne" else [()]
            expected[rule] = {
                (dataset, model, seed, *dimension) for model in models for seed in seeds for dimension in dimensions
            }
    return expected


def touch(path):
    """Make a file look changed now."""
    later = time.time() + 5
    os.utime(path, (later, later))


def edit(path, old, new):
    """Replace text in a file of the workflow."""
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path.name} has changed; the test must edit something else"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    touch(path)


BELOW_TSNE = ["project_tsne", "cluster_cells", "score_clusters", "plot_clusters", "plot_tsne3d", "collect_embeddings"]
BELOW_TSNE += ["collect_metrics", "plot_heatmap", "write_report"]
BELOW_KMEANS = [rule for rule in BELOW_TSNE if rule not in ("project_tsne", "plot_tsne3d")]
BELOW_LABELS = ["label_cells", "export_csv", "plot_tsne3d", *BELOW_KMEANS]
BELOW_EXPRESSION = [*OF_DATASET[1:], *OF_RUN, *PLOTS, *AGGREGATORS]


# What a change of the config can change


@pytest.mark.parametrize(
    ("key", "value", "model"),
    [
        ("models.beta_vae.beta", 4.0, "beta_vae"),
        ("models.beta_vsc.alpha", 0.2, "beta_vsc"),
        ("models.beta_vsc.c", 2.0, "beta_vsc"),  # now equal to beta: a set of values would not show it
        ("models.dae.n_latent", 5, "dae"),
    ],
)
def test_hyperparameter_touches_its_model_only(project, key, value, model):
    project.set(key, value)
    assert project.planned() == jobs(*OF_RUN, *PLOTS, models=[model]) | jobs(*AGGREGATORS)


def test_swapped_hyperparameters_are_noticed(project):
    project.config["models"]["beta_vsc"] |= {"beta": 50.0, "c": 2.0}
    assert project.planned("train_model") == {("toy", "beta_vsc", "0")}


@pytest.mark.parametrize(("key", "value"), [("epochs", 4), ("batch_size", 16), ("learning_rate", 0.01), ("threads", 2)])
def test_training_settings_retrain_every_model_and_touch_no_data(project, key, value):
    project.set(f"training.{key}", value)
    assert project.planned() == jobs(*OF_RUN, *PLOTS, *AGGREGATORS)


def test_latent_estimate_never_retrains(project):
    project.set("latent.estimate", "slab_mean")
    planned = project.planned()
    assert ("toy", "beta_vsc", "0") in planned["embed_cells"]
    assert planned.keys().isdisjoint({"train_model", "plot_losses", "collect_training_times", *OF_DATASET})


@pytest.mark.parametrize(
    ("key", "value"), [("perplexity", 6), ("iterations", 31), ("early_exaggeration_iterations", 9)]
)
def test_tsne_settings_touch_neither_training_nor_latents(project, key, value):
    project.set(f"tsne.{key}", value)
    assert project.planned() == jobs(*BELOW_TSNE)


def test_kmeans_starts_touch_clusters_and_what_follows(project):
    project.set("kmeans.n_init", 4)
    assert project.planned() == jobs(*BELOW_KMEANS)


def test_labels_never_retrain_a_model(project):
    project.set("datasets.toy.labels.column", "donor")
    assert project.planned() == jobs(*BELOW_LABELS)


def test_quality_control_touches_all_but_the_source(project):
    project.set("datasets.toy.qc.min_genes", 6)
    assert project.planned() == jobs(*BELOW_EXPRESSION)


def test_added_seed_runs_its_jobs_and_the_aggregators(project):
    project.set("run.seeds", [0, 1])
    assert project.planned() == jobs(*OF_RUN, *PLOTS, seeds=["1"]) | jobs(*AGGREGATORS)


def test_added_model_runs_its_jobs_and_the_aggregators(project):
    project.set("models.strict", {"kind": "beta_vae", "beta": 8.0})
    project.set("run.models", [*MODELS, "strict"])
    assert project.planned() == jobs(*OF_RUN, *PLOTS, models=["strict"]) | jobs(*AGGREGATORS)


def test_added_dataset_runs_its_jobs_and_what_covers_all_datasets(project):
    project.set("datasets.second", project.config["datasets"]["toy"])
    project.set("run.datasets", ["toy", "second"])
    expected = jobs(*OF_DATASET, *OF_RUN, *PLOTS, "collect_embeddings", dataset="second")
    assert project.planned() == expected | jobs(*OVER_ALL)


def test_removed_model_runs_the_aggregators_only(project):
    project.set("run.models", ["dae", "beta_vsc"])
    assert project.planned() == jobs(*AGGREGATORS)


def test_entry_that_is_not_run_touches_nothing(project):
    project.set("models.unused", {"kind": "dae"})
    project.set("datasets.unused", {"source": "nowhere.h5ad"})
    assert project.planned() == {}


# What cannot change a result


def reversed_keys(value):
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return value


def test_order_of_keys_touches_nothing(project):
    project.config = reversed_keys(project.config)
    assert project.planned() == {}


def test_defaults_spelled_out_touch_nothing(project):
    project.set("training.learning_rate", 0.001)
    project.set("datasets.toy.qc.max_genes", None)
    project.set("models.beta_vae", {"kind": "beta_vae"})
    assert project.planned() == {}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("models.beta_vae.beta", 2),
        ("models.beta_vae.n_latent", 6.0),
        ("training.epochs", 3.0),
        ("tsne.perplexity", 5.0),
        ("kmeans.n_init", 3.0),
        ("run.seeds", [0.0]),
    ],
)
def test_same_number_as_integer_or_with_a_point_touches_nothing(project, key, value):
    project.set(key, value)
    assert project.planned() == {}


def test_seed_written_with_a_point_is_the_same_seed(empty):
    empty.set("run.seeds", [0.0])
    assert empty.planned("train_model") == jobs("train_model")["train_model"]


@pytest.mark.parametrize("cores", [1, 8])
def test_number_of_cores_touches_nothing(finished, cores):
    assert finished.planned(options=("--cores", cores)) == {}


def test_default_profile_beside_the_snakefile_is_found(finished):
    """Its rerun-triggers are what keeps a touched script from rerunning all below it."""
    output = finished.snakemake("--dry-run", "--cores", 1).stdout
    profile = finished.workflow / "profiles" / "default"
    assert f"Using workflow specific profile {profile}" in output
    assert yaml.safe_load((profile / "config.yaml").read_text())["rerun-triggers"] == [
        "params",
        "input",
        "mtime",
        "software-env",
    ]


def test_touched_code_touches_nothing(edited):
    for path in sorted(edited.workflow.rglob("*")):
        if path.is_file():
            touch(path)
    assert edited.planned() == {}


def test_comments_and_formatting_touch_nothing(edited):
    for path in sorted((edited.workflow / "scripts").rglob("*.py")):
        path.write_text(f"# a remark\n\n\n{path.read_text(encoding='utf-8')}\n# another\n", encoding="utf-8")
        touch(path)
    edit(edited.workflow / "rules" / "models.smk", "rule train_model:", "# a remark\nrule train_model:")
    assert edited.planned() == {}


def test_source_written_anew_with_the_same_content_touches_nothing(project):
    source = project.path("toy.h5ad")
    source.write_bytes(source.read_bytes())
    touch(source)
    assert project.planned() == {}


# What a change of code can change


def test_code_of_a_model_touches_that_model_only(edited):
    edit(edited.workflow / "scripts/scae/models/beta_vsc.py", "GAMMA_MARGIN = 1e-6", "GAMMA_MARGIN = 1e-5")
    assert edited.planned() == jobs(*OF_RUN, *PLOTS, models=["beta_vsc"]) | jobs(*AGGREGATORS)


def test_code_of_a_model_reaches_its_latents_even_if_the_run_is_interrupted_after_training(edited):
    """`embed` of a model stands on its page: training gives the same weights, but the latents change."""
    edit(edited.workflow / "scripts/scae/models/beta_vsc.py", "else gamma * mu", "else gamma * mu + 1")
    edited.run("results/toy/beta_vsc/seed0/model.pt")
    assert edited.planned("embed_cells") == {("toy", "beta_vsc", "0")}


def test_new_kind_of_model_touches_nothing(edited):
    pages = edited.workflow / "scripts/scae/models"
    (pages / "another.py").write_text((pages / "dae.py").read_text(encoding="utf-8"), encoding="utf-8")
    assert edited.planned() == {}


@pytest.mark.parametrize(
    ("file", "old", "new", "rules"),
    [
        ("plotting.py", '"font.size": 10', '"font.size": 11', [*PLOTS, "plot_heatmap", "write_report"]),
        ("report.html.j2", "<main>", '<main lang="en">', ["write_report"]),
        ("clustering.py", "threadpool_limits(1)", "threadpool_limits(2)", BELOW_KMEANS),
        ("embedding.py", 'neighbors="exact"', 'neighbors="annoy"', BELOW_TSNE),
        ("preprocessing.py", "np.log1p(scaled)", "np.log1p(1 * scaled)", BELOW_EXPRESSION),
    ],
)
def test_code_of_a_helper_touches_what_uses_it(edited, file, old, new, rules):
    edit(edited.workflow / "scripts/scae" / file, old, new)
    assert edited.planned() == jobs(*rules)


def test_code_of_a_script_with_an_old_time_is_noticed(edited):
    script = edited.workflow / "scripts/plot_losses.py"
    edit(script, "plotting.title(snakemake.wildcards)", "plotting.title(snakemake.wildcards).upper()")
    os.utime(script, (0, 0))
    assert edited.planned() == jobs("plot_losses", "write_report")


# What a change of data can change


def test_changed_source_touches_everything(project):
    cells = toy_cells()
    cells.X[0, 0] += 1
    cells.write_h5ad(project.path("toy.h5ad"))
    touch(project.path("toy.h5ad"))
    assert project.planned() == jobs("fetch_counts", *BELOW_EXPRESSION)


def test_changed_label_file_touches_no_training(project):
    labels = project.path("types.csv")
    labels.write_bytes(project.path("results/toy/labels.csv").read_bytes())
    project.set("datasets.toy.labels", {"from": "csv", "path": "types.csv"})
    project.run("results/toy/labels.csv")
    labels.write_text(labels.read_text().replace("Monocyte", "Dendritic"))
    touch(labels)
    assert project.planned() == jobs(*BELOW_LABELS)


# What is missing is made again


@pytest.mark.parametrize(
    ("deleted", "expected"),
    [
        ("toy/dae/seed0/clusters.png", jobs("plot_clusters", models=["dae"]) | jobs("write_report")),
        ("toy/beta_vae/seed0/tsne3d.png", jobs("plot_tsne3d", models=["beta_vae"]) | jobs("write_report")),
        ("heatmap.svg", jobs("plot_heatmap", "write_report")),
        ("heatmap.png", jobs("plot_heatmap", "write_report")),
        ("report.html", jobs("write_report")),
        ("toy/embeddings.h5ad", jobs("collect_embeddings")),
        ("training_times.csv", jobs("collect_training_times", "write_report")),
    ],
)
def test_deleted_file_is_remade_with_what_contains_it(project, deleted, expected):
    project.path(f"results/{deleted}").unlink()
    assert project.planned() == expected


@pytest.mark.parametrize(
    ("deleted", "rule"),
    [
        ("counts.h5ad", "fetch_counts"),
        ("expression.h5ad", "preprocess_cells"),
        ("export/labels.csv", "export_csv"),
        ("dae/seed0/model.pt", "train_model"),
        ("dae/seed0/latent.csv", "embed_cells"),
        ("dae/seed0/tsne3d.csv", "project_tsne"),
        ("dae/seed0/clusters.csv", "cluster_cells"),
        ("dae/seed0/metrics.csv", "score_clusters"),
    ],
)
def test_deleted_file_of_the_contract_is_made_again_even_if_only_others_needed_it(project, deleted, rule):
    project.path(f"results/toy/{deleted}").unlink()
    assert project.planned(rule)


def test_deleted_plot_comes_back_the_same_and_no_other_file_is_touched(project):
    before = project.files()
    plot = project.path("results/toy/dae/seed0/losses.png")
    plot.unlink()
    project.run()
    after = project.files()
    changed = {path for path in after if after[path] != before[path]}
    assert changed == {
        "results/toy/dae/seed0/losses.png",
        "results/report.html",
        "results/logs/plot_losses/toy/dae/seed0.log",
        "results/logs/write_report/all.log",
        "results/benchmarks/plot_losses/toy/dae/seed0.tsv",
        "results/benchmarks/write_report/all.tsv",
    }
    for path in ("results/toy/dae/seed0/losses.png", "results/report.html"):
        assert after[path][0] == before[path][0]


# Targets for a part of the workflow


@pytest.mark.parametrize(
    ("target", "rules"),
    [
        ("data", OF_DATASET),
        ("models", ["fetch_counts", "preprocess_cells", "train_model", "embed_cells"]),  # no labels
        (
            "evaluation",
            [
                *("fetch_counts", "preprocess_cells", "label_cells", *OF_RUN),
                *("collect_metrics", "collect_training_times", "collect_embeddings"),
            ],
        ),
        ("report", ["fetch_counts", "preprocess_cells", "label_cells", *OF_RUN, *PLOTS, *OVER_ALL]),
        ("all", [*OF_DATASET, *OF_RUN, *PLOTS, *AGGREGATORS]),
    ],
)
def test_stage_target_runs_its_part(empty, target, rules):
    assert empty.planned(targets=[target]) == jobs(*rules)
