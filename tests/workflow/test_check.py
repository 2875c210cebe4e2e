"""`snakemake check` says what each data set holds and all that would stop a run, before any job."""

import re

import pytest
from workflow_project import Project, toy_cells

BROKEN = {  # {data set: (what is wrong with its entry, fragments of the line that says so)}
    "batchless": ({"batch": "lane"}, ["batch: ", '"lane"']),
    "damaged": ({"source": "damaged.h5ad"}, ["damaged.h5ad"]),
    "gone": ({"source": "gone.h5ad"}, ["source: ", '"gone.h5ad" does not exist']),
    "measured": ({"labels": {"from": "obs", "column": "score"}}, ["labels: 90 different values", "measurements"]),
    "missing": ({"labels": {"from": "obs", "column": "partial"}}, ["10 of 90 cells"]),
    "mouse": ({"qc": {"max_pct_mito": 5, "mito_prefix": "mt-"}}, ["qc.mito_prefix: ", '"MT-"', "2"]),
    "names": ({"genes": {"names": "symbol"}}, ["genes.names: ", '"symbol"']),
    "nocolumn": ({"labels": {"from": "obs", "column": "celltype"}}, ['"celltype"', "cell_type"]),
    "others": ({"labels": {"from": "csv", "path": "types.csv"}}, ['labels.cell_names: {add_suffix: "-1"}', "90"]),
    "gated": ({"labels": {"from": "markers", "markers": {"B": ["GENE1", "nope"], "T": ["GENE2"]}}}, ["nope (B)"]),
    "strange": ({"labels": {"from": "clusters", "markers": {"B": ["nope"]}}}, ["labels.markers: none of the 1 gene"]),
    "unknown": ({"labels": {"from": "none"}}, ["kmeans.k"]),
}


@pytest.fixture
def checked(tmp_path, workflow, warm):
    """A project with a good data set and what the broken ones need."""
    project = Project.create(tmp_path / "project", workflow, warm=warm)
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
    done = checked.run("check", check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    for name, (_, fragments) in BROKEN.items():
        lines = [line for line in done.stdout.splitlines() if line.startswith(f"{name}: ")]
        assert any(all(fragment in line for fragment in fragments) for line in lines), (name, fragments, lines)
        assert all(done.stdout.count(line) == 1 for line in lines), name
    assert {line for line in done.stdout.splitlines() if line.startswith("toy: ")} <= {"toy: ready"}
    assert re.fullmatch(r"check: \d+ problems would stop a run; .*", done.stdout.splitlines()[-1])
    assert not checked.path("results/toy").exists()


def test_a_good_data_set_is_described_at_each_call(checked):
    checked.path("sets.gmt").write_text("one\tfirst\tGENE1\tGENE2\tGENE3\ntwo\tother\tGENE1\tnone\n")
    gates = {"from": "markers", "markers": {"B": ["GENE1"], "T": ["GENE20"]}}
    hand = {"from": "obs", "column": "partial", "missing": "unscored"}
    checked.config["datasets"]["toy"] |= {"gene_sets": "sets.gmt", "labels": {"hand": hand, "gates": gates}}
    for _ in range(2):
        said = checked.run("check").stdout
        assert len(said.splitlines()) <= 20
        for fragment in ("(h5ad): 90 cells x 60 genes", "3 types", "10 ", "labels gates", "gene set", "toy: ready"):
            assert fragment in said
    checked.path("sets.gmt").write_text("one\tfirst\tGENE1\tGENE2\tGENE3\nno tab\n")
    gates["markers"]["T"] = ["nope"]
    done = checked.run("check", check=False)
    assert "toy: sets.gmt: line 2: " in done.stdout
    assert "nope (T)" in done.stdout


def test_a_folder_named_check_does_not_turn_a_run_into_a_check(checked):
    checked.path("check").symlink_to(".")
    checked.set("datasets.toy.source", "gone.h5ad")
    said = {target: checked.run(*target, "--directory", "check", check=False).stdout for target in ((), ("check",))}
    assert 'config: datasets.toy.source: "gone.h5ad" does not exist' in said[()]
    assert 'toy: source: "gone.h5ad" does not exist' in said["check",]
