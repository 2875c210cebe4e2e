"""What all rules share: the checked config as `plan`, and where files lie. No rules here.

Needs the merged config. Makes `plan` (scripts/scae/config/plan.py) and constrains the wildcards to what is configured.
"""

import os
import re
import shutil
import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.settings.types import DeploymentMethod
from snakemake.utils import update_config

ROOT = Path(str(workflow.current_basedir)).parent  # of this workflow, also where another one imports it

sys.path.insert(0, str(ROOT / "scripts"))

from scae.jobs import source_code  # first, since it decides how the others are loaded
from scae.config import command_line, loader
from scae.config.plan import Plan
from scae.config.resources import growing
from scae.errors import UserError, printable
from scae.evaluation import metrics
from scae.jobs import notes, orphans, record, terminal
from scae.sources import address

source_code.forget_bytecode()
orphans.announce()
os.environ.update(PYTHONHASHSEED="0")  # of jobs, so that the order of a set is the same in each

schema = yaml.safe_load((ROOT / "config/schema.yaml").read_text())
if workflow.modifier.is_main_snakefile():
    theirs = None
    FILES = [*workflow.configfiles[len(workflow.overwrite_configfiles) :], *workflow.overwrite_configfiles]
else:  # Snakemake reads no configfile: of a module, and all but our sections is the other workflow's business
    theirs = {key: value for key, value in config.items() if key in schema["properties"] and key != "pathvars"}
    FILES = [ROOT / "config/config.yaml"]
    config = yaml.safe_load(FILES[0].read_text())
    update_config(config, theirs)
ours = workflow.is_main_process and theirs is None
TERMINAL = terminal.take_over(logger, workflow.output_settings) if ours else None
ASKED = command_line.targets(sys.argv) if theirs is None and {"check", "choose"} & set(sys.argv) else []
CHECKING = "check" in ASKED
AS_WRITTEN = config.get("run")  # in the order of the user, which the checked config does not keep

try:
    command_line.config_files(sys.argv)  # refuses a repeated --configfile
    config = loader.load(
        config,
        schema,
        files=FILES,
        command_line=workflow.config_settings.config,
        processors=os.cpu_count() if workflow.local_exec else None,
        datasets_too=not CHECKING,  # which then lists every problem of each data set
        importer=theirs,
    )
    plan = Plan(config, AS_WRITTEN, refuse=WorkflowError)
except UserError as error:
    raise WorkflowError("\n".join(map(printable, str(error).splitlines()))) from None

DATASETS, MODELS, SEEDS, SWEEPS = plan.datasets, plan.models, plan.seeds, sorted(plan.sweeps)


def one_of(names):
    """Regular expression of these names; without a name it matches nothing."""
    return "|".join(re.escape(str(name)) for name in names) or r"(?!)"


# Where things go; a config, an import or a command line may name other folders
pathvars:
    logs="<results>/logs",
    benchmarks="<results>/benchmarks",


wildcard_constraints:
    dataset=one_of([*DATASETS, *plan.halves]),
    model=one_of(plan.kinds),
    seed=r"0|[1-9]\d*",
    sweep=one_of(SWEEPS),
    label_set=one_of(plan.label_sets),


def placed(path):
    """Where a path of ours lies: below the prefix of a workflow that imports this one, in the folder that pathvars name."""
    return workflow.pathvars.apply(str(workflow.modifier.modify_path(path)))


def per_run(pattern, models=MODELS):
    """Paths of a pattern for every data set, model and seed."""
    return expand(pattern, dataset=DATASETS, model=models, seed=SEEDS)


def user_files(*what):
    """Input function: files of the user, known by content (`plan.content` goes to params) and not by their time.

    They lie below the working directory, and `local` keeps the prefix of an importing workflow from them. A path with
    braces would be taken for a pattern; such a file is known by params alone.
    """

    def files(wildcards):
        paths = [path for one in what for path in plan.user_files(one, wildcards) if not address.is_pattern(path)]
        return [local(ancient(path) if is_known_by_content(path) else path) for path in paths]

    return files


def is_known_by_content(path):
    """Whether a file's time says nothing; it does for a file that a rule of an importing workflow makes."""
    if not (Path(path).exists() and address.is_hashed(path)):
        return False
    return not any(rule.is_producer(path) for rule in workflow.rules)


def is_conda():
    """Whether Snakemake makes the environments, and so brings missing packages."""
    return DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method


if ours and workflow.resource_settings.cores == 0:
    raise WorkflowError("--cores 0: no job could ever run; give 1 or more, or leave it out to use all")
if ours and is_conda() and not shutil.which("conda"):
    raise WorkflowError(
        "--sdm conda: `conda` is not installed; install it, or leave out --sdm conda and use the packages in .venv"
    )
