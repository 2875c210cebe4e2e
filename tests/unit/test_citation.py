"""How to cite the project, and what the platform and pre-commit are told, agree with the project itself."""

import subprocess
import tomllib

import pytest
import yaml
from places import ROOT

HOOKS = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
FORMS = sorted(path for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")


def test_citation_is_of_this_version_under_this_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = {"cff-version", "message", "title", "authors"}  # of the format
    optional = {"type", "abstract", "version", "license", "keywords"}
    assert required <= set(citation) <= required | optional
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert [set(author) for author in citation["authors"]] == [{"name"}]
    assert (str(citation["version"]), citation["license"]) == (project["version"], project["license"])
    assert citation["license"] in (ROOT / "LICENSE").read_text()


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_a_form_for_issues_asks_each_thing_once(form):
    content = yaml.safe_load(form.read_text())
    assert content.keys() >= {"name", "description", "body"}
    questions = [part for part in content["body"] if part["type"] != "markdown"]
    assert all(part["attributes"]["label"] for part in questions)
    assert len({part["id"] for part in questions}) == len(questions) > 0


def test_hooks_fetch_nothing_and_run_what_make_lint_runs():
    assert [repository["repo"] for repository in HOOKS] == ["local"]
    hooks = {hook["id"]: hook["entry"] for hook in HOOKS[0]["hooks"]}
    lint = subprocess.run(["make", "--dry-run", "lint"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name, command in (("ruff", "ruff check"), ("ruff-format", "ruff format"), ("snakefmt", "snakefmt")):
        assert hooks[name].startswith(f".venv/bin/{command}")
        assert f".venv/bin/{command}" in lint
