"""The conda environments, requirements.txt and the imports of the scripts agree."""

import ast
import re
import runpy
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions

import pytest
import yaml
from places import ROOT
from rattler import MatchSpec, Version, VersionSpec

from scae.jobs import code_digest
from scae.models import registry
from scae.sources import formats

CONDA_NAMES = {"igraph": "python-igraph", "matplotlib": "matplotlib-base", "torch": "pytorch"}
# Packages that a script needs without importing them itself
INDIRECT = {
    "scanpy.yaml": {"scikit-misc", "numcodecs"}
}  # of scanpy's variable genes; of zarr, whose codecs read the data
REQUIREMENTS = ("requirements.txt", "requirements-scvi.txt")
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
MODEL_FILES = [registry.find(kind) for kind in registry.kinds()]
OWN = [file.module for file in MODEL_FILES if file.trained and not file.external]
LOADED = {  # modules that a script loads by name
    "fetch_counts": [formats.CONTAINERS, *formats.READERS.values()],
    "check": [formats.CONTAINERS, *formats.READERS.values()],
    **dict.fromkeys(("train_model", "embed_cells"), OWN),
    "diagnose_latents": [*OWN, "scae.evaluation.inspection"],
    "represent_cells": [file.module for file in MODEL_FILES if not file.trained],
    "fit_external": [file.module for file in MODEL_FILES if file.external],
}
OUTSIDE = {"scae", "snakemake"}  # snakemake: only imported where Snakemake itself runs
DISTRIBUTIONS = packages_distributions()


def pins():
    """{package: version} of the direct requirements, by conda name."""
    lines = [line for file in REQUIREMENTS for line in (ROOT / file).read_text().splitlines()]
    found = dict(line.lower().split("==") for line in lines if "==" in line)
    return {CONDA_NAMES.get(name, name): version for name, version in found.items()}


def specs(environment):
    dependencies = [MatchSpec(text, strict=True) for text in yaml.safe_load(environment.read_text())["dependencies"]]
    return {spec.name.normalized: VersionSpec(spec.version) for spec in dependencies}


def scripts_by_environment():
    """{environment: its scripts} as the rules pair them."""
    pairs = {}
    for rules in sorted((ROOT / "rules").glob("*.smk")):
        rule = r'conda:\s+"\.\./envs/(\S+)"(?:(?!\nrule ).)*?script:\s+"\.\./scripts/(\S+)\.py"'
        for environment, script in re.findall(rule, rules.read_text(), re.DOTALL):
            pairs.setdefault(environment, set()).add(script)
    return pairs


def imported_packages(script):
    """Packages, by conda name, that a script and all it imports from scripts/ need."""
    names = set()
    for file in code_digest.files(script, *LOADED.get(script, ())):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module.split(".")[0])
    names = {DISTRIBUTIONS.get(name, [name])[0].lower() for name in names - set(sys.stdlib_module_names) - OUTSIDE}
    return {CONDA_NAMES.get(name, {"scvi": "scvi-tools"}.get(name, name)) for name in names}


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.name)
def test_an_environment_has_the_pins_of_requirements_from_conda_forge(environment):
    assert yaml.safe_load(environment.read_text())["channels"] == ["conda-forge", "nodefaults"]
    for name, spec in specs(environment).items():
        if name == "python":
            assert spec.matches(Version("3.11.9"))
            continue
        version = Version(pins()[name])
        assert spec.matches(version), f"{name}: {spec} is not {version}"
        assert not spec.matches(version.bump_last()), f"{name}: {spec} is not an exact pin"


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda path: path.name)
def test_an_environment_has_what_its_scripts_import(environment):
    needed = set(INDIRECT.get(environment.name, ()))
    for script in scripts_by_environment()[environment.name]:
        needed |= imported_packages(script)
    assert needed <= set(specs(environment))
    assert set(specs(environment)) - needed <= {"python", "numpy", "scipy"}  # numpy and scipy decide the last digits


def test_every_script_has_an_environment():
    scripts = {path.stem for path in (ROOT / "scripts").glob("*.py")}
    assert set().union(*scripts_by_environment().values()) == scripts


@pytest.mark.parametrize("file", [*REQUIREMENTS, "requirements-dev.txt", "constraints.txt"])
def test_every_requirement_is_pinned(file):
    lines = [line for line in (ROOT / file).read_text().splitlines() if line and not line.startswith(("#", "-"))]
    assert lines
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][A-Za-z0-9.]*", line) for line in lines)


def test_pip_installs_the_library_with_its_templates(tmp_path):
    pytest.importorskip("setuptools")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=ignored)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-build-isolation",
        "--no-deps",
        "--no-index",
        "-w",
        "built",
        ".",
    ]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    [wheel] = (tmp_path / "built").glob("scae-*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    library = tmp_path / "scripts/scae"
    files = {path.relative_to(library.parent).as_posix() for path in library.rglob("*") if path.is_file()}
    assert packed == files
    assert any(name.endswith(".j2") for name in packed)


def test_the_readme_of_the_config_is_up_to_date():
    tool = runpy.run_path(str(ROOT / "tools/config_table.py"))
    assert tool["page"]() == (ROOT / "config/README.md").read_text(encoding="utf-8"), "run `make docs`"
