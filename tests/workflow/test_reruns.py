"""What is missing is made again, a target makes its part, and the profile that the rerun contract needs is found.

What a change reruns stands in rerun_contract.yaml.
"""

import os
import shutil

import pytest
import yaml
from test_rerun_contract import content
from workflow_project import MODELS

TO_LABELS = ["fetch_counts", "preprocess_cells", "label_cells"]
OF_DATASET = [*TO_LABELS, "export_csv"]
OF_INPUT = ["measure_distances", "color_types"]
OF_RUN = ["train_model", "embed_cells", "project_tsne", "cluster_cells", "score_clusters", "check_latents"]
PLOTS = ["plot_quality", "plot_figures", "plot_clusters", "plot_tsne3d", "plot_losses", "plot_stability"]
OVER_ALL = ["collect_metrics", "collect_training_times", "plot_heatmap", "write_report"]
OF_MODEL = ["interpret_latents", "plot_latents", "generate_cells", "plot_generated"]
OVER_SEEDS = ["measure_stability", "plot_stability"]
SUMMARIES = ["collect_health", "collect_stability", "score_references", "summarize_scores", "write_verdict"]
AGGREGATORS = [*OVER_ALL, *SUMMARIES, "collect_embeddings"]


def jobs(*rules, models=MODELS):
    """{rule: wildcards of all its jobs}, in the form of `Project.planned`."""
    expected = {}
    for rule in rules:
        if rule in [
            *OF_DATASET,
            *OVER_SEEDS,
            *OF_INPUT,
            "collect_embeddings",
            "plot_quality",
            "plot_figures",
        ]:
            expected[rule] = {("toy",)}
        elif rule in OF_MODEL:
            expected[rule] = {("toy", model) for model in models}
        elif rule in AGGREGATORS:
            expected[rule] = {()}
        else:
            dimensions = [("2",), ("3",)] if rule == "project_tsne" else [()]
            expected[rule] = {("toy", model, "0", *dimension) for model in models for dimension in dimensions}
    return expected


def test_seed_written_with_a_point_is_the_same_seed(empty):
    empty.set("run.seeds", [0.0])
    assert empty.planned("train_model") == jobs("train_model")["train_model"]


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


def test_code_of_a_model_reaches_its_latents_even_if_the_run_is_interrupted_after_training(edited):
    """`embed` of a model stands on its page: training gives the same weights, but the latents change."""
    page = edited.workflow / "scripts/scae/models/beta_vsc.py"
    page.write_text(page.read_text(encoding="utf-8").replace("else gamma * mu", "else gamma * mu + 1"))
    edited.run("results/toy/beta_vsc/seed0/model.pt")
    assert edited.planned("embed_cells") == {("toy", "beta_vsc", "0")}


# Environments. conda itself cannot be had in a test: a stub answers what Snakemake asks before it plans

CONDA = """#!/bin/sh
case "$*" in
  "info --json") echo '{"conda_prefix": "/nowhere", "root_prefix": "/nowhere", "platform": "linux-64", "envs": []}' ;;
  --version) echo "conda 25.1.0" ;;
  config*) echo '{"get": {"channel_priority": "strict"}}' ;;
  *) exit 1 ;;
esac
"""


def test_results_of_pip_and_of_conda_are_never_mixed(project, finished, tmp_path):
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "conda").write_text(CONDA)
    (commands / "conda").chmod(0o755)
    project.environment = {"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}
    assert project.planned(options=("--cores", 2, "--software-deployment-method", "conda")) == finished.first_plan


# What is missing is made again


@pytest.mark.parametrize(
    ("deleted", "expected"),
    [
        ("toy/dae/seed0/clusters.png", jobs("plot_clusters", models=["dae"]) | jobs("write_report")),
        ("toy/beta_vae/seed0/tsne3d.png", jobs("plot_tsne3d", models=["beta_vae"])),
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


def test_export_is_left_out_where_it_is_not_wanted_or_the_source_is_large_and_can_be_asked_for_by_name(project):
    shutil.rmtree(project.path("results/toy/export"))
    assert project.planned() == jobs("export_csv")
    project.set("datasets.toy.export", False)
    assert "export_csv" not in project.planned()
    assert "export_csv" in project.planned(targets=["results/toy/export/labels.csv"])


def test_deleted_plot_comes_back_the_same_and_no_other_file_is_touched(project):
    before, page = project.files(), content(project, "results/report.html")
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
    losses = "results/toy/dae/seed0/losses.png"
    assert after[losses][0] == before[losses][0]
    assert content(project, "results/report.html") == page


# Targets for a part of the workflow


@pytest.mark.parametrize(
    ("target", "rules"),
    [
        ("data", OF_DATASET),
        ("models", ["fetch_counts", "preprocess_cells", "train_model", "embed_cells"]),  # no labels
        (
            "evaluation",
            [
                *(*TO_LABELS, *OF_INPUT, "measure_stability", "interpret_latents", "generate_cells", *OF_RUN),
                *("collect_metrics", *SUMMARIES, "collect_training_times", "collect_embeddings"),
            ],
        ),
        (
            "report",
            [
                *TO_LABELS,
                "measure_distances",
                "color_types",
                "measure_stability",
                *OF_RUN,
                *OF_MODEL,
                *PLOTS,
                *SUMMARIES,
                *OVER_ALL,
            ],
        ),
        (
            "all",
            [
                *OF_DATASET,
                "measure_distances",
                "color_types",
                "measure_stability",
                *OF_RUN,
                *OF_MODEL,
                *PLOTS,
                *AGGREGATORS,
            ],
        ),
    ],
)
def test_stage_target_runs_its_part(empty, target, rules):
    assert empty.planned(targets=[target]) == jobs(*rules)
