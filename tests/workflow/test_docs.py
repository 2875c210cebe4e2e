"""What README and docs tell a reader to type works: every command line in them is tried, every link leads somewhere."""

import os
import re
import shutil
import subprocess

import pytest
import yaml
from workflow_project import REPOSITORY, TOY_CONFIG, copy_workflow, toy_cells

PAGES = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")])
# Commands that another test or continuous integration runs: what they do must exist, no more is checked here
RUN_ELSEWHERE = {
    r"git clone \S+": "a clone is where continuous integration starts",
    r"cd \S+": "",
    r"make (run|test|check|test-slurm|docs)": "continuous integration",
    r"make (verify|interruptions|bench\S*|evidence)\b.*": "their own tests",
    r"snakemake --workflow-profile profiles/\S+": "make test-slurm, test_cluster_profiles.py",
    r"snakemake --cores 4 --sdm conda": "the conda job of .github/workflows/ci.yml",
    r"snakemake --report report.zip": "test_habits.py",
    r"source \.venv/bin/activate": "",
    r"python -c .*scanpy.*": "test_sources.py reads the same data set",
    r"tail -f \S+": "",
}


def commands(page):
    """The command lines of the shell blocks of a page, without their comments."""
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        joined = block.replace("\\\n", " ")
        yield from (line for line in (re.sub(r"(^|\s+)#.*", "", line).strip() for line in joined.splitlines()) if line)


ALL = sorted({command for page in PAGES for command in commands(page)})
TRIED = [command for command in ALL if not any(re.fullmatch(known, command) for known in RUN_ELSEWHERE)]


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """Function: run a command line as a reader would, in a copy of the workflow whose default config is quick."""
    folder = copy_workflow(REPOSITORY, tmp_path_factory.mktemp("reader") / "scae")
    for name in ("docs", "Makefile", "tools"):
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
    """The files that the pages speak of as the reader's own."""
    toy_cells().write_h5ad(folder / "cells.h5ad")
    overlay = {"run": {"datasets": ["mine"]}, "datasets": {"mine": TOY_CONFIG["datasets"]["toy"]}}
    overlay["datasets"]["mine"] = overlay["datasets"]["mine"] | {"source": "cells.h5ad"}
    (folder / "mine.yaml").write_text(yaml.safe_dump(overlay), encoding="utf-8")


def test_the_pages_have_commands():
    assert len(ALL) > 10
    assert len(TRIED) > 5


@pytest.mark.parametrize("command", TRIED)
def test_a_command_of_the_docs_works(command, reader):
    """Each by itself, in no order; a run is planned only, which reads all that its command names."""
    planned = command if " -n" in command or "--report" in command else f"{command} -n"
    done = reader(planned if command.startswith("snakemake") else command)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("page", [*PAGES, *sorted(REPOSITORY.glob("*/README.md"))], ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    anchors = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^#+ (.*)$", text, re.M)}
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("#"):
            assert link[1:] in anchors, link
        elif not link.startswith("http"):
            assert (page.parent / link.partition("#")[0]).exists(), link


def test_make_targets_of_the_docs_exist():
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {word for command in ALL for word in re.findall(r"^make ([a-z-]+)", command)} <= targets


def test_the_readme_is_one_page():
    assert len((REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
