"""The resources that rules request, compared with what bench_scale.py measured at every size."""

import json
import re
import runpy

import pytest
from places import ROOT

SIZES = json.loads((ROOT / "benchmarks/scale.json").read_text())
RULES = {
    name: body
    for path in sorted((ROOT / "rules").glob("*.smk"))
    for name, body in re.findall(r"^rule (\w+):\n((?:(?: .*)?\n)+)", path.read_text(encoding="utf-8"), re.MULTILINE)
}
ON_A_CLUSTER = {name for name, body in RULES.items() if "localrule: True" not in body}
MEASURED = [(n_cells, rule) for n_cells in SIZES for rule in sorted(SIZES[n_cells].keys() & ON_A_CLUSTER)]
FUSED = ("project_tsne", "score_clusters", "summarize_scores")  # do more than when they were measured
MOST = 10  # times the need
SLOWER = 2  # times, that a node of a cluster may be
START_MB, START_MINUTES = 1_500, 60  # may be requested at any size
EPOCHS = 200 / 2  # default epochs for each that the benchmark ran


@pytest.fixture(scope="module")
def bench():
    return runpy.run_path(str(ROOT / "benchmarks/bench_scale.py"))


def requested(rule, resource, measured):
    """Request of a rule's largest job, as `scae.config.resources.growing` computes it."""
    pattern = rf'{resource}=growing\(([\d.]+)(?:, ([\d.]+))?(?:, of="(.*?)")?(?:, when=(\S+))?\)'
    base, per_mb, of, when = re.search(pattern, RULES[rule]).groups(default="")
    slope = 0 if when else float(per_mb or 0)  # the benchmark reads its labels from obs
    return float(base) + slope * measured["expression_mb" if of else "input_mb"]


@pytest.mark.parametrize(("n_cells", "rule"), MEASURED)
def test_rules_request_enough_and_not_ten_times_too_much(n_cells, rule):
    measured = SIZES[n_cells][rule]
    memory, minutes = (requested(rule, resource, measured) for resource in ("mem_mb", "runtime"))
    of_longest = measured["longest"] / max(measured["wall"], 0.1)  # share of the CPU time in the longest job
    took = of_longest * measured["cpu"] / 60 * (EPOCHS if rule == "train_model" else 1)
    assert measured["peak_mb"] <= memory
    assert SLOWER * took <= minutes
    if rule not in FUSED:
        assert memory <= max(START_MB, MOST * measured["peak_mb"])
        assert minutes <= max(START_MINUTES, MOST * took)


def test_a_failed_size_is_shown_beside_the_others(bench):
    row = dict.fromkeys(("wall", "cpu", "peak_mb", "written_mb"), 2.4) | {"jobs": 3.0}
    lines = list(bench["table"]({"10": {"train_model": row}, "2000": {"train_model": row, "fetch_counts": row}}))
    assert lines[0].count("2,000: ") == 4
    assert lines[2:] == ["| train_model (3)" + " | 2" * 8 + " |", "| fetch_counts (3)" + " | –" * 4 + " | 2" * 4 + " |"]


def test_larger_sizes_are_extrapolated_from_the_two_largest(bench):
    sizes = {
        n_cells: {"label_cells": {"cpu": cpu, "peak_mb": peak_mb, "jobs": 1.0}}
        for n_cells, cpu, peak_mb in (("10", 1, 1), ("1000", 20.0, 500.0), ("4000", 320.0, 2_000.0))
    }
    row = list(bench["projected"](sizes, 8_000))[2]
    assert row == f"| label_cells (1) | 2.0 | {1280 / 3600:.2f} | {4_000 / 1024:.1f} |"


def test_the_simulated_counts_have_the_stated_density(bench, tmp_path):
    from scae.data import row_blocks

    bench["simulate"](tmp_path / "counts.h5ad", 200, 2_000)
    with row_blocks.opened(tmp_path / "counts.h5ad") as data:
        assert data.shape == (200, 2_000)
        assert data.obs["type"].nunique() == bench["N_TYPES"]
        counts = row_blocks.in_memory(data.X)
    assert counts.nnz == pytest.approx(bench["DENSITY"] * 200 * 2_000, rel=0.05)
    assert (counts.data >= 1).all()
    assert (counts.data % 1 == 0).all()
