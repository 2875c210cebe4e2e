"""What tests of all kinds share: where the real data lies, and what parallel workers make once for all of them."""

import fcntl
import os
import shutil
from pathlib import Path

import pytest

# Files whose tests share no fixture but those made once for all workers, so that each may go to any worker
SPREAD = {f"tests/workflow/test_{name}.py" for name in ("bad_config", "bad_data", "rerun_contract", "reruns")}


def pytest_addoption(parser):
    parser.addoption("--model-file", action="append", help="model file to test in place of the library's")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """The tests of a file run in one worker, which makes the file's fixtures once."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.partition("::")[0]
            return nodeid if file in SPREAD else file

    return ByFile(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Where all that tests need is said to be there, a skipped test is a failed one."""
    report = yield
    if os.environ.get("SCAE_NO_SKIP") and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, and SCAE_NO_SKIP is set: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """Function: the folder of a name, filled by ``make(folder)`` in the first worker that asks; the others wait."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root

    def folder_of(name, make):
        folder, done = root / "made_once" / name, root / "made_once" / f"{name}.done"
        folder.parent.mkdir(exist_ok=True)
        with open(folder.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # what a worker left that was killed
                make(folder)
                done.touch()
        return folder

    return folder_of


@pytest.fixture(scope="session")
def pbmc3k():
    """Folder with the PBMC3k archive and ``seurat_4.3/``, the output of a real Seurat run on it."""
    folder = os.environ.get("SCAE_TEST_DATA")
    if not folder:
        pytest.skip("SCAE_TEST_DATA is not set: it names the folder with pbmc3k/ (the 10x archive and a Seurat run)")
    return Path(folder) / "pbmc3k"
