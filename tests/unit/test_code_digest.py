"""A digest changes with the code that a job's result depends on, and with nothing else."""

import ast
import re
import shutil
from dataclasses import replace

import pytest
from places import ROOT

from scae import results
from scae.errors import UserError
from scae.jobs import code_digest, source_code
from scae.models import registry

SCRIPTS = sorted(path.stem for path in (ROOT / "scripts").glob("*.py"))
KINDS = [kind for kind in registry.kinds() if registry.find(kind).trained and not registry.find(kind).external]
TRAIN = {f"train_model+{kind}" for kind in KINDS}
JOBS = {script: (script,) for script in SCRIPTS if script != "train_model"}
JOBS |= {f"train_model+{kind}": ("train_model", f"scae.models.{kind}") for kind in KINDS}
EDIT = "\nEDITED = 1\n"


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of scripts/ of which digests are taken; a file is parsed again only if its text has changed."""
    folder = tmp_path_factory.mktemp("elsewhere") / "scripts"
    shutil.copytree(ROOT / "scripts", folder, ignore=shutil.ignore_patterns("__pycache__"))
    parse, parsed = code_digest._read.__wrapped__, {}

    def read(path):
        source_code._content.cache_clear()
        beside = tuple(other.read_bytes() for other in sorted(path.parent.glob(f"{path.stem}.*.j2")))
        key = (path, path.read_bytes(), beside)
        if key not in parsed:
            parsed[key] = parse(path)
        return parsed[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(code_digest, "SCRIPTS", folder)
        patch.setattr(code_digest, "_read", read)
        patch.setattr(code_digest, "_module_files", code_digest._module_files.__wrapped__)
        yield folder
    source_code._content.cache_clear()


@pytest.fixture(scope="module")
def unedited(copy):
    """Digests of the code as it is."""
    return digests()


@pytest.fixture
def scripts(copy):
    """The copy, for edits; they are undone."""
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    yield copy
    for path in [path for path in copy.rglob("*") if path.is_file()]:
        if path not in before:
            path.unlink()
        elif path.read_bytes() != before[path]:
            path.write_bytes(before[path])


def digests():
    """{job: digest}: scripts by name, the training of each kind as train_model+kind."""
    return {job: code_digest.digest(script, *modules) for job, (script, *modules) in JOBS.items()}


def touched(before):
    """The jobs whose digest has changed."""
    after = digests()
    return {job for job in before if before[job] != after[job]}


def append(path, text=EDIT):
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


def is_left_out(path):
    module = path.with_suffix("").as_posix().replace("/", ".")
    return any(module == name or module.startswith(f"{name}.") for name in code_digest.LEFT_OUT)


def imported(path, folder):
    """Files that the import statements of a file may load, but for those left out."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    places = [folder / (name.replace(".", "/") + ".py") for name in names if name.startswith("scae.")]
    return [place for place in places if place.exists() and not is_left_out(place.relative_to(folder))]


@pytest.fixture(scope="module")
def closures(copy):
    """{job: all files that it imports}, by a graph of its own."""
    graph = {path: imported(path, copy) for path in copy.rglob("*.py")}
    found = {}
    for job, (script, *modules) in JOBS.items():
        pending = [copy / f"{script}.py", *(copy / (module.replace(".", "/") + ".py") for module in modules)]
        found[job] = set()
        while pending:
            path = pending.pop()
            if path not in found[job]:
                found[job].add(path)
                pending += graph[path]
    return found


def test_all_that_a_job_imports_is_followed_and_nothing_that_is_left_out(closures, unedited):
    assert len(set(unedited.values())) == len(unedited)
    assert all(len(digest) == 16 and int(digest, 16) >= 0 for digest in unedited.values())
    for job, files in closures.items():
        script, *modules = JOBS[job]
        found = {path for path in code_digest.files(script, *modules) if path.name != "__init__.py"}
        assert found == files, job
    assert len(set().union(*closures.values())) > 80


@pytest.mark.parametrize(
    ("file", "jobs"),
    [
        *((f"scae/models/{kind}.py", {f"train_model+{kind}"}) for kind in KINDS),
        ("train_model.py", TRAIN),
        ("score_clusters.py", {"score_clusters"}),
        ("scae/report/page.html.j2", {"write_report"}),
        ("scae/jobs/record.py", set()),
        ("scae/errors.py", set()),
    ],
)
def test_an_edit_touches_exactly_its_jobs(file, jobs, scripts, unedited):
    append(scripts / file, "<p>more</p>" if file.endswith(".j2") else EDIT)
    assert touched(unedited) == jobs


def test_a_constant_deep_in_a_formula_counts(scripts, unedited):
    path = scripts / "scae/models/beta_vsc.py"
    assert "1e-6" in path.read_text(encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace("1e-6", "1e-7"), encoding="utf-8")
    assert touched(unedited) == {"train_model+beta_vsc"}


