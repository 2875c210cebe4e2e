"""What all rules share: the checked config, the names of the run and where files lie. No rules here.

Needs the merged config. Makes `config` complete and canonical and constrains the wildcards to what is configured.
"""

import os
import re
import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.utils import update_config

ROOT = Path(str(workflow.current_basedir)).parent  # of this workflow, also where another one imports it

sys.path.insert(0, str(ROOT / "scripts"))

from scae.jobs import source_code  # first, since it decides how the others are loaded
from scae.jobs import code_digest, notes, orphans, record
from scae.sources import address
from scae.evaluation import metrics
from scae.models import registry
from scae.config import command_line, label_sets, loader, sweeps
from scae.errors import UserError

source_code.forget_bytecode()
orphans.announce()

schema = yaml.safe_load((ROOT / "config/schema.yaml").read_text())
if workflow.modifier.is_main_snakefile():
    theirs = None
    FILES = [*workflow.configfiles[len(workflow.overwrite_configfiles) :], *workflow.overwrite_configfiles]
else:  # Snakemake reads no configfile: of a module, and all but our sections is the other workflow's business
    theirs = {key: value for key, value in config.items() if key in schema["properties"] and key != "pathvars"}
    FILES = [ROOT / "config/config.yaml"]
    config = yaml.safe_load(FILES[0].read_text())
    update_config(config, theirs)
CHECKING = theirs is None and "check" in sys.argv[1:]  # the target; Snakemake tells of targets after this is read

AS_WRITTEN = config.get("run")  # in the order of the user, which the checked config does not keep

try:
    command_line.refuse_repeated_configfile(sys.argv)
    config = loader.load(
        config,
        schema,
        files=FILES,
        command_line=workflow.config_settings.config,
        processors=os.cpu_count() if workflow.local_exec else None,
        datasets_too=not CHECKING,  # which then names all that is wrong with each
        importer=theirs,
    )
except UserError as error:
    raise WorkflowError(str(error)) from None

DATASETS = config["run"]["datasets"]
MODELS = config["run"]["models"]
SEEDS = config["run"]["seeds"]
SWEEPS = config.get("sweeps", {})
EXPORTED = [name for name in DATASETS if address.is_exported(config["datasets"][name])]
BATCHED = [name for name in DATASETS if config["datasets"][name]["batch"]]
# The keys of a data set that say how its source is read
READING = "format genome join matrix member modality orientation samples sha256 simulation source values".split()
PAGES = {name: registry.find(config["models"][name]["kind"]) for name in MODELS}
TRAINED = [name for name in MODELS if PAGES[name].trained]
OWN = [name for name in TRAINED if not PAGES[name].external]  # trained by our loop
PEERS = [name for name in TRAINED if PAGES[name].external]  # by a package of their own, on the counts
UNTRAINED = [name for name in MODELS if not PAGES[name].trained]


def one_of(names):
    """Regular expression of these names; without a name it matches nothing."""
    return "|".join(map(re.escape, names)) or r"(?!)"


def all_labels(dataset):
    """The labels of a data set in the config: one entry, or sets of them."""
    return config["datasets"][dataset]["labels"]


# Where things go; a config, an import or a command line may name other folders
pathvars:
    logs="<results>/logs",
    benchmarks="<results>/benchmarks",


wildcard_constraints:
    dataset=one_of(DATASETS),
    model=one_of(MODELS),
    seed=r"0|[1-9]\d*",
    dimensions="2|3",
    sweep=one_of(SWEEPS),
    label_set=one_of(sorted({name for dataset in DATASETS for name in label_sets.further(all_labels(dataset))})),


def placed(path):
    """Where a path of ours lies: below the prefix of a workflow that imports this one, in the folder that pathvars name."""
    return workflow.pathvars.apply(str(workflow.modifier.modify_path(path)))


def code(script, *modules):
    """Digest of a script and all it imports; without it an edited helper would leave stale results behind."""
    try:
        return code_digest.code(script, *modules)
    except UserError as error:
        raise WorkflowError(str(error)) from None
