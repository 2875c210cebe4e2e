"""The rerun contract: a change reruns exactly the jobs of its row, and what does not rerun would come out the same.

Plans are Snakemake's own. Those of the rows are made on runs whose jobs only pretend (warm.py).
"""

import pytest
import yaml
from rerun_contract import BASES, FRESH, ROWS, configure, write_data
from workflow_project import REPOSITORY, TOY_CONFIG, Project, comparable

from scae.config import loader
from scae.jobs import code_digest

ALL = [row for rows in ROWS.values() for row in rows]


@pytest.fixture(scope="session")
def pretended(made_once, warm, workflow, tmp_path_factory):
    """Function: the run of a base whose jobs only pretended, as a copy of this worker alone."""
    copies = {}

    def base(name):
        def make(folder):
            project = Project.create(folder, workflow, warm=warm, environment={"PRETEND": "1"})
            configure(project, name)
            write_data(project)
            project.run()

        if name not in copies:
            made = Project(made_once(f"pretended_{name}", make), TOY_CONFIG, workflow, warm=warm)
            copies[name] = made.copy(tmp_path_factory.mktemp("pretended") / name)
            configure(copies[name], name)
        return copies[name]

    return base


def assert_reruns(row, project):
    """Check that the jobs of a row are planned, with all that use their files; returns the plan."""
    plan = project.plan(options=("--cores", 2, *row.options))
    assert plan.tops == row.expected(plan.jobs)
    assert plan.planned == plan.below(plan.tops)
    return plan


@pytest.mark.parametrize("row", ALL, ids=lambda row: row.text.replace("`", ""))
def test_row(row, pretended, tmp_path):
    if row.changes_files:
        project = row.applied(pretended(row.base), tmp_path / "project")
    else:
        project = pretended(row.base).again()
        row.apply(project)
    assert_reruns(row, project)


@pytest.mark.parametrize("row", FRESH, ids=lambda row: row.text.replace("`", ""))
def test_what_does_not_rerun_has_the_same_bytes_in_a_run_from_nothing(row, request, warm, tmp_path):
    base = request.getfixturevalue("everything" if row.base == "everything" else "finished")
    project = row.applied(base, tmp_path / "changed")
    project.warm = warm
    plan = assert_reruns(row, project)
    fresh = project.fresh(tmp_path / "fresh")
    kept = plan.files(plan.jobs.keys() - plan.planned)
    fresh.snakemake(*([] if row.all or not plan.planned else kept), "--cores", 2, *row.options)
    before, after = comparable(base), comparable(fresh)
    kept = [file for file in kept if file in before]
    assert len(kept) >= 4
    assert [file for file in kept if before[file] != after[file]] == []
    if row.all:
        project.snakemake("--cores", 2, *row.options)
        assert comparable(project).items() >= after.items()


@pytest.mark.parametrize("run", ["finished", "everything"])
def test_the_digest_of_a_job_is_of_every_module_that_it_loads(run, request, noted):
    def is_left_out(module):
        return any(f"{module}.".startswith(f"{name}.") for name in code_digest.LEFT_OUT)

    folder = request.getfixturevalue(run).folder
    for job in noted(run):
        script, *modules = job["code"]
        modules = [str(folder / name) if name.endswith(".py") else name for name in modules]
        paths = [path for path in code_digest.files(script, *modules) if not path.is_relative_to(folder)]
        places = [path.relative_to(code_digest.SCRIPTS).with_suffix("") for path in paths]
        digested = {".".join(place.parts).removesuffix(".__init__") for place in places}
        loaded = {module for module in job["modules"] if module.partition(".")[0] == "scae"}
        assert loaded > {"scae", "scae.jobs.runtime"}
        assert {module for module in loaded - digested if not is_left_out(module)} == set(), job["rule"]
        assert {module for module in digested if is_left_out(module)} == set()


def test_code_of_a_model_reaches_its_latents_even_if_the_run_is_interrupted_after_training(edited):
    """An edit of how a model embeds leaves its weights the same."""
    path = edited.workflow / "scripts/scae/models/beta_vsc.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("else gamma * mu", "else gamma * mu + 1"), encoding="utf-8")
    edited.run("results/toy/beta_vsc/seed0/model.pt")
    assert edited.planned("embed_cells") == {("toy", "beta_vsc", "0")}


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

    return {key.removeprefix(".") for key in leaves("", schema)}


def test_every_key_of_the_config_has_a_row():
    texts = [row.text for row in ALL]
    assert {
        key for key in schema_keys() if not any(f"`{key}`" in text or f"`{key}.`" in text for text in texts)
    } == set()
    assert len(set(texts)) == len(texts)
    assert {row.base for row in [*ALL, *FRESH]} - {"finished"} == BASES.keys()
