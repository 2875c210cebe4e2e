"""The conda environments, requirements.txt and the imports of the scripts agree."""

import ast
import re
import sys

import pytest
import yaml
from places import ROOT
from rattler import MatchSpec, Version, VersionSpec

from scae.jobs import code_digest
from scae.models import registry

CONDA_NAMES = {"igraph": "python-igraph", "matplotlib": "matplotlib-base", "opentsne": "opentsne", "torch": "pytorch"}
PACKAGE_OF_IMPORT = {
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "skmisc": "scikit-misc",
    "yaml": "pyyaml",
    "openTSNE": "opentsne",
    "scvi": "scvi-tools",
}
# Packages that a script needs without importing them itself
BEHIND_THE_SCENES = {"scanpy.yaml": {"scikit-misc"}}  # scanpy's variable genes

REQUIREMENTS = ("requirements.txt", "requirements-scvi.txt")
# Pages that a script loads by name
LOADS = {
    **dict.fromkeys(("train_model", "embed_cells", "check_latents"), lambda page: page.trained and not page.external),
    "represent_cells": lambda page: not page.trained,
    "fit_counts": lambda page: page.external,
}


def pins():
    """{package: version} of the direct requirements, by conda name."""
    lines = [line for file in REQUIREMENTS for line in (ROOT / file).read_text().splitlines()]
    found = dict(line.lower().split("==") for line in lines if "==" in line)
    return {CONDA_NAMES.get(name, name): version for name, version in found.items()}


def environments():
    return sorted((ROOT / "envs").glob("*.yaml"))


def specs(environment):
    dependencies = yaml.safe_load(environment.read_text())["dependencies"]
    return {
        spec.name.normalized: VersionSpec(spec.version)
        for spec in (MatchSpec(text, strict=True) for text in dependencies)
    }


def scripts_by_environment():
    """{environment: its scripts} as the rules pair them."""
    pairs = {}
    for rules in sorted((ROOT / "rules").glob("*.smk")):
        rule = r'conda:\s+"\.\./envs/(\S+)"(?:(?!\nrule ).)*?script:\s+"\.\./scripts/(\S+)\.py"'
        found = re.findall(rule, rules.read_text(), re.DOTALL)
        for environment, script in found:
            pairs.setdefault(environment, set()).add(script)
    return pairs


def imported_packages(script):
    """Packages from outside that a script and all it imports from scripts/ need."""
    loaded = filter(LOADS[script], map(registry.find, registry.kinds())) if script in LOADS else ()
    files = code_digest.files(script, *(page.module for page in loaded))
    names = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module.split(".")[0])
    names -= set(sys.stdlib_module_names) | {"scae"}
    return {CONDA_NAMES.get(name, PACKAGE_OF_IMPORT.get(name, name)).lower() for name in names}


@pytest.mark.parametrize("environment", environments(), ids=lambda path: path.name)
def test_channels_are_conda_forge_alone(environment):
    assert yaml.safe_load(environment.read_text())["channels"] == ["conda-forge", "nodefaults"]


@pytest.mark.parametrize("environment", environments(), ids=lambda path: path.name)
def test_pins_equal_requirements(environment):
    for name, spec in specs(environment).items():
        if name == "python":
            assert spec.matches(Version("3.11.9"))
            continue
        version = Version(pins()[name])
        assert spec.matches(version), f"{name}: {spec} is not {version}"
        assert not spec.matches(version.bump_last()), f"{name}: {spec} is not an exact pin"


@pytest.mark.parametrize("environment", environments(), ids=lambda path: path.name)
def test_environment_has_what_its_scripts_import(environment):
    needed = set(BEHIND_THE_SCENES.get(environment.name, ()))
    for script in scripts_by_environment()[environment.name]:
        needed |= imported_packages(script)
    assert needed <= set(specs(environment))
    assert set(specs(environment)) - needed <= {"python", "numpy", "scipy"}  # numpy and scipy decide the last digits


def test_every_rule_with_a_script_is_paired_with_an_environment():
    scripts = {path.stem for path in (ROOT / "scripts").glob("*.py")}
    assert set().union(*scripts_by_environment().values()) == scripts


def test_an_inexact_spec_is_told_from_a_pin():
    assert VersionSpec(">=1.0").matches(Version("1.1"))
    assert not VersionSpec("==1.0").matches(Version("1.1"))


@pytest.mark.parametrize("file", [*REQUIREMENTS, "requirements-dev.txt", "constraints.txt"])
def test_every_requirement_is_pinned(file):
    lines = [line for line in (ROOT / file).read_text().splitlines() if line and not line.startswith(("#", "-"))]
    assert lines
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][A-Za-z0-9.]*", line) for line in lines)


def test_config_readme_is_made_from_the_schema(capsys):
    import runpy

    runpy.run_path(str(ROOT / "tools/config_table.py"))
    assert capsys.readouterr().out == (ROOT / "config/README.md").read_text(), "run `make docs`"
