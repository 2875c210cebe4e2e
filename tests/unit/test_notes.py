"""What jobs note stands at the end of the run: each message once, of this run's data sets and models only."""

import logging

import pytest

from scae.jobs import notes

RUN = {"datasets": ["a", "b"], "models": ["dae", "pca"], "seeds": [0, 1]}


def job(folder, rule, wildcards, *found):
    collector = notes.Collector()
    logger = logging.getLogger("scae.jobs.notes")
    logger.setLevel(logging.INFO)
    logger.addHandler(collector)
    for level, message in found:
        logger.log(level, message)
    logger.removeHandler(collector)
    path = folder / rule / f"{'.'.join(wildcards.values())}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path)
    logger.addHandler(handler)
    try:
        collector.write(rule, wildcards)
    finally:
        logger.removeHandler(handler)
        handler.close()


@pytest.fixture
def logs(tmp_path):
    job(tmp_path, "preprocess_cells", {"dataset": "a"}, (notes.NOTE, "9 of 10 cells kept"), (logging.INFO, "detail"))
    job(tmp_path, "preprocess_cells", {"dataset": "old"}, (notes.NOTE, "3 of 4 cells kept"))
    for model in ("dae", "pca", "gone"):
        for seed in "012":
            wildcards = {"dataset": "a", "model": model, "seed": seed}
            job(tmp_path, "project_tsne", wildcards, (logging.WARNING, "collapsed"), (logging.ERROR, "failed"))
    return tmp_path


def test_notes_come_first_then_warnings_each_once_and_of_this_run_alone(logs):
    assert notes.summary(logs, RUN) == ["a: 9 of 10 cells kept", "warning: a (4 runs): collapsed"]
    only = RUN | {"models": ["pca"], "seeds": [1]}
    assert notes.summary(logs, only)[1] == "warning: a (pca/1): collapsed"


def test_many_lines_are_cut(logs):
    for number in range(40):
        job(logs, f"rule{number}", {"dataset": "b"}, (notes.NOTE, f"note {number}"))
    found = notes.summary(logs, RUN)
    assert len(found) == notes.SHOWN + 1
    assert found[-1].startswith("and 12 more")


def test_a_log_that_goes_meanwhile_or_was_cut_short_is_passed_over(logs):
    (logs / "preprocess_cells/gone.log").symlink_to(logs / "nowhere.log")
    (logs / "preprocess_cells/cut.log").write_text('noted {"rule": "preprocess_cells", "wildc')
    assert notes.summary(logs, RUN)[0] == "a: 9 of 10 cells kept"


def test_a_folder_without_logs_has_nothing_to_say(tmp_path):
    assert notes.summary(tmp_path / "none", RUN) == []
