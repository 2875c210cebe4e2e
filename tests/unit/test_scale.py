"""What each rule asks of a cluster, held against what it took at every size that benchmarks/bench_scale.py ran."""

import importlib.util
import json
import re

import pytest
from places import ROOT

SIZES = json.loads((ROOT / "benchmarks/scale.json").read_text())
RULES = {
    name: body
    for path in sorted((ROOT / "rules").glob("*.smk"))
    for name, body in re.findall(r"^rule (\w+):\n((?:(?: .*)?\n)+)", path.read_text(encoding="utf-8"), re.MULTILINE)
}
ON_A_CLUSTER = sorted(name for name, body in RULES.items() if "mem_mb" in body and "localrule: True" not in body)
MOST = 10  # times what is needed
SLOWER = 2  # times, that a node of a cluster may be
START_MB, START_MINUTES = 1_500, 60  # that may be asked for whatever the size
EPOCHS = 200 / 2  # of a training by default, for each that the benchmark ran


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("bench_scale", ROOT / "benchmarks/bench_scale.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def asked(rule, resource, measured):
    """What a rule asks for, as `growing` of rules/params.smk has it, of its largest job at a size."""
    found = re.search(rf"{resource}=(growing\w*)\(([\d.]+)(?:, ([\d.]+))?(?:, of=\"(.*)\")?\)", RULES[rule])
    function, base, per_mb, of = found.groups(default="")
    if function == "growing_with_clusters" and rule == "label_cells":
        per_mb = 0  # the first labels of the benchmark are read from obs
    elif of:
        assert of.endswith("/expression.h5ad")
    return float(base) + float(per_mb or 0) * measured["expression_mb" if of else "input_mb"]


@pytest.mark.parametrize(
    ("n_cells", "rule"), [(n_cells, rule) for n_cells in SIZES for rule in ON_A_CLUSTER if rule in SIZES[n_cells]]
)
def test_rules_ask_for_enough_and_not_for_ten_times_too_much(n_cells, rule):
    measured = SIZES[n_cells][rule]
    memory, minutes = (asked(rule, resource, measured) for resource in ("mem_mb", "runtime"))
    of_longest = measured["longest"] / max(measured["wall"], 0.1)  # which had a core for so much of its time
    took = of_longest * measured["cpu"] / 60 * (EPOCHS if rule == "train_model" else 1)
    assert measured["peak_mb"] <= memory <= max(START_MB, MOST * measured["peak_mb"])
    assert SLOWER * took <= minutes <= max(START_MINUTES, MOST * took)


def test_a_failed_size_is_shown_beside_the_others(bench):
    row = dict.fromkeys(("wall", "cpu", "peak_mb", "written_mb"), 2.4) | {"jobs": 3.0}
    lines = list(bench.table({"10": {"train_model": row}, "2000": {"train_model": row, "fetch_counts": row}}))
    assert lines[0].count("2,000: ") == 4
    assert lines[2:] == ["| train_model (3)" + " | 2" * 8 + " |", "| fetch_counts (3)" + " | –" * 4 + " | 2" * 4 + " |"]


def test_more_cells_are_reckoned_by_the_growth_between_the_largest_sizes(bench):
    def size(cpu, peak_mb):
        return {"label_again": {"cpu": cpu, "peak_mb": peak_mb, "jobs": 1.0}}

    sizes = {"10": size(1, 1), "1000": size(20.0, 500.0), "4000": size(320.0, 2_000.0)}
    row = list(bench.projected(sizes, 8_000))[2]
    assert row == f"| label_again (1) | 2.0 | {1280 / 3600:.2f} | {4_000 / 1024:.1f} |"


def test_the_simulated_counts_are_as_sparse_as_they_say(bench, tmp_path, monkeypatch):
    from scae.data import row_blocks

    monkeypatch.setattr(bench, "CELLS_AT_ONCE", 70)
    bench.simulate(tmp_path / "counts.h5ad", 200, 2_000)
    with row_blocks.opened(tmp_path / "counts.h5ad") as data:
        assert data.shape == (200, 2_000)
        assert data.obs["type"].nunique() == bench.N_TYPES
        counts = row_blocks.in_memory(data.X)
    assert counts.nnz == pytest.approx(bench.DENSITY * 200 * 2_000, rel=0.05)
    assert (counts.data >= 1).all()
    assert (counts.data % 1 == 0).all()
