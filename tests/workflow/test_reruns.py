"""Missing files are remade, a target makes its part, and the default profile is found.

What a change of the config reruns: rerun_contract.yaml.
"""

import os
import re
import shutil

import pytest
import yaml

from scae import results


def test_seed_written_with_a_point_is_the_same_seed(empty):
    empty.set("run.seeds", [0.0])
    assert {seed for _, _, seed in empty.planned("train_model")} == {"0"}


def test_default_profile_beside_the_snakefile_is_found(finished):
    """Its rerun-triggers are what keeps a touched script from rerunning all below it."""
    output = finished.snakemake("--dry-run", "--cores", 1).stdout
    profile = finished.workflow / "profiles" / "default"
    assert f"Using workflow specific profile {profile}" in output
    triggers = yaml.safe_load((profile / "config.yaml").read_text())["rerun-triggers"]
    assert triggers == ["params", "input", "mtime", "software-env"]


# conda cannot be had in a test: a stub answers what Snakemake asks before it plans
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


def test_a_deleted_file_of_any_rule_is_remade_with_all_that_contains_it(project):
    """Snakemake does not miss a deleted file that only other jobs need, unless it is a target."""
    jobs = project.plan().jobs
    for rule in sorted({rule for rule, _ in jobs}):
        path = project.path(jobs[min(job for job in jobs if job[0] == rule)][-1])
        aside = path.rename(path.with_name("aside"))
        try:
            plan = project.plan()
        finally:
            aside.rename(path)
        assert {rule for rule, _ in plan.tops} == {rule}, path
        assert plan.planned == plan.below(plan.tops)


def test_export_is_left_out_where_it_is_not_wanted_and_can_be_asked_for_by_name(project):
    shutil.rmtree(project.path("results/toy/export"))
    assert project.planned() == {"export_csv": {("toy",)}}
    project.set("datasets.toy.export", False)
    assert "export_csv" not in project.planned()
    assert "export_csv" in project.planned(targets=["results/toy/export/labels.csv"])


def test_deleted_plot_is_remade_the_same_and_no_other_file_is_touched(project):
    before = project.files()
    plot = "results/toy/dae/losses.png"
    project.path(plot).unlink()
    project.run()
    after = project.files()
    changed = {path for path in after if after[path] != before[path]}
    assert {re.sub(r"^results/(logs|benchmarks)/(\w+)/.*", r"\2", path) for path in changed} == {
        *("plot_training", "write_report", "results/report.html", "results/toy/dae/losses.png"),
        *(f"results/toy/{model}/losses.png" for model in ("beta_vae", "beta_vsc")),
        *(f"results/toy/{model}/generated.png" for model in ("dae", "beta_vae", "beta_vsc")),
    }
    assert all(after[path][0] == before[path][0] for path in changed if path.endswith(".png"))


@pytest.mark.parametrize(
    ("target", "not_needed"),
    [
        ("data", {"train_model", "measure_distances"}),
        ("models", {"label_cells", "export_csv", "project_tsne"}),
        ("evaluation", {"export_csv", "plot_model", "plot_training", "plot_dataset", "plot_heatmap", "write_report"}),
        ("report", {"export_csv", "collect_embeddings"}),
    ],
)
def test_a_target_makes_the_files_of_its_part_and_what_they_need(empty, target, not_needed):
    plan = empty.plan(target)
    names = {result.path.rpartition("/")[2] for result in results.CONTRACT if result.part == target}
    made = {path.rpartition("/")[2] for path in plan.files(plan.planned)}
    elsewhere = {"batches.csv", "kl.csv", "{label_set}.csv", "{sweep}.svg", "{sweep}.pdf", "test.h5ad"}
    elsewhere |= {"held_out.csv", "held_out_resamples.csv", "held_out_sizes.csv", "fetched.csv"}
    assert names - made <= elsewhere
    assert not_needed.isdisjoint(rule for rule, _ in plan.planned)