def reworded(text):
    """Messages of `raise UserError(…)`, log statements and docstrings with other text."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        call = node.exc if isinstance(node, ast.Raise) else node.value if isinstance(node, ast.Expr) else None
        if isinstance(call, ast.Constant) and isinstance(call.value, str):
            call.value = "Other words."
        elif isinstance(call, ast.Call) and re.fullmatch(r"UserError|(log|logging)\.\w+", ast.unparse(call.func)):
            call.args = [ast.Constant("other words"), *call.args[1:]]
    return "# a comment\n" + ast.unparse(tree)


def test_rewording_and_reformatting_touches_nothing(scripts, unedited):
    """`ast.unparse` drops comments and formatting, too; the copy itself lies in another folder."""
    for path in scripts.rglob("*.py"):
        path.write_text(reworded(path.read_text(encoding="utf-8")), encoding="utf-8")
    assert touched(unedited) == set()


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        ("raise UserError('one')", "raise UserError('two')", False),
        ("raise UserError(f'{x}: one') from None", "raise UserError('two') from None", False),
        ("raise UserError('one')", "raise ValueError('one')", True),
        ("if x > 1: raise UserError('one')", "if x > 2: raise UserError('one')", True),
        ("log.info('one %d', x)", "log.warning('two')", False),
        ("y = log.info('one')", "y = log.info('two')", True),
        ("print('one')", "print('two')", True),
        ("def f():\n    'doc'", "def f():\n    'other'", False),
        ("y = 'one'", "y = 'two'", True),
        ("y = 1\n'one'", "y = 1\n'two'", True),
        ("y = 1", "y  =  1  # comment", False),
        ("y = 1", "y = 1.0", True),
        ("y = f(1, 2)", "y = f(2, 1)", True),
        ("y = -x", "y = x", True),
    ],
)
def test_messages_do_not_count_and_code_does(before, after, counts, tmp_path):
    found = []
    for name, text in (("a.py", before), ("b.py", after)):
        (tmp_path / name).write_text(text)
        found.append(code_digest._read(tmp_path / name).digest)
    assert (found[0] != found[1]) is counts


@pytest.mark.parametrize("name", ["stability", "latent_genes", "metrics"])
def test_columns_of_a_table_touch_the_jobs_whose_code_names_it(name, closures, unedited, monkeypatch):
    result = results.BY_NAME[name]
    monkeypatch.setitem(results.BY_NAME, name, replace(result, columns=result.columns.replace(":text", "", 1)))
    jobs = {job for job, files in closures.items() if any(names(path, name) for path in files)}
    assert touched(unedited) == jobs < set(unedited)
    monkeypatch.setitem(results.BY_NAME, name, replace(result, says="other words", path="elsewhere.csv"))
    assert touched(unedited) == set()


def names(path, text):
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return any(isinstance(node, ast.Constant) and node.value == text for node in nodes)


MODEL = """\
from scae.models import layers
ABOUT = {"title": "mine"}
CONFIG = {"width": {"default": 3}}
DETERMINISTIC = False
SAME_ESTIMATES = {}
def embed(x):
    return x + 1
"""


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A model file outside the library, my_model.py in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_model.py").write_text(MODEL)
    return tmp_path / "my_model.py"


def digest_of_model(path="my_model.py"):
    return code_digest.digest("train_model", path)


def test_a_model_file_outside_the_library_counts_with_its_imports_but_not_its_folder(scripts, model, tmp_path):
    found = [digest_of_model()]
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper/my_model.py").write_text(MODEL + "# a comment\n")
    assert digest_of_model("deeper/my_model.py") == digest_of_model(str(model)) == found[0]
    append(scripts / "scae/models/layers.py")
    found.append(digest_of_model())
    model.write_text(MODEL.replace("x + 1", "x + 2"))
    found.append(digest_of_model())
    assert len(set(found)) == 3


@pytest.mark.parametrize("name", ["ABOUT", "CONFIG", "DETERMINISTIC", "SAME_ESTIMATES"])
def test_a_description_counts_only_if_the_model_file_uses_it(name, scripts, model):
    for use, counts in (("", False), (f"\nprint({name})\n", True)):
        model.write_text(MODEL + use)
        before = digest_of_model()
        model.write_text((MODEL + use).replace(f"{name} = ", f"{name} = 1 and "))
        assert (digest_of_model() != before) is counts


@pytest.mark.parametrize(
    "line",
    [
        "import scae.helper",
        "import json, scae.helper as h",
        "from scae import helper as h",
        "from scae.helper import *",
        "def later():\n    from scae import helper",
        "try:\n    import json\nexcept ImportError:\n    import scae.helper",
        "from scae.package import part",
    ],
)
def test_every_form_of_import_is_followed(line, scripts):
    (scripts / "scae/package").mkdir(exist_ok=True)
    for file in ("helper.py", "package/__init__.py", "package/part.py"):
        (scripts / "scae" / file).write_text("import scae.cycle\nthing = 1\n")
    (scripts / "scae/cycle.py").write_text("import scae.helper, scae.package.part\n")
    append(scripts / "plot_heatmap.py", f"\n{line}\n")
    before = digests()
    append(scripts / "scae" / ("package/part.py" if "package" in line else "helper.py"))
    assert touched(before) == {"plot_heatmap"}


@pytest.mark.parametrize("line", ["from . import layers", "from .. import x"])
def test_relative_imports_are_refused_rather_than_missed(line, scripts):
    append(scripts / "scae/training/fitting.py", f"\n{line}\n")
    with pytest.raises(ValueError, match=r"fitting\.py.*relative"):
        code_digest.digest("train_model")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xef\xbb\xbfimport json\n", "byte order mark"),
        ("# café\n".encode("latin-1"), "UTF-8"),
        (b"first = 1\nimport json as\n", "line 2"),
        (b"first = 1\n\0\n", "not valid Python"),
    ],
)
def test_code_that_python_cannot_read_is_one_line(content, problem, scripts):
    (scripts / "scae/style.py").write_bytes(content)
    with pytest.raises(UserError, match=problem) as caught:
        code_digest.digest("color_types")
    assert str(caught.value).startswith(f"{scripts / 'scae/style.py'}: ")
    assert "\n" not in str(caught.value)


def test_a_job_refuses_code_that_was_edited_during_the_run(scripts):
    code = code_digest.code("train_model", "scae.models.dae")
    code_digest.refuse_edited(code)
    append(scripts / "scae/models/dae.py")
    with pytest.raises(UserError, match=r"train_model\.py.*edited"):
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
    assert code_digest._read(path).digest[:16] == "f25b934ff53efbfd"
