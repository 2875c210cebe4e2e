"""What holds for every rule and no tool checks, read from Snakemake's own rule objects."""

import re
import subprocess
import zipfile
from pathlib import Path

import pytest
import yaml
from workflow_project import REPOSITORY, Project

DERIVED = {"label_additional_set": "label_cells", "project_tsne_2d": "project_tsne"}  # by `use rule … with`


@pytest.fixture(scope="module")
def rules(workflow, warm, tmp_path_factory):
    """{name: what Snakemake knows about it} of every rule with a job."""
    return Project.create(tmp_path_factory.mktemp("rules") / "project", workflow, warm=warm).plan().rules


def test_a_rule_and_its_script_share_a_name(rules):
    """Snakemake itself would not notice a `script:` that is another rule's."""
    assert {name: rule["script"] for name, rule in rules.items()} == {
        name: f"../scripts/{DERIVED.get(name, name)}.py" for name in rules
    }
    scripts = {path.stem for path in (REPOSITORY / "scripts").glob("*.py")}
    assert scripts == rules.keys() - DERIVED.keys()


def test_log_and_benchmark_are_named_after_the_rule(rules):
    for name, rule in rules.items():
        assert [log.split("/")[:3] for log in rule["log"]] == [["results", "logs", name]]
        assert name in ("check", "choose") or rule["benchmark"].startswith(f"results/benchmarks/{name}/")


def test_every_rule_carries_a_code_digest_and_asks_for_memory_and_time(rules):
    """The default profile ignores the time of a script, so a rule without a digest would never rerun for its code."""
    for name, rule in rules.items():
        assert "code" in rule["params"], name
        assert {"mem_mb", "runtime"} <= set(rule["resources"]), name
        assert rule["docstring"], name
        assert Path(REPOSITORY, "rules", rule["conda"]).is_file(), name


def test_an_input_is_named_after_its_file(rules):
    """Snakemake compares inputs as a set, so it would not notice two that are swapped."""
    for name, rule in rules.items():
        for key, path in rule["named_input"].items():
            stems = {Path(one).name.partition(".")[0] for one in path.split() if "/" in one}
            assert not stems or any(stem in key or key in stem for stem in stems), (name, key, path)


def test_a_script_first_imports_what_ends_it_with_snakemake():
    """That module also has all code loaded from its files; everything slow is imported after it."""
    for path in (REPOSITORY / "scripts").glob("*.py"):
        first = next(line for line in path.read_text().splitlines() if line.startswith(("import", "from")))
        assert first == "import scae.jobs.runtime as runtime", path


def test_environment_files_are_closed():
    for path in (REPOSITORY / "envs").glob("*.yaml"):
        assert yaml.safe_load(path.read_text())["channels"] == ["conda-forge", "nodefaults"]


def test_report_of_snakemake_holds_pages_with_captions_and_categories(project, bare_python):
    project.warm, project.python = None, bare_python  # as after `make run`, without the packages of the tests
    project.snakemake("--report", "out.zip")
    with zipfile.ZipFile(project.path("out.zip")) as archive:
        text = "".join(archive.read(name).decode() for name in archive.namelist() if name.endswith((".html", ".js")))
        files = {name.rpartition("/")[2] for name in archive.namelist() if "/data/" in f"/{name}"}
    assert {"report.html", "heatmap.png"} <= files
    assert all(f'"{category}"' in text for category in ("1. Report", "2. Scores", "3. Training times"))
    text = " ".join(text.replace("\\n", " ").split())
    for caption in sorted((REPOSITORY / "rules/captions").glob("*.rst")):
        fragments = re.split(r"\{\{.*?\}\}|``|[*]|\n\n|[^\x00-\x7f]", caption.read_text(encoding="utf-8"))
        assert " ".join(max(fragments, key=len).split()) in text, caption.name


def test_bare_python_has_requirements_alone(bare_python):
    wanted = {"torch": True, "pytest": False, "ruff": False}
    statement = "import importlib.util as u, sys; print([u.find_spec(name) is not None for name in sys.argv[1:]])"
    done = subprocess.run([bare_python, "-c", statement, *wanted], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str([*wanted.values()])
