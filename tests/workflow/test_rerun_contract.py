"""The rerun contract: what a change plans is exact, and what it does not plan would come out the same.

Each row of rerun_contract.yaml is a change of a finished run. Three things are checked: Snakemake plans exactly the
jobs of the row; running the first of them gives other bytes (or the row says why not); and making all the other files
afresh, from nothing and with the change in place, gives the bytes that were there. Rows after which the same jobs run
again are made afresh together, in one run with all their changes; where these are of the config or of files it goes to
the end.
"""

import hashlib
import importlib.util
import io
import itertools
import json
import os
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from rerun_contract import BASES, ROWS, RULES, all_jobs, makes, together, tops
from workflow_project import REPOSITORY, TOY_CONFIG, Project, toy_cells

from scae.config import loader

FLAT = [row for rows in ROWS.values() for row in rows]


@pytest.fixture(scope="session")
def base(warm, workflow, made_once):
    """Function: the finished run of a name, made when it is first asked for; shared, so never change it."""

    def finished(name):
        if name == "peers":
            pytest.importorskip("scvi")

        def configured(project):
            for key, value in (BASES["small"] | BASES[name]).items():
                project.set(key, value)
            return project

        def make(folder):
            project = configured(Project.create(folder, workflow, warm=warm))
            write_data(project)
            project.run()

        return configured(Project(made_once(f"base_{name}", make), TOY_CONFIG, workflow, warm=warm))

    return finished


def write_data(project):
    """The sources and label files that the rows speak of."""
    cells = toy_cells()
    cells.obs["lane"] = [f"lane {number % 4}" for number in range(cells.n_obs)]
    cells.var["genome"] = np.where(np.arange(cells.n_vars) < 50, "hg19", "mm10")
    cells.var["long_name"] = [f"long {name}" for name in cells.var_names]
    cells.obs["partial"] = ["NA" if number % 9 == 4 else name for number, name in enumerate(cells.obs["cell_type"])]
    cells.layers["spliced"] = cells.X.tocsr()[::-1].copy()
    cells.write_h5ad(project.path("toy.h5ad"))
    cells.write_h5ad(project.path("copy.h5ad"))
    cells[:80].write_h5ad(project.path("other.h5ad"))
    cells[:40, :50].write_h5ad(project.path("fewer.h5ad"))
    project.path("samples.csv").write_text("sample,path\ntwo,fewer.h5ad\none,toy.h5ad\nthree,other.h5ad\n")
    cells.uns["more"] = list(range(200_000))
    cells.write_h5ad(project.path("large.h5ad"))
    project.path("genes.txt").write_text("MT-CO1\nMT-ND1\n")
    project.path("other_genes.txt").write_text("GENE1\n")
    for name, genes in (("sets.gmt", range(15)), ("other.gmt", range(15, 30))):
        project.path(name).write_text("\t".join(["a set", "toy", *(f"GENE{number}" for number in genes)]))
    for name, column in (("types.csv", "cell_type"), ("donors.csv", "donor")):
        table = cells.obs[column].rename("label").rename_axis("cell").to_frame()
        table.assign(more=cells.obs["donor"], same=table.index).to_csv(project.path(name))
    for name, key in (("table.csv", "X_given"), ("copy.csv", "X_given"), ("other.tsv", "X_other")):
        table = pd.DataFrame(cells.obsm[key], cells.obs_names).rename_axis("cell")
        table.to_csv(project.path(name), sep="\t" if name.endswith(".tsv") else ",")
    shutil.copy(REPOSITORY / "scripts/scae/models/dae.py", project.path("my_model.py"))


# What a row does that is neither a key nor an edit


LONG_AGO = (1_000_000_000, 1_000_000_000)


def state_sha256(project):
    source = project.path(project.config["datasets"]["toy"]["source"])
    project.set("datasets.toy.sha256", hashlib.sha256(source.read_bytes()).hexdigest())


def reverse_keys(project):
    def backwards(value):
        return {key: backwards(value[key]) for key in reversed(value)} if isinstance(value, dict) else value

    project.config = backwards(project.config)


def write_exponent(project):
    project.folder.joinpath("rate.yaml").write_text("training: {learning_rate: 1.0e-3}\n")
    project.configfiles.append(project.path("rate.yaml"))


def drop_defaults(project):
    del project.config["models"]["beta_vae"]["beta"], project.config["models"]["beta_vsc"]["c"]


def write_json(project):
    project.path("overlay.json").write_text(json.dumps(project.config))
    project.config, project.configfiles = None, [project.path("overlay.json")]


