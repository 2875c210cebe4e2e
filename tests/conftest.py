"""What tests of all kinds share: where the real data lies."""

import os
from pathlib import Path

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Where all that tests need is said to be there, a skipped test is a failed one."""
    report = yield
    if os.environ.get("SCAE_NO_SKIP") and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, and SCAE_NO_SKIP is set: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def pbmc3k():
    """Folder with the PBMC3k archive and ``seurat_4.3/``, the output of a real Seurat run on it."""
    folder = os.environ.get("SCAE_TEST_DATA")
    if not folder:
        pytest.skip("SCAE_TEST_DATA is not set: it names the folder with pbmc3k/ (the 10x archive and a Seurat run)")
    return Path(folder) / "pbmc3k"
