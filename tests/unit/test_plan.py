"""The plan of a run: what each job gets. No Snakemake here."""

import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from settings import changed, load

from scae.config.plan import Plan
from scae.errors import UserError

GATES = {"from": "markers", "markers": {"B": ["CD19"], "T": ["CD3D"]}}


FILES_OF_A_TRAINING = ("model.pt", "history.csv", "timing.csv", "latent.csv")


class Wildcards(SimpleNamespace):
    def items(self):
        return vars(self).items()


def job(dataset="toy", model="vae", seed="0", **more):
    return Wildcards(dataset=dataset, model=model, seed=seed, **more)


@pytest.fixture
def config(config, tmp_path, monkeypatch):
    """Two data sets, one with a batch and two label sets; a model of each sort; two seeds."""
    monkeypatch.chdir(tmp_path)
    for name in ("types.csv", "mito.txt", "sets.gmt", "table.csv", "counts.csv"):
        (tmp_path / name).write_text(f"content of {name}")
    config["datasets"] = {
        "toy": {
            "source": "scanpy:pbmc68k_reduced",
            "batch": "lane",
            "labels": {"file": {"from": "csv", "path": "types.csv", "missing": "drop"}, "gates": GATES},
            "qc": {"mito_genes": "mito.txt"},
            "gene_sets": "sets.gmt",
        },
        "other": {
            "source": "counts.csv",
            "labels": {"from": "obs", "column": "type"},
            "export": False,
            "held_out_molecules": {"repeats": 2},
        },
    }
    config["datasets"]["toy"]["held_out_molecules"] = False
    config["choose"] = {"model": "vae", "n_latent": [3]}
    config["models"] |= {
        "pca": {"kind": "pca"},
        "ours": {"kind": "given", "path": "table.csv"},
        "swept": {"kind": "dae", "sweep": {"n_latent": [4, 2]}},
    }
    config["run"] = {"datasets": ["toy", "other"], "models": ["vae", "swept", "pca", "ours"], "seeds": [3, 0]}
    return config


@pytest.fixture
def plan(config):
    return Plan(load(config), config["run"])


def test_lists_of_the_run_say_which_files_are_made(plan):
    assert (plan.datasets, plan.seeds, plan.batched, plan.exported) == (["other", "toy"], [0, 3], ["toy"], ["toy"])
    assert (plan.own, plan.external) == (["swept_n_latent2", "swept_n_latent4", "vae"], [])
    assert plan.jobs_of("untrained") == ["ours", "pca"]
    assert plan.jobs_of("own") == [*plan.own, "vae_n_latent3"]  # the last one for `snakemake choose`
    assert plan.halves == {"other.half1": "other", "other.half2": "other"}
    assert plan.named("batches") == ["<results>/toy/batches.csv"]
    assert plan.named("exported_labels") == ["<results>/toy/export/labels.csv"]
    assert plan.named("label_set") == ["<results>/toy/labels/gates.csv"]
    assert len(plan.named("latent")) == 2 * 5 * 2 + 2 * (3 * 2 + 1)  # of a half, PCA with one seed and no `ours`
    assert len(plan.named("model")) == 2 * 3 * 2 + 2 * 3 * 2
    assert set(plan.targets_to_choose()) == {
        "<results>/other/choice.csv",
        *(f"<results>/other.half1/vae_n_latent3/seed0/{name}" for name in FILES_OF_A_TRAINING),
    }
    assert plan.named("test_half") == ["<results>/other.half1/test.h5ad", "<results>/other.half2/test.h5ad"]
    assert {path.split("/")[3] for path in plan.named("tsne3d")} == {"seed0"}
    assert len(plan.named("sweep_svg")) == 2


def test_targets_are_the_files_of_their_part(plan):
    parts = {part: plan.targets(part) for part in ("data", "models", "evaluation", "report")}
    everything = plan.targets()
    assert sorted(everything) == sorted(path for paths in parts.values() for path in paths)
    assert len(set(everything)) == len(everything)
    assert "<results>/toy/expression.h5ad" in parts["data"]
    assert "<results>/report.html" in parts["report"]
    varying = set(everything) - set(plan.targets(same=True))
    assert varying == {path for name in ("timing", "training_times", "report") for path in plan.named(name)}


def test_external_models_have_a_kl_and_no_weights(config):
    config["models"]["scvi"] = {"kind": "scvi"}
    config["run"]["models"] = ["scvi", "vae"]
    plan = Plan(load(config))
    assert (plan.external, plan.own) == (["scvi"], ["vae"])
    assert {path.split("/")[2] for path in plan.named("kl")} == {"scvi"}
    assert {path.split("/")[2] for path in plan.named("model")} == {"vae"}
    assert plan.training(job(model="scvi")) == {"batch_size": 128}
    assert plan.batch_module(job(model="scvi")) == ["scae.data.batch"]
    assert plan.batch_module(job("other", "scvi")) == []


