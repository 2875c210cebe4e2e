"""What holds for every rule, and the tools that keep the code in shape."""

import re
import subprocess
import sys
import zipfile

import pytest
import yaml
from workflow_project import REPOSITORY, TARGETS

RULE_FILES = sorted((REPOSITORY / "rules").glob("*.smk"))


def rules():
    """{name: its text} of every rule, in the files of rules/ and in the Snakefile."""
    found = {}
    for path in [REPOSITORY / "Snakefile", *RULE_FILES]:
        for block in re.split(r"^(?=rule \w+:)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            text, name = re.match(r"(rule (\w+):\n(?:(?: .*)?\n)*)", block).groups()
            assert name not in found
            found[name] = text
    return found


RULES = rules()
LOOKS = {"check"}  # asked for by name, as a target, and with nothing to measure
JOBS = sorted(set(RULES) - TARGETS)


def directive(rule, name):
    """Text of a directive of a rule, on its line or indented below; None if it has none."""
    found = re.search(rf"^    {name}:(.*\n(?:(?: {{8}}.*)?\n)*)", RULES[rule], re.MULTILINE)
    return found[1].strip() if found else None


def test_every_script_belongs_to_a_rule_of_its_name():
    scripts = sorted(path.stem for path in (REPOSITORY / "scripts").glob("*.py"))
    assert scripts == JOBS


@pytest.mark.parametrize("rule", sorted(RULES))
def test_every_rule_says_what_it_does(rule):
    assert re.match(r'\w+ \w+:\n(?:    default_target: True\n)?    """\w.+[.)]"""\n', RULES[rule])


@pytest.mark.parametrize("rule", JOBS)
def test_rule_script_log_and_benchmark_share_one_name(rule):
    assert rule in LOOKS or re.fullmatch(r"[a-z]+(_[a-z0-9]+)+", rule), "verb_noun"
    assert directive(rule, "script") == f'"../scripts/{rule}.py"'
    assert re.fullmatch(rf'"<logs>/{rule}/[^"]+\.log",', directive(rule, "log"))
    if rule not in LOOKS:
        assert re.fullmatch(rf'"<benchmarks>/{rule}/[^"]+\.tsv"', directive(rule, "benchmark"))


@pytest.mark.parametrize("rule", JOBS)
def test_rule_declares_environment_and_resources(rule):
    environment = re.fullmatch(r'"\.\./envs/(\w+\.yaml)"', directive(rule, "conda"))[1]
    assert (REPOSITORY / "envs" / environment).is_file()
    assert re.findall(r"^ *(\w+)=", directive(rule, "resources"), re.MULTILINE)[:2] == ["mem_mb", "runtime"]


@pytest.mark.parametrize("rule", JOBS)
def test_rule_carries_the_digest_of_its_code(rule):
    """The default profile looks at no script's time, so a rule without a digest would never rerun for its code."""
    assert re.match(rf'code=(?:model_|peer_|preprocessing_|training_)?code\("{rule}"\),', directive(rule, "params"))
    assert {"shell", "run", "notebook", "wrapper"}.isdisjoint(re.findall(r"^    (\w+):", RULES[rule], re.MULTILINE))


@pytest.mark.parametrize("rule", JOBS)
def test_an_input_is_named_after_its_file(rule):
    """Snakemake compares inputs as a set, so two that are exchanged would go unseen."""
    named = re.findall(r'(\w+)=(?:\w+\()?\[?\s*"<results>/([^"]+)"', directive(rule, "input") or "")
    for name, path in named:
        *folders, file = path.split("/")
        stem, _, suffix = file.partition(".")
        assert name in (stem, f"{stem}_{suffix}", "_".join([*folders[-1:], stem]), "_".join([*folders[-1:], suffix]))
    assert len({name for name, _ in named}) == len({path for _, path in named})


@pytest.mark.parametrize("script", sorted((REPOSITORY / "scripts").glob("*.py")), ids=lambda path: path.stem)
def test_a_script_first_sees_to_it_that_it_ends_with_snakemake(script):
    """What takes long to import comes after; the line is also what has all code loaded from its files."""
    first = next(line for line in script.read_text().splitlines() if line.startswith(("import", "from")))
    assert first == "import scae.jobs.runtime as runtime"


@pytest.mark.parametrize("rule", sorted(TARGETS))
def test_target_only_names_files(rule):
    assert directive(rule, "input")
    assert directive(rule, "script") is None


@pytest.mark.parametrize("path", RULE_FILES, ids=lambda path: path.name)
def test_paths_follow_the_pathvars(path):
    assert not re.search(r"[\"']results/", path.read_text(encoding="utf-8")), "<results>/, <logs>/ or <benchmarks>/"


@pytest.mark.parametrize("path", RULE_FILES, ids=lambda path: path.name)
def test_rule_file_opens_with_what_it_needs_and_makes(path):
    head = re.match(r'"""(.+?)"""', path.read_text(encoding="utf-8"), re.DOTALL)[1]
    assert "Needs" in head
    assert "Makes" in head


def test_snakefile_fits_on_a_screen():
    assert len((REPOSITORY / "Snakefile").read_text().splitlines()) <= 40


def test_environment_files_are_closed_and_without_defaults():
    for path in (REPOSITORY / "envs").glob("*.yaml"):
        assert yaml.safe_load(path.read_text())["channels"] == ["conda-forge", "nodefaults"]


@pytest.mark.parametrize(
    "command",
    [
        ["snakefmt", "--check", "Snakefile", "workflow", "rules"],
        ["ruff", "check", "scripts", "tests"],
        ["ruff", "format", "--check", "scripts", "tests"],
    ],
    ids=" ".join,
)
def test_formatter_and_linter_find_nothing(command):
    done = subprocess.run([sys.executable, "-m", *command], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_snakemake_lint_finds_nothing(empty):
    assert "Congratulations, your workflow is in a good condition!" in empty.snakemake("--lint").stdout


def test_report_of_snakemake_holds_pages_with_captions_and_categories(project, bare_python):
    project.warm, project.python = None, bare_python  # as after `make run`, without what the tests bring along
    project.snakemake("--report", "out.zip")
    with zipfile.ZipFile(project.path("out.zip")) as archive:
        pages = "".join(archive.read(name).decode() for name in archive.namelist() if name.endswith((".html", ".js")))
        pictures = [name for name in archive.namelist() if name.endswith((".png", ".svg")) and "/data/" in f"/{name}"]
    assert {name.rpartition("/")[2] for name in pictures} == {
        *("heatmap.png", "clusters.png", "tsne3d.png", "losses.png", "quality.png", "stability.png"),
        *("latents.png", "generated.png"),
        *("scores.svg", "embeddings.svg", "recalls.svg"),
    }
    for category in ("1. Report", "2. Scores", "3. Pictures of toy", "4. Training times"):
        assert f'"{category}"' in pages
    text = " ".join(pages.replace("\\n", " ").split())
    for caption in sorted((REPOSITORY / "rules/captions").glob("*.rst")):
        if caption.stem in ("batches", "sweep"):  # the toy run has none
            continue
        fragments = re.split(r"\{\{.*?\}\}|``|[*]|\n\n|[^\x00-\x7f]", caption.read_text(encoding="utf-8"))
        longest = " ".join(max(fragments, key=len).split())
        assert longest in text, f"caption {caption.name} is not in the report"


def test_bare_python_has_requirements_alone(bare_python):
    wanted = {"torch": 0, "pygments": 0, "pytest": 1, "ruff": 1}
    statement = "import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)"
    assert {name: subprocess.run([bare_python, "-c", statement, name]).returncode for name in wanted} == wanted
