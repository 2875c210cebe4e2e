"""Commands in the README and docs run and print what the text says; links lead somewhere."""

import os
import re
import shutil
import subprocess
import tomllib

import pytest
import yaml
from workflow_project import REPOSITORY, TOY_CONFIG, copy_workflow, toy_cells

DOCUMENTS = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")])
OTHERS = [REPOSITORY / name for name in ("CONTRIBUTING.md", "CHANGELOG.md")]
# Commands that run elsewhere; here their make targets must exist
RUN_ELSEWHERE = {
    r"make (run|test)": "continuous integration",
    r"make verify\b.*": "its own tests",
    r"snakemake --workflow-profile profiles/\S+": "make test-slurm, test_cluster_profiles.py",
    r"snakemake --cores 4 --sdm conda": "the conda job of .github/workflows/ci.yml",
    r"snakemake --report report.zip": "test_habits.py",
    r"source \.venv/bin/activate": "",
    r"python -c .*scanpy.*": "test_sources.py reads the same data set",
}
# What a plan or a command must print
PRINTED = {
    r"snakemake -n -q rules\b.*": r"train_model\s+\d+",
    r"snakemake data .*": "fetch_counts",
    r"snakemake check .*": "rule check",
    r"snakemake choose .*": "choose_size",
    r"snakemake --cores 4 manifest": "write_manifest",
    r"snakemake( --cores 4)?( --configfile \S+)?": "write_report",
}
HABITS = re.compile(  # phrases that readers stumble over
    r"^What (?![^.]*\?)|\b(is|are) no\b(?! (longer|slower))|\b(stands in|is told|goes by|hangs on|by far the)\b",
    re.MULTILINE,
)


def commands(document):
    """Command lines in the shell blocks of a document, without comments."""
    for block in re.findall(r"```sh\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL):
        joined = block.replace("\\\n", " ")
        yield from (line for line in (re.sub(r"(^|\s+)#.*", "", line).strip() for line in joined.splitlines()) if line)


ALL = sorted({command for document in DOCUMENTS for command in commands(document)})
TRIED = [command for command in ALL if not any(re.fullmatch(known, command) for known in RUN_ELSEWHERE)]


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """Function: run a command line as a reader would, in a copy of the workflow with a quick default config."""
    folder = copy_workflow(REPOSITORY, tmp_path_factory.mktemp("reader") / "scae")
    for name in ("docs", "Makefile"):
        source = REPOSITORY / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    config = yaml.safe_load((folder / "config/config.yaml").read_text(encoding="utf-8"))
    config["run"] |= {"models": config["run"]["models"][:2], "seeds": [0]}
    for section in ("training", "tsne", "kmeans"):
        config[section] = config.get(section, {}) | TOY_CONFIG[section]
    (folder / "config/config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    write_files(folder)
    path = os.pathsep.join([str(REPOSITORY / ".venv/bin"), os.environ["PATH"]])

    def run(command):
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=folder,
            env=os.environ | {"PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )

    return run


def write_files(folder):
    """The reader's own files in the documents."""
    toy_cells().write_h5ad(folder / "cells.h5ad")
    overlay = {"run": {"datasets": ["mine"]}, "datasets": {"mine": TOY_CONFIG["datasets"]["toy"]}}
    overlay["datasets"]["mine"] = overlay["datasets"]["mine"] | {"source": "cells.h5ad", "held_out_molecules": True}
    (folder / "mine.yaml").write_text(yaml.safe_dump(overlay), encoding="utf-8")


@pytest.mark.parametrize("command", TRIED)
def test_commands_run_and_print_what_they_should(command, reader):
    """A run is only planned, which reads everything that its command names."""
    planned = command if " -n" in command else f"{command} -n"
    done = reader(planned if command.startswith("snakemake") else command)
    assert done.returncode == 0, done.stdout
    [printed] = [word for known, word in PRINTED.items() if re.fullmatch(known, command)]
    assert re.search(printed, done.stdout), done.stdout


@pytest.mark.parametrize("document", [*DOCUMENTS, *OTHERS, *sorted(REPOSITORY.glob("*/README.md"))], ids=str)
def test_links_lead_somewhere(document):
    text = document.read_text(encoding="utf-8")
    anchors = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^#+ (.*)$", text, re.M)}
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("#"):
            assert link[1:] in anchors, link
        elif not link.startswith("http"):
            assert (document.parent / link.partition("#")[0]).exists(), link


def test_make_targets_of_the_docs_exist():
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {word for command in ALL for word in re.findall(r"^make ([a-z-]+)", command)} <= targets


def test_the_documents_use_plain_wording():
    for document in [*DOCUMENTS, *OTHERS]:
        found = [match[0] for match in HABITS.finditer(document.read_text(encoding="utf-8"))]
        assert not found, f"{document}: {found}"


def test_the_readme_is_one_page():
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_the_dockerfile_installs_the_requirements_on_a_supported_python():
    text = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [version] = re.findall(r"^FROM python:(3\.\d+)\.\d+-slim-\w+$", text, re.MULTILINE)
    assert project["requires-python"] == f">={version}"
    assert "pip install --no-cache-dir -r requirements.txt" in text
    copied = {name for line in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE) for name in line.split()}
    assert copied >= {
        "requirements.txt",
        "constraints.txt",
        "Snakefile",
        "config",
        "envs",
        "profiles",
        "rules",
        "scripts",
    }
    assert all((REPOSITORY / name).exists() for name in copied)
