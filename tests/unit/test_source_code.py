"""What runs is what stands in the files, whatever bytecode lies beside them."""

import os
import subprocess
import sys

import pytest
from places import ROOT

FIRST, SECOND = "answer = 1\n", "answer = 2\n"


@pytest.fixture
def edited(tmp_path):
    """A copy of the package in which a module was compiled, then edited to another text of the same size and time."""
    package = tmp_path / "scae"
    for name in ("__init__.py", "errors.py", "workflow/__init__.py", "workflow/source_code.py"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_bytes((ROOT / "scripts/scae" / name).read_bytes())
    module = package / "question.py"
    module.write_text(FIRST)
    run("import scae.question", tmp_path)
    assert list(package.glob("__pycache__/question.*.pyc"))
    times = module.stat().st_atime_ns, module.stat().st_mtime_ns
    module.write_text(SECOND)
    os.utime(module, ns=times)
    return tmp_path


def run(code, folder):
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, check=True)
    return done.stdout


def test_old_bytecode_of_an_edited_module_does_not_run(edited):
    answer = "import scae.question; print(scae.question.answer)"
    assert run(answer, edited) == "1\n", "Python would notice the edit by itself: the test shows nothing"
    assert run(f"import scae.jobs.source_code; {answer}", edited) == "2\n"


def test_what_is_loaded_before_has_its_bytecode_removed(edited):
    run("import scae.errors", edited)
    assert list(edited.glob("scae/__pycache__/errors.*.pyc"))
    run("from scae.jobs import source_code; source_code.forget_bytecode()", edited)
    assert not list(edited.glob("scae/__pycache__/errors.*.pyc"))
    assert list(edited.glob("scae/__pycache__/question.*.pyc"))


def test_no_bytecode_is_left(edited):
    for old in edited.glob("scae/__pycache__/question.*"):
        old.unlink()
    run("import scae.jobs.source_code, scae.question", edited)
    assert not list(edited.glob("scae/__pycache__/question.*"))


def test_a_file_that_changes_after_it_was_read_is_the_one_that_was_read(edited):
    """So the digest of a job's code is of what it runs, whenever it imports what."""
    code = (
        "import os, scae.jobs.source_code as code; code.text('scae/question.py'); "
        "os.remove('scae/question.py'); open('scae/question.py', 'w').write('answer = 3'); "
        "import scae.question; print(scae.question.answer)"
    )
    assert run(code, edited) == "2\n"


def test_errors_show_the_line_that_failed(edited):
    (edited / "scae/question.py").write_text("def fail():\n    raise ValueError('here')\n")
    code = "import traceback, scae.jobs.source_code, scae.question\ntry: scae.question.fail()\n"
    code += "except ValueError: print(traceback.format_exc())"
    assert "raise ValueError('here')" in run(code, edited)