def new_kind(project):
    pages = project.workflow / "scripts/scae/models"
    shutil.copy(pages / "dae.py", pages / "another.py")


def remark(project):
    for path in (project.workflow / "scripts").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        text = re.sub(r'"""(?=\w)', '"""Said otherwise: ', text)
        path.write_text(f"# a remark\n\n\n{text}\n# another\n", encoding="utf-8")


def touch_workflow(project):
    for path in project.workflow.rglob("*"):
        path.touch()


def old_time(project):
    os.utime(project.workflow / "scripts/plot_losses.py", LONG_AGO)


def own_profile(project):
    project.path("own").mkdir()
    triggers = yaml.safe_load((project.workflow / "profiles/default/config.yaml").read_text())["rerun-triggers"]
    project.path("own/config.yaml").write_text(yaml.safe_dump({"rerun-triggers": triggers, "latency-wait": 9}))


def touch_source(project):
    project.path("toy.h5ad").touch()


def touch_large_source(project):
    assert project.path("large.h5ad").stat().st_size > 1_000_000
    project.path("large.h5ad").touch()


def rewrite_source(project):
    project.path("toy.h5ad").write_bytes(project.path("toy.h5ad").read_bytes())


def change_source(project):
    toy_cells()[:, ::-1].write_h5ad(project.path("toy.h5ad"))


def change_source_and_set_back(project):
    change_source(project)
    os.utime(project.path("toy.h5ad"), LONG_AGO)


def touch_labels(project):
    project.path("types.csv").touch()


def change_labels(project):
    path = project.path("types.csv")
    path.write_text(path.read_text().replace("Monocyte", "Dendritic"))


def change_labels_and_set_back(project):
    change_labels(project)
    os.utime(project.path("types.csv"), LONG_AGO)


def touch_genes(project):
    project.path("genes.txt").touch()


def change_genes(project):
    project.path("genes.txt").write_text("MT-CO1\n")


def touch_gene_sets(project):
    project.path("sets.gmt").touch()


def change_gene_sets_and_set_back(project):
    shutil.copy(project.path("other.gmt"), project.path("sets.gmt"))
    os.utime(project.path("sets.gmt"), LONG_AGO)


def touch_table(project):
    project.path("table.csv").touch()


def change_table_and_set_back(project):
    pd.read_csv(project.path("table.csv"), index_col=0).mul(2).to_csv(project.path("table.csv"))
    os.utime(project.path("table.csv"), LONG_AGO)


def edit_page(project):
    edit(project.path("my_model.py"), "F.relu(self.code", "F.elu(self.code")


def edit_page_and_set_back(project):
    edit_page(project)
    os.utime(project.path("my_model.py"), LONG_AGO)


def comment_page(project):
    edit(project.path("my_model.py"), "", "# a remark")


def touch_result(project):
    project.path("results/toy/expression.h5ad").touch()


def forget(project):
    shutil.rmtree(project.path(".snakemake"))


def damage_memory(project):
    records = [path for path in project.path(".snakemake/metadata").rglob("*") if path.is_file()]
    for path, size in zip(records, itertools.cycle([0, 1, 100])):
        os.truncate(path, size)


def forget_and_change_source(project):
    forget(project)
    change_source_and_set_back(project)


def forget_logs(project):
    forget(project)
    shutil.rmtree(project.path("results/logs"))


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path.name} has changed; the row must edit something else"
    path.write_text(text.replace(old, new, 1) if old else f"{text}\n{new}\n", encoding="utf-8")


def apply(row, project):
    for key, value in row.set.items():
        project.set(key, value)
    for file, (old, new) in row.edit.items():
        edit(project.workflow / file, old, new)
    if row.do:
        globals()[row.do](project)


# In the report: durations, and the software that the jobs had loaded
OF_THE_RUN = (
    rb"<span>Training times</span>.*?</table>"
    rb'|<section aria-labelledby="software">.*?</section>|Software: [^<]*'
)


def content(project, path):
    """Content of a result without durations, which differ at each run, and what a warm process has loaded beside."""
    found = project.path(path).read_bytes()
    if path.endswith(("/timing.csv", "/training_times.csv")):
        return pd.read_csv(io.BytesIO(found)).drop(columns=["seconds", "cells_per_second"]).to_csv()
    if path.endswith("/report.html"):
        return re.sub(OF_THE_RUN, b"", found, flags=re.DOTALL)
    return found


def paths_of(jobs):
    """Files that jobs make."""
    return [path for job in sorted(jobs) for path in makes(job)]


def changed(paths, ours, theirs):
    """The files whose content differs between two projects."""
    return [path for path in paths if content(ours, path) != content(theirs, path)]


