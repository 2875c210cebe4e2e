"""`snakemake check` says what each data set holds and all that would stop a run, before any job."""

import time

import pytest
from workflow_project import Project, toy_cells

BROKEN = {
    "batchless": ({"batch": "lane"}, 'batch: the data has no column "lane"'),
    "damaged": ({"source": "damaged.h5ad"}, "damaged.h5ad"),
    "gone": ({"source": "gone.h5ad"}, 'source: "gone.h5ad" does not exist'),
    "measured": ({"labels": {"from": "obs", "column": "score"}}, "are numbers, which look measured"),
    "missing": ({"labels": {"from": "obs", "column": "partial"}}, "10 of 90 cells have no label"),
    "mouse": ({"qc": {"max_pct_mito": 5, "mito_prefix": "mt-"}}, 'qc.mito_prefix: "MT-" would match 2'),
    "names": ({"genes": {"names": "symbol"}}, 'genes.names: no column "symbol"'),
    "nocolumn": ({"labels": {"from": "obs", "column": "celltype"}}, 'has no column "celltype"'),
    "others": (
        {"labels": {"from": "csv", "path": "types.csv"}},
        'labels.cell_names: {add_suffix: "-1"} would match 90',
    ),
    "gated": (
        {"labels": {"from": "markers", "markers": {"B": ["GENE1", "nope"], "T": ["GENE2"]}}},
        "labels.markers: the data lack nope (B), and a gate needs all its genes",
    ),
    "strange": ({"labels": {"from": "clusters", "markers": {"B": ["nope"]}}}, "labels.markers: none of the 1 genes"),
    "unknown": ({"labels": {"from": "none"}}, "none needs the number of clusters"),
}


@pytest.fixture
def checked(tmp_path, workflow):
    """A project with a good data set and what the broken ones need."""
    project = Project.create(tmp_path / "project", workflow)
    cells = toy_cells()
    cells.obs["score"] = [number / 7 for number in range(cells.n_obs)]
    cells.obs["partial"] = ["NA" if number % 9 == 4 else name for number, name in enumerate(cells.obs["cell_type"])]
    cells.write_h5ad(project.path("toy.h5ad"))
    project.path("damaged.h5ad").write_bytes(project.path("toy.h5ad").read_bytes()[:3000])
    rows = [f"{cell.removesuffix('-1')},B" for cell in cells.obs_names]
    project.path("types.csv").write_text("\n".join(["cell,label", *rows]))
    return project


def test_all_problems_of_all_data_sets_are_named_in_one_go(checked):
    good = checked.config["datasets"]["toy"]
    for name, (changes, _) in BROKEN.items():
        checked.set(f"datasets.{name}", good | changes)
    checked.set("run.datasets", ["toy", *BROKEN])
    started = time.monotonic()
    done = checked.run("check", check=False)
    assert time.monotonic() - started < 120  # 20 s on an idle machine
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    for name, (_, says) in BROKEN.items():
        lines = [line for line in done.stdout.splitlines() if line.startswith(f"check: {name}: ")]
        assert any(says in line for line in lines), (name, lines)
        assert f"warning: {name}: " in done.stdout[done.stdout.rindex("Exiting because a job") :]
    assert not [line for line in done.stdout.splitlines() if line.startswith("check: toy: ")]
    assert not checked.path("results/toy").exists()


def test_a_good_data_set_is_ready_and_looked_at_again_each_time(checked):
    checked.set("datasets.toy.labels", {"from": "obs", "column": "partial", "missing": "unscored"})
    for _ in range(2):
        done = checked.run("check")
        for text in (
            "90 x 60 (h5ad)",
            "whole numbers",
            "2 genes, no limit",
            "3 types",
            "10 unlabelled, not scored",
            "ready",
        ):
            assert text in done.stdout


def test_gene_sets_are_read_before_any_training(checked):
    checked.path("sets.gmt").write_text("one\tfirst\tGENE1\tGENE2\tGENE3\ntwo\tother\tGENE1\tnone\n")
    checked.set("datasets.toy.gene_sets", "sets.gmt")
    assert "1 with at least 3 of these genes" in checked.run("check").stdout
    checked.path("sets.gmt").write_text("one\tfirst\tGENE1\tGENE2\tGENE3\nno tab\n")
    done = checked.run("check", check=False)
    assert "check: toy: sets.gmt: line 2: is no gene set" in done.stdout


def test_each_set_of_labels_is_shown(checked):
    gates = {"from": "markers", "markers": {"B": ["GENE1"], "T": ["GENE20"]}}
    checked.set("datasets.toy.labels", {"hand": {"from": "obs", "column": "cell_type"}, "gates": gates})
    done = checked.run("check")
    for text in ("labels hand   3 types", "labels gates  by gates on markers", "markers gates found for all 2 types"):
        assert text in done.stdout
    gates["markers"]["T"] = ["nope"]
    checked.set("datasets.toy.labels", {"hand": {"from": "obs", "column": "gone"}, "gates": gates})
    done = checked.run("check", check=False)
    assert "the data lack nope (T)" in done.stdout
    assert 'has no column "gone"' in done.stdout
