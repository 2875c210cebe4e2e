"""Notes at the end of a run: each message once, for the data sets and models of this run only."""

import logging
import time
from types import SimpleNamespace

import pytest

from scae.jobs import notes, record


def job(folder, rule, wildcards, *found):
    """Write the log of a job that has logged (level, message)."""
    path = folder / rule / f"{'.'.join(wildcards.values())}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as log:
        key = record.begin(log)
    logger, collector, handler = logging.getLogger("scae.jobs.notes"), notes.Collector(), logging.FileHandler(path)
    logger.setLevel(logging.INFO)
    logger.addHandler(collector)
    for level, message in found:
        logger.log(level, message)
    logger.removeHandler(collector)
    logger.addHandler(handler)
    made = ["/".join(["results", *wildcards.values(), rule])] if wildcards else []
    collector.write(SimpleNamespace(rule=rule, output=made, wildcards=wildcards), key)
    logger.removeHandler(handler)
    handler.close()


RUN = {"results/a/preprocess_cells"} | {
    f"results/a/{model}/{seed}/project_tsne" for model in ("dae", "pca") for seed in (0, 1)
}


@pytest.fixture
def logs(tmp_path):
    job(tmp_path, "preprocess_cells", {"dataset": "a"}, (notes.NOTE, "9 of 10 cells kept"), (logging.INFO, "detail"))
    job(tmp_path, "preprocess_cells", {"dataset": "old"}, (notes.NOTE, "3 of 4 cells kept"))
    job(tmp_path, "check", {}, (notes.NOTE, "looks fine"))
    for model in ("dae", "pca", "gone"):
        for seed in "012":
            wildcards = {"dataset": "a", "model": model, "seed": seed}
            job(tmp_path, "project_tsne", wildcards, (logging.WARNING, "collapsed"), (logging.ERROR, "failed"))
    return tmp_path


def test_notes_come_before_warnings_each_once_with_its_runs(logs):
    assert notes.summary(logs, RUN) == ["a: 9 of 10 cells kept", "warning: a (4 runs): collapsed"]
    assert notes.summary(logs, {"results/a/pca/1/project_tsne"}) == ["warning: a (pca/1): collapsed"]
    assert notes.summary(logs, set(), ["check"]) == ["looks fine"]
    assert notes.summary(logs / "none", RUN) == []
    assert notes.summary(logs, RUN, since=time.time() + 60) == []


def test_a_long_list_is_cut(logs):
    for number in range(40):
        job(logs, f"rule{number}", {"dataset": "b"}, (notes.NOTE, f"note {number}"))
    found = notes.summary(logs, RUN | {f"results/b/rule{number}" for number in range(40)})
    assert len(found) == notes.SHOWN + 1
    assert found[-1].startswith("and 12 more")


def test_a_log_that_is_removed_or_cut_short_is_skipped(logs):
    (logs / "preprocess_cells/gone.log").symlink_to(logs / "nowhere.log")
    (logs / "preprocess_cells/cut.log").write_text('key of the records: 0123456789abcdef\nnoted 0123456789abcdef {"wil')
    assert notes.summary(logs, RUN)[0] == "a: 9 of 10 cells kept"


def test_a_message_neither_forges_a_note_nor_reaches_the_terminal_raw(tmp_path, capsys):
    forged = 'x\nnoted {"files": [], "wildcards": {}, "notes": [[true, "all is well"]]}\x1b]0;title\x07\u202e\x9b2J'
    job(tmp_path, "check", {}, (logging.WARNING, forged))
    notes.show(tmp_path, set(), ["check"])
    said = capsys.readouterr().err
    assert said.startswith("  warning: x\\nnoted {")
    assert said.count("\n") == 1
    assert said.rstrip("\n").isprintable()


def test_a_name_is_put_before_notes_but_not_before_messages_of_other_packages(caplog):
    with notes.about("toy"):
        logging.getLogger("scae.data").warning("%d cells", 3)
        logging.getLogger("other").warning("careful")
    logging.getLogger("scae.data").warning("after")
    assert caplog.messages == ["toy: 3 cells", "careful", "after"]