@pytest.mark.parametrize(
    ("which", "jobs"),
    [
        ("batched", [("toy", "vae"), ("toy", "pca")]),
        ("simulated", []),
        ("trained", [("toy", "vae"), ("other", "vae")]),
        ("own", [("toy", "vae"), ("other", "vae")]),
        ("external", []),
        ("batch_conditioned", []),
    ],
)
def test_some_inputs_are_for_some_jobs_only(which, jobs, plan):
    files = plan.only(which, "{dataset}/{model}/x.csv")
    found = [(dataset, model) for dataset in ("toy", "other") for model in ("vae", "pca") if files(job(dataset, model))]
    assert found == jobs


def test_an_input_for_some_jobs_is_expanded_over_further_wildcards(plan):
    files = plan.only("own", "{dataset}/{model}/seed{seed}/model.pt", seed=plan.seeds)
    wildcards = Wildcards(dataset="toy", model="vae")
    assert files(wildcards) == ["toy/vae/seed0/model.pt", "toy/vae/seed3/model.pt"]


def test_a_batch_conditioned_model_gets_the_batch(config):
    config["models"]["vae"]["batch"] = True
    plan = Plan(load(changed(config, "run", {"datasets": ["toy"], "models": ["vae", "plain"]})))
    assert plan.only("batch_conditioned", "x")(job()) == "x"
    assert (plan.model(job())["batch"], plan.batch_module(job())) == ("lane", ["scae.data.batch"])
    assert "batch" not in plan.model(job(model="plain"))
    assert plan.batch_module(job(model="plain")) == []


def test_files_of_the_user_are_known_by_content(plan, tmp_path):
    def digests(*names):
        return [hashlib.sha256(f"content of {name}".encode()).hexdigest() for name in names]

    assert plan.content("labels", "mito")(job()) == digests("types.csv", "mito.txt")
    assert plan.content("labels", "mito")(job("other")) == []
    assert plan.user_files("source", job("other")) == ["counts.csv"]
    assert plan.user_files("gene_sets", job()) == ["sets.gmt"]
    assert plan.user_files("dropped_labels", job()) == ["types.csv"]
    assert plan.user_files("labels", job(label_set="gates")) == []
    assert plan.content("given")(job(model="ours")) == digests("table.csv")
    assert plan.content("given")(job(model="pca")) == []
    before = plan.content("labels")(job())
    (tmp_path / "types.csv").touch()
    assert plan.content("labels")(job()) == before
    (tmp_path / "types.csv").write_text("other")
    assert plan.content("labels")(job()) != before


@pytest.mark.parametrize(
    ("labels", "files"),
    [
        ({"path": "https://example.org/types.csv"}, []),
        ({"path": "types.csv", "sha256": "0" * 64}, ["types.csv"]),
        ({"path": "types.csv"}, None),
    ],
)
def test_labels_to_check_are_fetched_by_a_job_of_their_own(labels, files, config):
    config["datasets"]["toy"]["labels"] = {"from": "csv", "missing": "drop"} | labels
    plan, path = Plan(load(config)), "<results>/toy/fetched_labels/csv.csv"
    fetched = [] if files is None else [path]
    assert plan.named("fetched_labels") == fetched
    assert plan.fetched_labels(job()) == plan.dropped_fetched_labels(job()) == (path if fetched else [])
    assert (plan.user_files("labels", job()), plan.user_files("fetched_labels", job())) == (
        ([], files) if fetched else (["types.csv"], [])
    )
    assert (plan.labels(job())["labels"]["path"] is None) == bool(fetched)
    assert "sha256" not in plan.labels(job())["labels"]
    assert plan.labels_to_fetch(job()).items() >= labels.items()


def test_each_label_set_has_its_entry_and_its_source(plan):
    assert plan.labels(job())["labels"]["from"] == "csv"
    assert plan.labels(job(label_set="gates"))["labels"]["markers"] == GATES["markers"]
    assert [plan.makes_labels(job(label_set=name)) for name in ("gates", "file")] == [True, False]
    assert plan.label_names(job()) == ["file", "gates"]
    assert plan.more_labels(job()) == ["<results>/toy/labels/gates.csv"]
    assert plan.more_labels(job("other")) == []
    assert plan.label_sources() == {"other": {"obs": "obs"}, "toy": {"file": "csv", "gates": "markers"}}
    assert plan.clusterings()["toy"] == {"file": {"from": "csv"}, "gates": {"from": "markers"}}
    assert (plan.label_column(job()), plan.label_column(job("other"))) == ("", "type")
    assert (plan.batch_column(job()), plan.batch_column(job("other"))) == ("lane", "")
    assert plan.dropped(job())["path"] == "types.csv"
    assert plan.dropped(job("other")) is None
    assert (plan.label_module(job()), plan.label_module(job("other"))) == (["scae.data.labels"], [])


