"""A digest changes with the code that a job runs, and with nothing else."""

import shutil

import pytest
from places import ROOT

from scae.errors import UserError
from scae.jobs import code_digest, source_code
from scae.models import registry

SCRIPTS = sorted(path.stem for path in (ROOT / "scripts").glob("*.py") if path.stem != "check")  # which makes nothing
KINDS = [kind for kind in registry.kinds() if registry.find(kind).trained and not registry.find(kind).external]
TRAIN = {f"train_model+{kind}" for kind in KINDS}
EDIT = "\nEDITED = 1\n"
KNOWN = ("_read", "_module_files")  # kept once found out


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """A copy of scripts/ that the module looks at instead of its own."""
    folder = tmp_path / "elsewhere" / "scripts"
    shutil.copytree(ROOT / "scripts", folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code_digest, "SCRIPTS", folder)
    yield folder
    forget()


def forget():
    """What a new process would not know: files are read once per process."""
    for function in (source_code._content, *(getattr(code_digest, name) for name in KNOWN)):
        function.cache_clear()


def digests():
    """Digest of every job: scripts by name, the training of each kind as train_model+kind."""
    forget()
    found = {script: code_digest.digest(script) for script in SCRIPTS if script != "train_model"}
    return found | {f"train_model+{kind}": code_digest.digest("train_model", f"scae.models.{kind}") for kind in KINDS}


@pytest.fixture(scope="module")
def unedited():
    """Digests of the code as it stands, which are those of each fresh copy."""
    return digests()


def touched(change, before=None):
    """The jobs whose digest a change alters; those before it may be given."""
    before = before or digests()
    change()
    after = digests()
    return {job for job in before if before[job] != after[job]}


def append(path, text=EDIT):
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_a_digest_is_16_hexadecimal_digits(scripts):
    assert all(len(digest) == 16 and int(digest, 16) >= 0 for digest in digests().values())
    assert len(set(digests().values())) == len(digests())


def test_the_place_of_the_checkout_does_not_count(unedited, scripts):
    assert digests() == unedited


def test_comments_and_formatting_do_not_count(scripts):
    reformatted = {
        "scae/training/fitting.py": ("lr=settings", "lr = settings"),
        "scae/models/layers.py": ("(self.", "( self."),
    }

    def change():
        for name, (old, new) in reformatted.items():
            path = scripts / name
            text = path.read_text(encoding="utf-8")
            assert old in text
            path.write_text(text.replace(old, new), encoding="utf-8")
        for path in scripts.rglob("*.py"):
            append(path, "\n\n\n# a comment\n")

    assert touched(change) == set()


def test_a_new_time_of_change_does_not_count(scripts):
    assert touched(lambda: [path.touch() for path in scripts.rglob("*") if path.is_file()]) == set()


@pytest.mark.parametrize("script", [script for script in SCRIPTS if script != "train_model"])
def test_an_edit_of_a_script_touches_its_own_jobs(script, scripts, unedited):
    assert touched(lambda: append(scripts / f"{script}.py"), unedited) == {script}


def test_an_edit_of_the_training_script_touches_every_training(scripts):
    assert touched(lambda: append(scripts / "train_model.py")) == TRAIN


@pytest.mark.parametrize("kind", KINDS)
def test_an_edit_of_a_model_touches_its_training_alone(kind, scripts, unedited):
    assert touched(lambda: append(scripts / f"scae/models/{kind}.py"), unedited) == {f"train_model+{kind}"}


@pytest.mark.parametrize("module", ["models/layers", "training/batches", "training/loop"])
def test_an_edit_of_the_training_code_touches_every_training_and_no_picture(module, scripts, unedited):
    found = touched(lambda: append(scripts / f"scae/{module}.py"), unedited)
    assert found >= TRAIN
    assert found <= TRAIN | {"embed_cells", "check_latents", "interpret_latents", "generate_cells"}


PAGE = """\
from scae.models import layers
ABOUT = {"title": "mine"}
CONFIG = {"width": {"default": 3}}
DETERMINISTIC = False
def embed(x):
    return x + 1
"""


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A page outside the library, my_model.py in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_model.py").write_text(PAGE)
    return tmp_path / "my_model.py"


def digest_of_page(path="my_model.py"):
    forget()
    return code_digest.digest("train_model", path)


