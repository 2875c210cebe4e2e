"""A digest changes with the code that a job's result depends on, and with nothing else."""

import ast
from dataclasses import replace

import pytest
from places import ROOT

from scae import results
from scae.errors import UserError
from scae.jobs import code_digest, source_code
from scae.models import registry

SCRIPTS = ROOT / "scripts"
KINDS = [kind for kind in registry.kinds() if registry.find(kind).trained and not registry.find(kind).external]
JOBS = {path.stem: (path.stem,) for path in sorted(SCRIPTS.glob("*.py")) if path.stem != "train_model"}
JOBS |= {f"train_model+{kind}": ("train_model", f"scae.models.{kind}") for kind in KINDS}


# The code of the project


def digests():
    return {job: code_digest.digest(*names) for job, names in JOBS.items()}


def is_left_out(path):
    module = path.relative_to(SCRIPTS).with_suffix("").as_posix().replace("/", ".")
    return any(module == name or module.startswith(f"{name}.") for name in code_digest.LEFT_OUT)


def imported(path):
    """Files that the import statements of a file may load, but for those left out."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    places = [SCRIPTS / (name.replace(".", "/") + ".py") for name in names if name.startswith("scae.")]
    return [place for place in places if place.exists() and not is_left_out(place)]


@pytest.fixture(scope="module")
def closures():
    """{job: all files that it imports}, by a graph of its own."""
    graph = {path: imported(path) for path in SCRIPTS.rglob("*.py")}
    found = {}
    for job, names in JOBS.items():
        pending, found[job] = [SCRIPTS / (name.replace(".", "/") + ".py") for name in names], set()
        while pending:
            path = pending.pop()
            if path not in found[job]:
                found[job].add(path)
                pending += graph[path]
    return found


def test_all_that_a_job_imports_is_followed_and_nothing_that_is_left_out(closures):
    for job, files in closures.items():
        assert {path for path in code_digest.files(*JOBS[job]) if path.name != "__init__.py"} == files, job
    assert len(set().union(*closures.values())) > 80
    found = digests()
    assert len(set(found.values())) == len(found)
    assert all(len(digest) == 16 and int(digest, 16) >= 0 for digest in found.values())


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_file_is_part_of_its_own_training_only(kind):
    path = SCRIPTS / f"scae/models/{kind}.py"
    assert [job for job, names in JOBS.items() if path in code_digest.files(*names)] == [f"train_model+{kind}"]


@pytest.mark.parametrize("name", ["stability", "latent_genes", "metrics"])
def test_columns_of_a_table_count_for_the_jobs_whose_code_names_it(name, closures, monkeypatch):
    def touched():
        after = digests()
        return {job for job in before if before[job] != after[job]}

    def names(path):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        return any(isinstance(node, ast.Constant) and node.value == name for node in nodes)

    before, result = digests(), results.BY_NAME[name]
    monkeypatch.setitem(results.BY_NAME, name, replace(result, columns=result.columns.replace(":text", "", 1)))
    assert touched() == {job for job, files in closures.items() if any(map(names, files))} < set(JOBS)
    monkeypatch.setitem(results.BY_NAME, name, replace(result, says="other words", path="elsewhere.csv"))
    assert touched() == set()


# Code of a made-up project: two scripts, and a library


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    monkeypatch.setattr(code_digest, "SCRIPTS", tmp_path / "scripts")
    monkeypatch.chdir(tmp_path)
    for file in (
        "job",
        "other",
        "scae/__init__",
        "scae/helper",
        "scae/page",
        "scae/package/__init__",
        "scae/package/part",
    ):
        write(tmp_path / f"scripts/{file}.py", "import scae.cycle\n" if file.startswith("scae/") else "")
    write(tmp_path / "scripts/scae/cycle.py", "import scae.helper, scae.package.part\n")
    write(tmp_path / "scripts/scae/jobs/record.py", "value = 1\n")
    yield tmp_path / "scripts"
    forget()


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    forget()


def forget():
    """Each process reads a file once; forget what this one has read."""
    for function in (source_code._content, code_digest._read, code_digest._module_files):
        function.cache_clear()


@pytest.mark.parametrize(
    ("line", "edited", "counts"),
    [
        ("import scae.helper", "scae/helper.py", True),
        ("import json, scae.helper as h", "scae/helper.py", True),
        ("from scae import helper as h", "scae/helper.py", True),
        ("from scae.helper import *", "scae/helper.py", True),
        ("def later():\n    from scae import helper", "scae/helper.py", True),
        ("try:\n    import json\nexcept ImportError:\n    import scae.helper", "scae/helper.py", True),
        ("from scae.package import part", "scae/package/part.py", True),
        ("from scae.package import part", "scae/package/__init__.py", True),
        ("import scae.page", "scae/page.html.j2", True),
        ("import scae.page", "scae/page.style.css.j2", True),
        ("import scae.page", "scae/other.html.j2", False),
        ("import scae.helper", "scae/new.py", False),
        ("from scae.jobs import record", "scae/jobs/record.py", False),
        ("", "other.py", False),
    ],
)
def test_an_edit_counts_for_the_jobs_that_import_the_file(line, edited, counts, scripts):
    write(scripts / "job.py", f"{line}\n")
    before = code_digest.digest("job")
    write(scripts / edited, "EDITED = 1\n")
    assert (code_digest.digest("job") != before) is counts


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
        *((f"{name} = 1", f"{name} = 2", False) for name in ("ABOUT", "CONFIG", "DETERMINISTIC", "SAME_ESTIMATES")),
        ("CONFIG = 1\nprint(CONFIG)", "CONFIG = 2\nprint(CONFIG)", True),
        ("OTHER = 1", "OTHER = 2", True),
    ],
)
def test_comments_messages_and_descriptions_do_not_count(before, after, counts, scripts):
    found = []
    for text in (before, after):
        write(scripts / "job.py", text)
        found.append(code_digest.digest("job"))
    assert (found[0] != found[1]) is counts


def test_a_model_file_elsewhere_counts_with_its_imports_but_not_its_folder(scripts, tmp_path):
    text = "from scae import helper\nx = 1\n"
    for file in ("my_model.py", "deeper/my_model.py"):
        write(tmp_path / file, text)
    found = [code_digest.digest("job", "my_model.py")]
    for path in ("deeper/my_model.py", str(tmp_path / "my_model.py")):
        assert code_digest.digest("job", path) == found[0]
    for path in (scripts / "scae/helper.py", tmp_path / "my_model.py"):
        write(path, text + "x = 2\n")
        found.append(code_digest.digest("job", "my_model.py"))
    assert len(set(found)) == 3


@pytest.mark.parametrize(
    ("content", "error", "problem"),
    [
        (b"\xef\xbb\xbfimport json\n", UserError, "byte order mark"),
        ("# café\n".encode("latin-1"), UserError, "UTF-8"),
        (b"first = 1\nimport json as\n", UserError, "line 2"),
        (b"first = 1\n\0\n", UserError, "not valid Python"),
        (b"from . import layers\n", ValueError, "relative"),
        (b"from .. import x\n", ValueError, "relative"),
    ],
)
def test_code_that_cannot_be_followed_is_one_line(content, error, problem, scripts):
    write(scripts / "scae/helper.py", content)
    write(scripts / "job.py", "import scae.helper\n")
    with pytest.raises(error, match=problem) as caught:
        code_digest.digest("job")
    assert str(caught.value).startswith(f"{scripts / 'scae/helper.py'}: ")
    assert "\n" not in str(caught.value)


def test_a_job_refuses_code_that_was_edited_during_the_run(scripts):
    code = code_digest.code("job", "scae.helper")
    code_digest.refuse_edited(code)
    write(scripts / "scae/helper.py", "x = 2\n")
    with pytest.raises(UserError, match=r"job\.py.*edited"):
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
    write(tmp_path / "dialects.py", DIALECTS)
    assert code_digest._read(tmp_path / "dialects.py").digest[:16] == "f25b934ff53efbfd"
