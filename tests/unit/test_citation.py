"""How to cite the project agrees with the project; issue forms and pre-commit hooks are valid."""

import subprocess
import tomllib

import yaml
from places import ROOT


def test_the_citation_is_of_this_version_and_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {"cff-version", "message", "title", "authors"} <= set(citation)  # required by the format
    assert (str(citation["version"]), citation["license"]) == (project["version"], project["license"])
    assert citation["license"] in (ROOT / "LICENSE").read_text()


def test_issue_forms_have_what_the_platform_requires():
    forms = [path for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config"]
    for form in forms:
        content = yaml.safe_load(form.read_text())
        assert content.keys() >= {"name", "description", "body"}
        questions = [part for part in content["body"] if part["type"] != "markdown"]
        assert all(part["attributes"]["label"] for part in questions)
        assert len({part["id"] for part in questions}) == len(questions) > 0
    assert forms


def test_hooks_fetch_nothing_and_run_the_commands_of_make_lint():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in hooks] == ["local"]
    entries = {hook["id"]: hook["entry"] for hook in hooks[0]["hooks"]}
    lint = subprocess.run(["make", "--dry-run", "lint"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name, command in (("ruff", "ruff check"), ("ruff-format", "ruff format"), ("snakefmt", "snakefmt")):
        assert entries[name].startswith(f".venv/bin/{command}")
        assert f".venv/bin/{command}" in lint