def test_a_page_outside_the_library_counts_with_all_it_imports(scripts, page):
    before = digest_of_page()
    assert before not in digests().values()
    append(scripts / "scae/models/layers.py")
    assert digest_of_page() != before
    append(scripts / "scae/models/layers.py", "# a comment")
    again = digest_of_page()
    page.write_text(PAGE.replace("x + 1", "x + 2"))
    assert digest_of_page() != again


def test_the_place_of_a_page_does_not_count(scripts, page, tmp_path):
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper/my_model.py").write_text(PAGE + "# a comment\n")
    assert digest_of_page("deeper/my_model.py") == digest_of_page(str(page)) == digest_of_page()


@pytest.mark.parametrize("name", ["ABOUT", "CONFIG", "DETERMINISTIC"])
def test_what_a_page_declares_counts_only_where_it_uses_it_itself(name, scripts, page):
    """What matters of it reaches the job as params."""
    for use, counts in (("", False), (f"\nprint({name})\n", True)):
        page.write_text(PAGE + use)
        before = digest_of_page()
        page.write_text((PAGE + use).replace(f"{name} = ", f"{name} = 1 and "))
        assert (digest_of_page() != before) is counts


READ_LABELS = {"assign_batches", "label_again", "label_cells", "score_references"}
PICTURES = {
    *("plot_batches", "plot_clusters", "plot_figures", "plot_heatmap", "plot_losses", "plot_quality"),
    *("plot_stability", "plot_latents", "plot_generated", "plot_sweep", "plot_tsne3d"),
}


def test_a_new_model_touches_nothing(scripts):
    assert touched(lambda: (scripts / "scae/models/brand_new.py").write_text("CONFIG = {}\n")) == set()


@pytest.mark.parametrize(
    ("module", "jobs"),
    [
        ("data/download.py", {"fetch_counts", "represent_cells"}),
        ("data/preprocessing.py", {"preprocess_cells"}),
        ("data/quality.py", {"preprocess_cells"}),
        ("data/genes.py", {"preprocess_cells", "collect_embeddings", *READ_LABELS}),
        ("data/cell_names.py", READ_LABELS),
        ("data/labels.py", READ_LABELS),
        ("evaluation/embedding.py", {"project_tsne"}),
        ("evaluation/clustering.py", {"cluster_cells"}),
        ("evaluation/metrics.py", {"score_clusters"}),
        ("data/counts.py", {"fetch_counts", "represent_cells"}),
        ("report/plotting.py", PICTURES),
        ("report/page.py", {"write_report"}),
        ("workflow/configuration.py", set()),
        ("data/source_files.py", {"fetch_counts", "represent_cells"}),
        ("data/embeddings.py", {"represent_cells"}),
        ("workflow/code_digest.py", TRAIN | set(SCRIPTS) - {"train_model"}),
    ],
)
def test_an_edit_of_a_module_touches_the_jobs_that_import_it(module, jobs, scripts, unedited):
    assert touched(lambda: append(scripts / "scae" / module), unedited) == jobs


def test_an_edit_below_a_module_reaches_the_jobs_above(scripts):
    found = touched(lambda: append(scripts / "scae/style.py"))
    assert found == {*PICTURES, "color_types", "write_report", "collect_embeddings"}


def test_an_edit_of_what_all_share_touches_all(scripts):
    assert touched(lambda: append(scripts / "scae/jobs/runtime.py")) == set(digests())


def test_the_template_counts_with_its_module(scripts):
    assert touched(lambda: append(scripts / "scae/report/page.html.j2", "<p>more</p>")) == {"write_report"}


def test_an_edited_constant_counts(scripts):
    def change():
        path = scripts / "scae/models/beta_vsc.py"
        text = path.read_text(encoding="utf-8")
        assert "1e-6" in text
        path.write_text(text.replace("1e-6", "1e-7"), encoding="utf-8")

    assert touched(change) == {"train_model+beta_vsc"}


@pytest.mark.parametrize(
    "line",
    [
        "import scae.helper",
        "import scae.helper as h",
        "from scae import helper",
        "from scae import helper as h",
        "from scae.helper import thing",
        "from scae.helper import *",
        "def later():\n    from scae import helper",
        "if True:\n    import json, scae.helper",
        "from scae.package import part",
    ],
)
def test_every_way_to_import_is_followed(line, scripts):
    (scripts / "scae/helper.py").write_text("thing = 1\n")
    (scripts / "scae/package").mkdir()
    (scripts / "scae/package/__init__.py").write_text("")
    (scripts / "scae/package/part.py").write_text("thing = 1\n")
    append(scripts / "plot_losses.py", f"\n{line}\n")
    edited = "scae/package/part.py" if "package" in line else "scae/helper.py"
    assert touched(lambda: append(scripts / edited)) == {"plot_losses"}


