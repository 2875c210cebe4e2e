"""Each row of tests/bad_inputs/cases.yaml stops with its line, leaves nothing half done and nothing lost.

The config goes through Snakemake case by case, the files all in one run, in which each is a data set: what one of them
does to the others would be seen too. A job may take 6 GB of memory, so that no file can harm the machine.
"""

import copy
import re
import runpy
import shutil

import files
import pytest
from rerun_contract import RULES
from server import serving
from table import CASES, comparable
from workflow_project import REPOSITORY, Project

from scae.errors import UserError
from scae.sources import download

JOB_BYTES = 6_000_000_000
SENTINELS = {
    "embeddings.h5ad": "of an earlier run",
    "export/labels.csv": "cell,label\n",
    "beta_vae/seed0/model.pt": "x",
}
FILE_KINDS = ("files", "values and names", "tables", "labels", "few cells")


def named(cases):
    return pytest.mark.parametrize("case", cases, ids=lambda case: case["case"])


@pytest.fixture(scope="module")
def config_project(tmp_path_factory, workflow, warm):
    project = Project.create(tmp_path_factory.mktemp("config") / "project", workflow, warm=warm)
    (project.path("results")).mkdir()
    (project.path("results/kept.txt")).write_text("of an earlier run")
    (project.path("empty_folder")).mkdir()
    return project


def refused(project, *arguments):
    """The only line that a refused config gives; checks that nothing else happened."""
    done = project.snakemake("--cores", 1, *arguments, check=False)
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip().startswith(("config: ", "--configfile"))]
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stdout
    assert "Select jobs to execute" not in done.stdout
    assert list(project.files()) == ["results/kept.txt"]
    assert len(lines) == 1, done.stdout
    return comparable(lines[0], project.folder)


@named(CASES["config"])
def test_config(case, config_project):
    project = config_project.again()
    for key, value in case.get("set", {}).items():
        project.set(key, value)
    assert refused(project, *case.get("arguments", [])) == case["line"]


@named(CASES["config files"])
def test_config_file(case, config_project):
    project = config_project.again()
    overlay = project.path("mine.yaml")
    overlay.unlink(missing_ok=True)
    if "text" in case:
        overlay.write_bytes(case["text"].encode(case.get("encoding", "utf-8")))
    project.config, project.configfiles = None, ["mine.yaml"]
    assert refused(project) == case["line"]


@named(CASES["server"])
def test_server(case, tmp_path, caplog):
    kept = tmp_path / "download/of_an_earlier_run.h5ad"
    kept.parent.mkdir()
    kept.write_text("good")
    digest = "0" * 64 if case.get("sha256") else None
    with serving(case["answers"]) as server, pytest.raises(UserError) as caught:
        download.fetch(server.url(case.get("path", "/counts.h5ad")), kept.parent, digest, wait_s=0)
    assert comparable(str(caught.value), tmp_path) == case["line"]
    assert "s3cret" not in caplog.text
    left = [path for path in kept.parent.rglob("*") if path.is_file() and path.suffix != ".part"]
    assert left == [kept]
    assert kept.read_text() == "good"


@pytest.fixture(scope="module")
def run_of_files(tmp_path_factory, workflow, warm):
    """One run in which every case is a data set: the project, what it said, and which data set is which case."""
    project = Project.create(tmp_path_factory.mktemp("files") / "project", workflow, warm=warm)
    toy = project.config["datasets"].pop("toy")
    names, targets = {}, []
    for kind in FILE_KINDS:
        for number, case in enumerate(CASES[kind]):
            name = f"{kind.replace(' ', '_')}-{number:02d}"
            names[kind, case["case"]] = name
            source, labels = project.path(f"{name}.{case.get('suffix', 'h5ad')}"), project.path(f"{name}.labels.csv")
            write(case, source)
            settings = copy.deepcopy(toy) | {"source": source.name}
            if "labels" in case:
                write(case["labels"], labels)
                settings["labels"] = {"from": "csv", "path": labels.name}
            project.config["datasets"][name] = settings
            for key, value in case.get("set", {}).items():
                project.set(f"datasets.{name}.{key}", value)
            output = next(path for path in RULES[case.get("rule", "fetch_counts")]["makes"])
            targets.append("results/" + output.format(dataset=name, model="dae", seed=0, dimensions=2))
            for path, content in SENTINELS.items():
                sentinel = project.path(f"results/{name}/{path}")
                sentinel.parent.mkdir(parents=True, exist_ok=True)
                sentinel.write_text(content)
    project.config["run"] = {"datasets": list(names.values()), "models": ["dae"], "seeds": [0]}
    warm.limit = JOB_BYTES
    done = project.snakemake("--cores", 2, "--keep-going", *targets, check=False)
    warm.limit = None
    yield project, done, names
    shutil.rmtree(project.folder)


def write(case, path):
    if "write" in case:
        getattr(files, case["write"])(path)
    else:
        path.write_bytes(case["text"].encode(case.get("encoding", "utf-8")))


@pytest.mark.parametrize(
    ("kind", "case"),
    [(kind, case) for kind in FILE_KINDS for case in CASES[kind]],
    ids=lambda part: part if isinstance(part, str) else part["case"],
)
def test_file(kind, case, run_of_files):
    project, done, names = run_of_files
    name, rule = names[kind, case["case"]], case.get("rule", "fetch_counts")
    said = re.findall(rf"^(\w+) dataset={name}(?: [^:]*)?: (.*)$", done.stdout, re.MULTILINE)
    lines = [comparable(line, project.folder).replace(name, "<name>") for failed, line in said if failed == rule]
    assert case["line"] in lines, said
    made = {path.removeprefix(f"results/{name}/") for path in project.files(f"results/{name}")}
    own = {path.removeprefix("{dataset}/").format(model="dae", seed=0, dimensions=2) for path in RULES[rule]["makes"]}
    assert not {path for path in made - set(SENTINELS) if path in own or "download" in path}
    for path, content in SENTINELS.items():
        assert project.path(f"results/{name}/{path}").read_text() == content
    logs = [path for path in project.path("results/logs").rglob("*.log") if name in str(path)]
    assert not any("Traceback" in path.read_text(encoding="utf-8") for path in logs)


def test_the_run_of_all_files_failed_without_a_traceback(run_of_files):
    _, done, _ = run_of_files
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    assert "unexpected" not in done.stdout


def test_there_are_enough_cases_and_each_has_a_line_of_its_own_kind():
    cases = [case for kind in CASES.values() for case in kind]
    assert len(cases) >= 80
    assert not [case["case"] for case in cases if "unexpected" in case["line"] or "\n" in case["line"]]
    for kind, of_kind in CASES.items():
        assert len({case["case"] for case in of_kind}) == len(of_kind), kind


def test_readme_is_made_from_the_table():
    tool = runpy.run_path(str(REPOSITORY / "tools/bad_inputs_table.py"))
    assert tool["PAGE"].read_text(encoding="utf-8") == tool["text"](), "run `make docs`"