def test_the_code_of_a_job_is_that_of_its_model(plan):
    code = plan.code("train_model", plan.model_module)
    found = {name: code(job(model=name)) for name in ("vae", "swept_n_latent2", "swept_n_latent4")}
    assert found["vae"]["of"] == ["train_model", "scae.models.beta_vae"]
    assert found["swept_n_latent2"] == found["swept_n_latent4"] != found["vae"]
    assert plan.inspection_module(job()) == ["scae.evaluation.inspection"]
    assert plan.inspection_module(job(model="pca")) == []
    assert plan.reader_modules(job()) == ["scae.sources.anndata_files"]
    assert plan.reader_modules(job("other")) == ["scae.sources.text_tables"]


def test_code_that_cannot_be_read_is_reported_by_the_given_exception(config):
    Path("my_model.py").write_text("def broken(:\n")
    for refuse in (UserError, OSError):
        code = Plan(load(config), refuse=refuse).code("train_model", lambda wildcards: ["my_model.py"])
        with pytest.raises(refuse, match=r"my_model\.py"):
            code(job())


def test_a_job_gets_the_settings_that_can_change_its_result(config):
    plan = Plan(load(config))
    assert plan.model(job()) == {"kind": "beta_vae", "beta": 2.0, "n_latent": 6}  # no options that are off
    assert plan.training(job()).keys() == {
        *("batch_size", "device", "engine", "epochs", "learning_rate", "precision", "threads")
    }
    assert plan.training(job(model="pca")) == {}
    held_out = Plan(load(changed(config, "training", {"holdout": 0.1, "min_steps": 7, "checkpoint_minutes": 1})))
    assert held_out.training(job()).keys() - plan.training(job()).keys() == {"holdout", "min_steps"}
    assert plan.dataset("qc", "batch")(job()).keys() == {"batch", "qc"}
    assert list(plan.source(job())) == sorted(plan.source(job()))
    assert {"source", "sha256", "member"} <= plan.source(job()).keys()
    assert not {"labels", "qc", "batch", "genes"} & plan.source(job()).keys()
    assert plan.run_settings(job(model="pca")) == {"deterministic": True, "seeds": [0, 3]}
    assert plan.run_settings(job())["deterministic"] is False
    scaled = Plan(load(changed(config, "expression", {"scale": True})))
    assert scaled.expression(job(model="pca")) == {"scale": True}
    assert scaled.untrained_expression(job(model="ours")) == {"scale": False}
    sampled = Plan(load(changed(config, "latent", {"estimate": "slab_mean"})))
    assert sampled.latent(job(model="vae")) == plan.latent(job(model="vae"))  # the same number for a Gaussian posterior
    assert plan.given_source(job(model="ours")) == plan.given_source(job()) == {}


def test_the_report_follows_the_order_of_the_user(plan):
    order = plan.order("datasets", "models")
    assert order["datasets"] == ["toy", "other"]
    assert order["models"] == ["vae", "swept_n_latent4", "swept_n_latent2", "pca", "ours"]
    assert list(plan.sweep_points()["swept"]) == ["swept_n_latent2", "swept_n_latent4"]
    assert plan.sweep_points()["swept"]["swept_n_latent4"] == {"n_latent": 4}
    assert plan.roles() == {"ours": "model", "pca": "pca"} | dict.fromkeys(plan.own, "model")
    assert set(plan.runs()) == {f"{model}_seed{seed}" for model in plan.models for seed in (0, 3)}
    assert plan.runs()["vae_seed3"]["settings"]["training"]["epochs"] == 200
    shared = {"kind", "n_latent", "expression", "kmeans", "tsne"}
    assert plan.runs()["pca_seed0"]["settings"].keys() == shared
    assert plan.runs()["vae_seed3"]["settings"].keys() == shared | {"beta", "training", "latent"}
    assert plan.model_info()["pca"].items() >= {"trained": False, "deterministic": True, "external": False}.items()


def test_the_report_shows_no_secrets_and_no_local_folders(config):
    config["datasets"]["other"]["source"] = "https://example.org/a.h5ad?token=secret"
    config["datasets"]["toy"]["labels"]["file"]["path"] = str(Path("types.csv").absolute())
    config["datasets"]["toy"]["published"] = {"citation": "study", "scores": {"vae": {"nmi": 0.7}}}
    plan = Plan(load(config))
    assert "secret" not in str(plan.report_settings())
    assert plan.report_settings()["datasets"]["toy"]["labels"]["file"]["path"] == "types.csv"
    assert "published" not in plan.report_settings()["datasets"]["toy"]
    assert plan.published()["toy"]["scores"] == {"vae": {"nmi": 0.7}}
