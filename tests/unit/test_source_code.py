"""The code that runs is that of the source files, whatever bytecode lies beside them."""

import os
import subprocess
import sys

import pytest
from places import ROOT


@pytest.fixture
def edited(tmp_path):
    """A copy of the package in which a module was compiled, then edited to another text of the same size and time."""
    package = tmp_path / "scae"
    for name in ("__init__.py", "errors.py", "jobs/__init__.py", "jobs/source_code.py"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_bytes((ROOT / "scripts/scae" / name).read_bytes())
    module = package / "question.py"
    module.write_text("answer = 1\n")
    run("import scae.question", tmp_path)
    times = module.stat().st_atime_ns, module.stat().st_mtime_ns
    module.write_text("answer = 2\n")
    os.utime(module, ns=times)
    return tmp_path


def run(code, folder):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, check=True).stdout


def bytecode(folder, name):
    return list(folder.glob(f"scae/__pycache__/{name}.*.pyc"))


def test_old_bytecode_of_an_edited_module_does_not_run(edited):
    answer = "import scae.question; print(scae.question.answer)"
    assert run(answer, edited) == "1\n", "Python would notice the edit by itself: the test shows nothing"
    assert run(f"import scae.jobs.source_code; {answer}", edited) == "2\n"


def test_no_bytecode_is_written_and_that_of_earlier_modules_is_removed(edited):
    bytecode(edited, "question")[0].unlink()
    assert bytecode(edited, "errors") == []
    run("import scae.errors", edited)
    assert bytecode(edited, "errors")
    run("from scae.jobs import source_code; source_code.forget_bytecode(); import scae.question", edited)
    assert bytecode(edited, "errors") == bytecode(edited, "question") == []


def test_a_file_is_read_once(edited):
    """So the digest of a job's code is of what it runs, even if the file is edited in between."""
    code = (
        "import os, scae.jobs.source_code as code; code.text('scae/question.py'); "
        "os.remove('scae/question.py'); open('scae/question.py', 'w').write('answer = 3'); "
        "import scae.question; print(scae.question.answer)"
    )
    assert run(code, edited) == "2\n"


def test_a_traceback_shows_the_line_that_failed(edited):
    (edited / "scae/question.py").write_text("def fail():\n    raise ValueError('here')\n")
    code = "import traceback, scae.jobs.source_code, scae.question\ntry: scae.question.fail()\n"
    code += "except ValueError: print(traceback.format_exc())"
    assert "raise ValueError('here')" in run(code, edited)
