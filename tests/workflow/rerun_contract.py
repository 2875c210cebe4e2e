"""The rerun contract, read from rerun_contract.yaml: rows of a change and of the jobs that run again after it."""

import copy
import re
import sys
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from scae.config import label_sets, sweeps  # noqa: E402 (needs the path above)

CONTRACT = yaml.safe_load(Path(__file__).with_name("rerun_contract.yaml").read_text(encoding="utf-8"))
RULES, BASES = CONTRACT["rules"], CONTRACT["bases"]
UNTRAINED, PEERS, BATCHED = CONTRACT["untrained"], CONTRACT["peers"], CONTRACT["batched"]


@dataclass(frozen=True)
class Row:
    reruns: str
    change: str = ""
    base: str = "small"
    set: dict = field(default_factory=dict)
    edit: dict = field(default_factory=dict)
    do: str = ""
    options: list = field(default_factory=list)
    same: str = ""

    @property
    def text(self):
        """What is changed, in words."""
        keys = (re.sub(r"^(datasets|models)\.(toy|mixed)\.", r"\1.<name>.", key) for key in self.set)
        return self.change or " and ".join(f"`{name}`" for name in [*keys, *self.edit, " ".join(self.options)] if name)

    @property
    def config(self):
        """The changed config, of what the base and this row set."""
        config = {}
        for keys in (BASES["small"] | BASES[self.base], self.set):
            for key, value in keys.items():
                *sections, name = key.split(".")
                section = config
                for part in sections:
                    section = section.setdefault(part, {})
                section[name] = copy.deepcopy(value)
        return config

    @property
    def of_config(self):
        """What tells the jobs of the config: its ``run`` section, further sets of labels and sweeps."""
        config = self.config
        swept = sweeps.expand(config)
        run = {name for name, models in swept.items() if {*models} & {*config["run"]["models"]}}
        return config["run"], further_sets(config["datasets"]), run

    @property
    def jobs(self):
        return all_jobs(*self.of_config)

    @property
    def again(self):
        return expected(self, *self.of_config)


ROWS = {section: [Row(**row) for row in rows] for section, rows in CONTRACT["rows"].items()}


def wildcards(rule):
    return re.findall(r"{(\w+)}", RULES[rule]["makes"][0])


def further_sets(datasets):
    """{data set: its sets of labels that are only scored} of a config's ``datasets`` section."""
    labels = {name: dataset.get("labels", {}) for name, dataset in datasets.items()}
    return {name: list(found)[1:] if label_sets.are_several(found) else [] for name, found in labels.items()}


def all_jobs(run, further=None, swept=()):
    """{(rule, wildcards)} of all jobs of a config's ``run`` section; ``further`` as from `further_sets`.

    ``swept`` are the names of the sweeps of which models are run.
    """
    further = further or {}
    values = {"dataset": run["datasets"], "model": run["models"], "seed": [f"{seed:g}" for seed in run["seeds"]]}
    values |= {"dimensions": ["2", "3"], "sweep": sorted(swept)}
    values["label_set"] = list(dict.fromkeys(name for dataset in run["datasets"] for name in further.get(dataset, [])))
    of = {
        "trained": {"model": [name for name in run["models"] if name not in UNTRAINED]},
        "own": {"model": [name for name in run["models"] if name not in UNTRAINED + PEERS]},
        "peers": {"model": [name for name in run["models"] if name in PEERS]},
        "untrained": {"model": [name for name in run["models"] if name in UNTRAINED]},
        "batched": {"dataset": [name for name in run["datasets"] if name in BATCHED]},
    }
    found = set()
    for rule, entry in RULES.items():
        of_rule = values | (of[entry["of"]] if "of" in entry else {})
        jobs = set(product(*(of_rule[name] for name in wildcards(rule))))
        if "label_set" in wildcards(rule):
            jobs = {(dataset, name) for dataset, name in jobs if name in further.get(dataset, [])}
        found |= {(rule, job) for job in jobs}
    return found


def below(job, jobs):
    """The jobs that read what a job makes."""
    rule, values = job
    known = dict(zip(wildcards(rule), values, strict=True))
    only = RULES[rule].get("only", {})
    return {
        (reader, others)
        for reader, others in jobs
        if reader in RULES[rule]["feeds"]
        and known.items() >= only.get(reader, {}).items()
        and all(known.get(name, value) == value for name, value in zip(wildcards(reader), others, strict=True))
    }


def expected(row, run, further=None, swept=()):
    """The jobs that run again: those named in the row and all below them."""
    jobs = all_jobs(run, further, swept)
    found, pending = set(), set()
    for part in [] if row.reruns == "nothing" else row.reruns.split(", "):
        rule, _, only = part.partition(" of ")
        named = {job for job in jobs if job[0] == rule and (not only or only.removeprefix("seed") in job[1])}
        assert named, f"{part}: no such job"
        pending |= named
    while pending:
        job = pending.pop()
        found.add(job)
        pending |= below(job, jobs) - found
    return found


def together(rows):
    """Rows in lists of which one run can have all changes: the same jobs run again, of config and files or of code."""
    found = {}
    for row in rows:
        lists = found.setdefault(
            (row.base, frozenset(row.jobs), frozenset(row.again), bool(row.again and row.edit)), []
        )
        fitting = (others for others in lists if not any(clash(row, other) for other in others))
        others = next(fitting, None)
        if others is None:
            lists.append(others := [])
        others.append(row)
    return [rows for lists in found.values() for rows in lists]


def clash(one, other):
    """Whether two rows set the same key, edit the same text, give the same option or both change what is in files."""
    keys = any(f"{a}.".startswith(f"{b}.") or f"{b}.".startswith(f"{a}.") for a in one.set for b in other.set)
    texts = any(file in other.edit and old and old == other.edit[file][0] for file, (old, _) in one.edit.items())
    options = {option for option in one.options if option.startswith("-")} & set(other.options)
    files = one.do and other.do and one.reruns != "nothing"
    return bool(keys or texts or options or files)


def tops(planned, jobs):
    """The planned jobs that read nothing that a planned job makes."""
    return planned - set().union(*(below(job, jobs) for job in planned))


def makes(job):
    """Files that a job makes."""
    rule, values = job
    names = dict(zip(wildcards(rule), values, strict=True))
    return [f"results/{path}".format(**names) for path in RULES[rule]["makes"]]