def test_a_warm_run_has_the_bytes_of_an_ordinary_one(finished, warm, workflow, tmp_path):
    """Otherwise the rows would say nothing about Snakemake as it is used."""
    project = Project.create(tmp_path / "project", workflow, finished.config, warm=warm)
    project.run()
    paths = [path for job in all_jobs(finished.config["run"]) for path in makes(job)]
    assert len(paths) > 40
    assert changed(paths, project, finished) == []


@pytest.mark.parametrize("row", FLAT, ids=lambda row: row.text.replace("`", ""))
def test_row(row, base, tmp_path):
    before = base(row.base)
    project = before.copy(tmp_path / "changed", own_workflow=True)
    apply(row, project)
    options = ("--cores", 2, *row.options)

    jobs, again = row.jobs, row.again
    plan = project.planned(options=options)
    assert {(rule, wildcards) for rule, found in plan.items() for wildcards in found} == again

    if again:
        first = tops(again, jobs)
        rules = sorted({rule for rule, _ in first})
        # with --until Snakemake would stop half way (its issue 823)
        nested = any(reader in rules for rule in rules for reader in RULES[rule]["feeds"])
        project.snakemake(*(paths_of(first) if nested else ["--until", *rules]), *options)
        known = {job for job in first if before.path(makes(job)[0]).exists()}
        assert {job for job in known if not changed(makes(job), project, before)} == (known if row.same else set())


TOGETHER = together(FLAT)


@pytest.mark.parametrize("rows", TOGETHER, ids=lambda rows: f"{rows[0].text}, {len(rows)} in all".replace("`", ""))
def test_rows_that_run_the_same_again_leave_the_rest_as_it_was(rows, base, tmp_path):
    before = base(rows[0].base)
    project = before.copy(tmp_path / "changed", own_workflow=True)
    for row in sorted(rows, key=lambda row: bool(row.do)):
        apply(row, project)
    fresh = Project(tmp_path / "fresh", project.config, project.workflow, project.configfiles, warm=project.warm)
    shutil.copytree(project.folder, fresh.folder, ignore=shutil.ignore_patterns("results", ".snakemake", "workflow"))

    jobs, again = rows[0].jobs, rows[0].again
    others = paths_of(jobs - again)
    targets = others if again and rows[0].edit else ["all"]
    if targets:
        fresh.snakemake(*targets, "--cores", 2, *(option for row in rows for option in row.options))
    assert changed(others, fresh, before) == [], [row.text for row in rows]


def test_every_row_is_made_afresh():
    assert sorted(row.text for rows in TOGETHER for row in rows) == sorted(row.text for row in FLAT)


def schema_keys():
    """Every key of the config, as the table names it; a hyperparameter with the kind as the name of the model."""
    schema = loader.with_parts(yaml.safe_load((REPOSITORY / "config/schema.yaml").read_text()))

    def leaves(key, entry):
        properties = {name: below for name, below in entry.get("properties", {}).items() if isinstance(below, dict)}
        for name, below in properties.items():
            yield from leaves(f"{key}.{name}", below)
        for case in entry.get("allOf", ()):
            [choice] = case["if"]["properties"].values()
            for name, below in case["then"]["properties"].items():
                if isinstance(below, dict):
                    yield (f"{key}.{name}" if "labels" in key else f".models.{choice['const']}.{name}")
        named = entry.get("additionalProperties")
        if key in (".datasets", ".models"):
            yield from leaves(f"{key}.<name>", named)
        elif not properties:
            yield key

    return sorted({key.removeprefix(".") for key in leaves("", schema)})


@pytest.mark.parametrize("key", schema_keys())
def test_every_key_of_the_config_has_a_row(key):
    assert [row for row in FLAT if f"`{key}`" in row.text or f"`{key}.`" in row.text]


@pytest.mark.parametrize(
    "file",
    sorted(
        str(path.relative_to(REPOSITORY)) for kind in ("py", "j2") for path in REPOSITORY.glob(f"scripts/**/*.{kind}")
    ),
)
def test_every_script_and_module_has_a_row(file):
    assert [row for row in FLAT if file in row.edit]


def test_rows_have_names_of_their_own():
    assert len({row.text for row in FLAT}) == len(FLAT) >= 40


def test_the_docs_have_the_table():
    spec = importlib.util.spec_from_file_location("rerun_table", REPOSITORY / "tools/rerun_table.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    page = (REPOSITORY / "docs/reruns.md").read_text(encoding="utf-8")
    assert tool.with_table(page) == page, "run `make docs`"
