"""The examples of CONTRIBUTING.md work as they are."""

import re
import subprocess
import sys
import textwrap

import pandas as pd
import pytest
import yaml
from workflow_project import MODELS, REPOSITORY

MODEL_FILE_TEST = "tests/unit/test_model_files.py"


def blocks(section, language):
    """The code blocks of a section of CONTRIBUTING.md."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    part = re.search(rf"^## {section}\n(.*?)^## ", text, re.DOTALL | re.MULTILINE)[1]
    return [textwrap.dedent(block) for block in re.findall(rf"^ *```{language}\n(.*?)^ *```$", part, re.DOTALL | re.M)]


@pytest.fixture(scope="module")
def my_model():
    [text] = blocks("Add a model", "python")
    return text


# The model file

BAD_FILES = {  # fault: (text in the file, its replacement)
    "looks_inside": ("x.linear(self.encoder), self", "x.expression @ self.encoder.weight, self"),
    "no_doi": ("10.1016/", "doi.org/10.1016/"),
    "no_description": (', "description": "Number of latent dimensions"', ""),
    "unused_layer": ("= nn.Linear(n_latent", "= self.spare = nn.Linear(9, 9); self.decoder = nn.Linear(n_latent"),
    "learns_nothing": ('{"loss": reconstruction', '{"loss": 0 * reconstruction'),
    "noisy": ("return x.linear(self.encoder)", "return x.linear(self.encoder) * numpy.random.default_rng().random()"),
    "one_name_left_out": (', "sample": "posterior_mean"', ""),
    "one_latent_more": ("GeneLinear(n_genes, n_latent)", "GeneLinear(n_genes, n_latent + 1)"),
}


def test_the_model_file_passes_its_test_and_faulty_ones_fail(my_model, tmp_path):
    files = {"my_model": my_model}
    for name, (old, new) in BAD_FILES.items():
        assert old in my_model
        files[name] = "import numpy\n" + my_model.replace(old, new)
    arguments = []
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text)
        arguments += ["--model-file", str(tmp_path / f"{name}.py")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", MODEL_FILE_TEST, *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    failed = set(re.findall(r"^(?:FAILED|ERROR) \S+\[\S*?(\w+)\.py\]", done.stdout, re.MULTILINE))
    assert failed == BAD_FILES.keys(), done.stdout


def test_the_model_file_runs_by_its_path_to_the_report(project, my_model):
    [config] = map(yaml.safe_load, blocks("Add a model", "yaml"))
    project.path("my_model.py").write_text(my_model)
    project.set("models.mine", config["models"]["mine"])
    project.set("run.models", [*MODELS, *config["run"]["models"]])
    plan = project.planned()
    assert plan["train_model"] == plan["embed_cells"] == {("toy", "mine", "0")}
    project.run()
    latent = pd.read_csv(project.path("results/toy/mine/seed0/latent.csv"), index_col="cell")
    assert latent.shape == (90, config["models"]["mine"]["n_latent"])
    scores = pd.read_csv(project.path("results/metrics.csv"))
    assert set(scores["model"]) == {*MODELS, "mine"}
    report = project.path("results/report.html").read_text(encoding="utf-8")
    assert "linear autoencoder" in report
    assert "doi:10.1016/0893-6080(89)90014-2" in report
    assert project.planned() == {}


def test_a_faulty_model_file_stops_its_job_with_one_line(project, my_model):
    project.path("my_model.py").write_text(my_model.replace('{"loss":', '{"total":'))
    project.set("models.mine", {"kind": "my_model.py"})
    project.set("run.models", ["mine"])
    done = project.run("results/toy/mine/seed0/model.pt", check=False)
    assert done.returncode
    assert "Traceback" not in done.stdout
    assert re.search(r"train_model dataset=toy model=mine seed=0: my_model.py: .*\"loss\"", done.stdout)


# The metric


def test_the_metric_reaches_tables_heatmap_and_report_without_training(edited):
    function, entry = blocks("Add a metric", "python")
    path = edited.workflow / "scripts/scae/evaluation/metrics.py"
    text = path.read_text(encoding="utf-8")
    before, start, rest = text.partition("METRICS = [\n")
    entries, end, after = rest.partition("\n]\n")
    path.write_text(f"{before}{function}\n\n{start}{entries}\n{entry.rstrip()},{end}{after}")
    edited.set("datasets.toy.published", {"citation": "a study", "scores": {"dae": {"purity": 0.875}}})
    assert {"train_model", "embed_cells", "project_tsne"}.isdisjoint(edited.planned())
    edited.run()
    scores = pd.read_csv(edited.path("results/metrics.csv")).set_index(["model", "space", "metric"])["value"]
    for model in MODELS:
        clusters = pd.read_csv(edited.path(f"results/toy/{model}/seed0/clusters.csv"), index_col="cell")
        labels = pd.read_csv(edited.path("results/toy/labels.csv"), index_col="cell")["label"]
        for space in ("tsne2d", "latent"):
            owned = pd.crosstab(clusters[space], labels.loc[clusters.index]).max(axis=1).sum()
            assert scores[model, space, "purity"] == pytest.approx(owned / len(labels))
    assert "<!-- purity -->" in edited.path("results/heatmap.svg").read_text(encoding="utf-8")
    report = edited.path("results/report.html").read_text(encoding="utf-8")
    assert "share of the cells that belong to the majority type of their cluster" in report
    assert '<td data-value="0.875">0.88</td>' in report  # as published