def test_modules_that_import_each_other_come_to_an_end(scripts):
    (scripts / "scae/one.py").write_text("import scae.two\n")
    (scripts / "scae/two.py").write_text("import scae.one\n")
    append(scripts / "plot_losses.py", "\nimport scae.one\n")
    assert touched(lambda: append(scripts / "scae/two.py")) == {"plot_losses"}


@pytest.mark.parametrize("line", ["from . import layers", "from .layers import Trunk", "from .. import x"])
def test_relative_imports_are_refused_rather_than_missed(line, scripts):
    append(scripts / "scae/training/fitting.py", f"\n{line}\n")
    forget()
    with pytest.raises(ValueError, match=r"loop\.py.*relative"):
        code_digest.digest("train_model")


def test_docstrings_do_not_count(scripts):
    text = (scripts / "scae/tables.py").read_text(encoding="utf-8")
    assert '"""Write a list of dicts with the same keys."""' in text
    reworded = text.replace("Write a list of dicts with the same keys.", "Write rows.")
    assert touched(lambda: (scripts / "scae/tables.py").write_text(reworded)) == set()


def test_text_that_is_no_docstring_counts(scripts):
    append(scripts / "plot_losses.py", "\ntext = 1\n'first'\n")
    assert touched(lambda: append(scripts / "plot_losses.py", "\n'second'\n")) == {"plot_losses"}


@pytest.mark.parametrize("name", ["CONFIG", "ABOUT"])
def test_how_a_page_describes_itself_does_not_count_unless_it_reads_that(name, scripts):
    page = scripts / "scae/models/dae.py"

    def describe(text):
        page.write_text(f"{without}\n{name} = {{'n_latent': {{'description': '{text}'}}}}\n", encoding="utf-8")

    without = page.read_text(encoding="utf-8").replace("CONFIG = ", "OTHER = ").replace("ABOUT = ", "ANOTHER = ")
    describe("latents")
    assert touched(lambda: describe("number of latents")) == set()
    without += f"\nprint({name})\n"
    describe("latents")
    assert touched(lambda: describe("number of latents")) == {"train_model+dae"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xef\xbb\xbfimport json\n", "starts with a byte order mark; save it as UTF-8 without one"),
        ("# café\n".encode("latin-1"), "is not UTF-8; save it as UTF-8"),
        (b"first = 1\nimport json as\n", "is not Python in line 2 (invalid syntax)"),
        (b"first = 1\n\0\n", "is not Python"),
    ],
)
@pytest.mark.parametrize("file", ["plot_losses.py", "scae/style.py"])
def test_code_that_python_cannot_read_is_one_line(file, content, problem, scripts):
    (scripts / file).write_bytes(content)
    forget()
    with pytest.raises(UserError) as caught:
        code_digest.digest("plot_losses")
    assert str(caught.value).startswith(f"{scripts / file}: {problem}")
    assert "\n" not in str(caught.value)


def test_a_job_refuses_code_that_is_not_what_the_plan_knew(scripts):
    forget()
    code = code_digest.code("plot_losses")
    code_digest.refuse_edited(code)
    append(scripts / "scae/style.py")
    forget()
    with pytest.raises(UserError, match=r"plot_losses\.py, or what it imports, was edited while the run was under way"):
        code_digest.refuse_edited(code)


# Each line holds what `ast.dump` shows differently in Python 3.11, 3.12 or 3.13
DIALECTS = '''
"""A docstring."""
class Thing(object, metaclass=type):
    """Another."""
    value: int = -1
def function(first, *rest, key=None, **others):
    return [f"{first!r:>{key}s} {rest}", u"text", None, rest[1:], {**others}]
async def later():
    return (yield)
'''


def test_the_version_of_python_does_not_count(tmp_path):
    """Continuous integration runs this with several versions."""
    path = tmp_path / "dialects.py"
    path.write_text(DIALECTS)
    assert code_digest._read(path)[0][:16] == "f25b934ff53efbfd"
