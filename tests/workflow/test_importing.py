"""Another workflow imports this one, as in docs/importing.md, from a folder or from a tag."""

import os
import re
import shutil
import subprocess

import pandas as pd
import pytest
import yaml
from rerun_contract import ROWS
from test_contract import contract
from workflow_project import MODELS, REPOSITORY, TOY_CONFIG, Project, toy_cells

PAGE = (REPOSITORY / "docs/importing.md").read_text(encoding="utf-8")
SHOWN = dict(re.findall(r"<!-- (\S+) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL))
TOY_SETTINGS = {name: TOY_CONFIG[name] for name in ("training", "tsne", "kmeans")}
CONTRACT = {row.text: row for rows in ROWS.values() for row in rows}
SECTIONS = yaml.safe_load((REPOSITORY / "config/schema.yaml").read_text())["properties"]
IDENTITY = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
MAKE_SOURCE = """

rule make_source:
    input:
        "raw.h5ad",
    output:
        "mine.h5ad",
    shell:
        "cp {input} {output}"
"""


class Importer(Project):
    """The workflow of the page in one folder, and its config and data in another, as with ``--directory``."""

    def command(self, *arguments):
        self.path("config.yaml").write_text(yaml.safe_dump(self.config, sort_keys=False), encoding="utf-8")
        return Project(self.folder, None, self.workflow).command(*arguments)

    def copy(self, folder):
        """The same elsewhere, to change."""
        shutil.copytree(self.folder, folder / "work")
        shutil.copytree(self.workflow, folder / "code", symlinks=True)
        return Importer(folder / "work", self.config, folder / "code", warm=self.warm)

    def replace(self, old, new):
        text = (self.workflow / "Snakefile").read_text(encoding="utf-8")
        assert old in text
        (self.workflow / "Snakefile").write_text(text.replace(old, new), encoding="utf-8")

    def jobs(self, *targets):
        """{(rule, wildcards)} of a plan, by our names, without rules that only name targets."""
        plan = self.planned(targets=targets)
        plan.pop("scae_all", None)
        return {(rule.removeprefix("scae_"), wildcards) for rule, found in plan.items() for wildcards in found}


@pytest.fixture(scope="module")
def page(tmp_path_factory, workflow, warm):
    """The importing workflow as the page has it, with toy data and short training; nothing made, never change it."""
    code, work = tmp_path_factory.mktemp("importer") / "code", tmp_path_factory.mktemp("importer") / "work"
    work.mkdir()
    for name in ("Snakefile", "profiles/default/config.yaml"):
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        (code / name).write_text(SHOWN[name], encoding="utf-8")
    (code / "scae").symlink_to(workflow)
    toy_cells().write_h5ad(work / "mine.h5ad")
    importer = Importer(work, yaml.safe_load(SHOWN["config.yaml"]) | TOY_SETTINGS, code, warm=warm)
    importer.set("datasets.mine.qc", {"min_cells": 1, "min_genes": 5})
    importer.set("datasets.mine.held_out_molecules", False)
    importer.set("run.seeds", [0])
    return importer


@pytest.fixture(scope="module")
def imported(page, tmp_path_factory):
    """The finished run of the page; never change it."""
    importer = page.copy(tmp_path_factory.mktemp("imported"))
    importer.said = importer.run().stdout
    return importer


def test_the_run_ends_with_the_verdict(imported):
    assert imported.path("study/results/verdict.txt").read_text(encoding="utf-8") in imported.said


@pytest.fixture
def importer(page, tmp_path):
    """A copy of the page in which nothing is made."""
    return page.copy(tmp_path)


def is_note(path):
    return path.startswith(("study/results/logs/", "study/results/benchmarks/"))


def alone(importer, workflow, config=None):
    """The jobs of a plan of the same config without the importing workflow, and the job of that."""
    ours = {key: value for key, value in (config or importer.config).items() if key in SECTIONS}
    planned = Project(importer.folder, ours, workflow, warm=importer.warm).planned()
    return {(rule, wildcards) for rule, found in planned.items() for wildcards in found} | {("best", ())}


def test_it_runs_to_the_report_below_the_prefix(imported):
    models = imported.config["run"]["models"]
    own = [name for name in models if name in MODELS]
    made = contract(["mine"], own=own, untrained=[name for name in models if name not in own])
    assert made == {path.removeprefix("study/") for path in imported.files("study/results") if not is_note(path)}
    assert imported.path("study/results/report.html").stat().st_size > 100_000
    metrics = pd.read_csv(imported.path("study/results/metrics.csv"))
    aris = metrics[(metrics["space"] == "latent") & (metrics["metric"] == "ari")]
    assert float(imported.path("best.csv").read_text().split(",")[-1]) == aris["value"].max()
    assert sorted(path.name for path in imported.folder.iterdir() if path.name[0] != ".") == [
        *("best.csv", "config.yaml", "mine.h5ad", "study")
    ]


def test_it_makes_the_bytes_of_a_run_alone(imported, finished):
    for model in ("dae", "beta_vae"):
        assert model in MODELS
        for name in ("model.pt", "latent.csv", "tsne2d.csv", "clusters.csv", "metrics.csv"):
            ours = imported.path(f"study/results/mine/{model}/seed0/{name}").read_bytes()
            assert ours == finished.path(f"results/toy/{model}/seed0/{name}").read_bytes(), name


def test_nothing_is_left_to_do(imported):
    assert imported.jobs() == set()


def test_one_change_of_the_config_reruns_what_it_reruns_alone(imported, tmp_path):
    changed = imported.copy(tmp_path)
    changed.set("kmeans.n_init", 1)
    tops = changed.plan().tops
    assert {rule.removeprefix("scae_") for rule, _ in tops} == {CONTRACT["`kmeans.n_init`"].reruns}


def test_without_the_prefix_it_plans_the_same_jobs_in_results(importer, workflow):
    planned = importer.jobs()
    assert planned == alone(importer, workflow)
    importer.replace('    prefix:\n        "study"\n', "")
    importer.replace("study/", "")
    assert importer.jobs() == planned
    assert "output: results/report.html" in importer.snakemake("--dry-run").stdout


def test_our_keys_are_checked_and_others_are_not(importer):
    importer.set("lab", {"training": "anything"})
    importer.set("tsne.perplexty", 3)
    refused = importer.snakemake("--dry-run", check=False)
    assert refused.returncode == 1
    assert 'config: tsne.perplexty: unknown key; did you mean "perplexity"?' in refused.stdout
    assert "Traceback" not in refused.stdout
    del importer.config["tsne"]["perplexty"]
    assert importer.jobs()


def test_a_section_of_the_config_will_do_and_so_will_none(importer, workflow):
    importer.replace("        config\n", '        config["scae"]\n')
    importer.config = {"scae": importer.config}
    assert importer.jobs() == alone(importer, workflow, importer.config["scae"])
    importer.replace('    config:\n        config["scae"]\n', "")
    importer.config = {}
    assert {job for job in importer.jobs() if job[0] == "fetch_counts"} == {("fetch_counts", ("pbmc68k_reduced",))}


def test_a_rule_of_the_importer_may_make_the_source(importer):
    counts = "study/results/mine/counts.h5ad"
    importer.path("mine.h5ad").rename(importer.path("raw.h5ad"))
    assert "mine.h5ad" in importer.snakemake(counts, "--dry-run", check=False).stdout
    with (importer.workflow / "Snakefile").open("a", encoding="utf-8") as snakefile:
        snakefile.write(MAKE_SOURCE)
    importer.run(counts)
    assert importer.jobs(counts) == set()
    toy_cells()[:80].write_h5ad(importer.path("raw.h5ad"))
    assert importer.jobs(counts) == {("make_source", ()), ("fetch_counts", ("mine",))}
    importer.run(counts)
    assert importer.jobs(counts) == set()


@pytest.fixture(scope="module")
def tagged(tmp_path_factory, workflow):
    """Folder with a repository owner/scae of the workflow and a tag, nothing of it checked out."""
    hub = tmp_path_factory.mktemp("hub")
    repository = hub / "owner/scae"
    subprocess.run(["git", "init", "-q", str(repository)], check=True)
    git = ["git", f"--git-dir={repository}/.git", f"--work-tree={workflow}"]
    for command in (["add", "--all"], ["commit", "-q", "-m", "all"], ["tag", "v1.0"]):
        subprocess.run([*git, *command], cwd=workflow, env=os.environ | IDENTITY, check=True)
    return hub


def test_a_tag_of_a_repository_runs(importer, tagged):
    importer.replace('"scae/Snakefile"', f'gitfile("{tagged}/owner/scae", path="workflow/Snakefile", tag="v1.0")')
    (importer.workflow / "scae").unlink()
    importer.run("study/results/mine/labels.csv")
    assert importer.path("study/results/mine/labels.csv").read_text().startswith("cell,label")
    assert importer.jobs("study/results/mine/labels.csv") == set()


def test_a_tag_on_github_plans(importer, tagged, tmp_path):
    """git is told that GitHub is a folder, so that this needs no network."""
    importer.replace('"scae/Snakefile"', 'github("owner/scae", path="workflow/Snakefile", tag="v1.0")')
    (importer.workflow / "scae").unlink()
    importer.warm = None
    importer.environment = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{tagged}/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    output = importer.snakemake("--dry-run").stdout
    assert {"scae_fetch_counts", "scae_train_model", "scae_write_report", "best"} <= set(
        re.findall(r"rule (\w+):", output)
    )


def test_the_thin_snakefile_runs_what_the_one_above_it_runs(empty):
    planned = empty.planned()
    empty.workflow = empty.workflow / "workflow"
    assert empty.planned() == planned
