"""The rerun contract, read from rerun_contract.yaml: changes of a finished run, and the jobs that rerun after them."""

import copy
import hashlib
import itertools
import json
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from workflow_project import REPOSITORY, toy_cells

CONTRACT = yaml.safe_load(Path(__file__).with_name("rerun_contract.yaml").read_text(encoding="utf-8"))
BASES = CONTRACT["bases"]
LONG_AGO = (1_000_000_000, 1_000_000_000)


@dataclass(frozen=True)
class Row:
    reruns: str
    change: str = ""
    base: str = "small"
    set: dict = field(default_factory=dict)
    files: dict = field(default_factory=dict)
    edit: dict = field(default_factory=dict)
    do: list = field(default_factory=list)
    options: list = field(default_factory=list)
    all: bool = False

    @property
    def text(self):
        """The change in words."""
        keys = (re.sub(r"^(datasets|models)\.(toy|mixed)\.", r"\1.<name>.", key) for key in self.set)
        return self.change or " and ".join(f"`{name}`" for name in [*keys, *self.edit, " ".join(self.options)] if name)

    @property
    def changes_files(self):
        return bool(self.files or self.edit or self.do)

    @property
    def changes_code(self):
        return bool(self.edit) or not {"comment_code", "touch_workflow"}.isdisjoint(self.do)

    def applied(self, base, folder):
        """A copy of a project with the change."""
        project = base.copy(folder, own_workflow=self.changes_code)
        self.apply(project)
        return project

    def expected(self, jobs):
        """The jobs that the row names, of all jobs; those that rerun for their own sake."""
        found = set()
        for part in [] if self.reruns == "nothing" else self.reruns.split(", "):
            rule, _, only = part.partition(" of ")
            named = {job for job in jobs if job[0] == rule and (not only or only.removeprefix("seed") in job[1])}
            assert named, f"{part}: no such job"
            found |= named
        return found

    def apply(self, project):
        for key, value in self.set.items():
            project.set(key, value)
            if value is None and key.endswith(".source"):
                del project.config["datasets"][key.split(".")[1]]["source"]
        for file, replacement in self.files.items():
            shutil.copyfile(project.path(replacement), project.path(file)) if replacement else project.path(
                file
            ).touch()
        for file, (old, new) in self.edit.items():
            edit(project.workflow / file, old, new)
        for name in self.do:
            DOINGS[name](project, self)


ROWS = {
    section: [
        Row(**{key: value for key, value in row.items() if key != "each"}, **changed)
        for row in rows
        for changed in ([{"set": {key: value}} for key, value in row["each"].items()] if "each" in row else [{}])
    ]
    for section, rows in CONTRACT["rows"].items()
}
FRESH = [Row(**row) for row in CONTRACT["fresh"]]


def configure(project, base):
    """Set the config of a base; the shared finished run is one as it is."""
    for key, value in ({} if base == "finished" else BASES["small"] | BASES[base]).items():
        project.set(key, copy.deepcopy(value))


def write_data(project):
    """Write the sources and other files that the rows name."""
    cells = toy_cells()
    cells.obs["lane"] = [f"lane {number % 4}" for number in range(cells.n_obs)]
    cells.var["genome"] = np.where(np.arange(cells.n_vars) < 50, "hg19", "mm10")
    cells.var["feature_types"] = "Gene Expression"
    cells.var["long_name"] = [f"long {name}" for name in cells.var_names]
    cells.obs["partial"] = ["NA" if number % 9 == 4 else name for number, name in enumerate(cells.obs["cell_type"])]
    cells.layers["spliced"] = cells.X.tocsr()[::-1].copy()
    cells.write_h5ad(project.path("toy.h5ad"))
    cells.write_h5ad(project.path("copy.h5ad"))
    cells[:80].write_h5ad(project.path("other.h5ad"))
    cells[:40, :50].write_h5ad(project.path("fewer.h5ad"))
    cells.uns["more"] = list(range(200_000))
    cells.write_h5ad(project.path("large.h5ad"))
    assert project.path("large.h5ad").stat().st_size > 1_000_000  # Snakemake takes no checksum of it
    genes = [f"GENE{number}" for number in range(30)]
    texts = {
        "samples.csv": "sample,path\ntwo,fewer.h5ad\none,toy.h5ad\nthree,other.h5ad\n",
        "genes.txt": "MT-CO1\nMT-ND1\n",
        "other_genes.txt": "GENE1\n",
        "sets.gmt": "\t".join(["a set", "toy", *genes[:15]]),
        "other.gmt": "\t".join(["a set", "toy", *genes[15:]]),
    }
    model = (REPOSITORY / "scripts/scae/models/dae.py").read_text(encoding="utf-8")
    texts["my_model.py"] = model
    texts["my_commented_model.py"] = f"# a comment\n{model}"
    texts["my_other_model.py"] = model.replace("F.relu(self.code", "F.elu(self.code")
    assert texts["my_other_model.py"] != model
    for name, text in texts.items():
        project.path(name).write_text(text, encoding="utf-8")
    for name, column in (("types.csv", "cell_type"), ("donors.csv", "donor")):
        table = cells.obs[column].rename("label").rename_axis("cell").to_frame()
        table.assign(more=cells.obs["donor"], same=table.index).to_csv(project.path(name))
    tables = {key: pd.DataFrame(cells.obsm[key], cells.obs_names).rename_axis("cell") for key in ("X_given", "X_other")}
    for name, key in (("table", "X_given"), ("copy", "X_given"), ("other", "X_other")):
        tables[key].to_csv(project.path(f"{name}.csv"))
    tables["X_other"].to_csv(project.path("other.tsv"), sep="\t")
    for name, key in (("mixed", "X_given"), ("other_mixed", "X_other")):
        samples = {"one": tables[key], "three": tables[key][:80], "two": tables[key][:40]}
        parts = [table.rename(lambda cell, sample=sample: f"{sample}_{cell}") for sample, table in samples.items()]
        pd.concat(parts).rename_axis("cell").to_csv(project.path(f"{name}.csv"))


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path.name} has changed; the row must edit something else"
    path.write_text(text.replace(old, new) if old else f"{text}\n{new}\n", encoding="utf-8")


# Changes that are neither of a key nor of a file


def state_sha256(project, row):
    project.set("datasets.toy.sha256", hashlib.sha256(project.path("toy.h5ad").read_bytes()).hexdigest())


def reverse_keys(project, row):
    def backwards(value):
        return {key: backwards(value[key]) for key in reversed(value)} if isinstance(value, dict) else value

    project.config = backwards(project.config)


def write_exponent(project, row):
    project.path("rate.yaml").write_text("training: {learning_rate: 1.0e-3}\n")
    project.configfiles.append(project.path("rate.yaml"))


def drop_defaults(project, row):
    del project.config["models"]["beta_vae"]["beta"], project.config["models"]["beta_vsc"]["c"]


def write_json(project, row):
    project.path("overlay.json").write_text(json.dumps(project.config))
    project.config, project.configfiles = None, [project.path("overlay.json")]


def own_profile(project, row):
    project.path("own").mkdir()
    triggers = yaml.safe_load((project.workflow / "profiles/default/config.yaml").read_text())["rerun-triggers"]
    project.path("own/config.yaml").write_text(yaml.safe_dump({"rerun-triggers": triggers, "latency-wait": 9}))


def comment_code(project, row):
    for path in (project.workflow / "scripts").rglob("*.py"):
        text = re.sub(r'"""(?=\w)', '"""In other words: ', path.read_text(encoding="utf-8"))
        path.write_text(f"# a comment\n\n\n{text}\n# another\n", encoding="utf-8")


def touch_workflow(project, row):
    for path in project.workflow.rglob("*"):
        path.touch()


def set_back(project, row):
    for path in [*map(project.path, row.files), *(project.workflow / file for file in row.edit)]:
        os.utime(path, LONG_AGO)


def forget(project, row):
    shutil.rmtree(project.path(".snakemake"))


def damage_records(project, row):
    records = [path for path in project.path(".snakemake/metadata").rglob("*") if path.is_file()]
    for path, size in zip(records, itertools.cycle([0, 1, 100])):
        os.truncate(path, size)


def forget_logs(project, row):
    forget(project, row)
    shutil.rmtree(project.path("results/logs"))


def move(project, row):
    project.folder = project.folder.rename(project.folder.with_name("elsewhere"))


DOINGS = {
    function.__name__: function
    for function in (
        *(state_sha256, reverse_keys, write_exponent, drop_defaults, write_json, own_profile, comment_code),
        *(touch_workflow, set_back, forget, damage_records, forget_logs, move),
    )
}
