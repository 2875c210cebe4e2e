"""Which low-dimensional representation of the cells keeps the cell types apart?

Counts in; autoencoders trained, latents embedded and projected, clustered and scored; heatmap and report out.
`snakemake --cores 4` runs config/config.yaml; the targets data, models, evaluation and report run a part, and manifest
writes what to compare two runs by.
"""

from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")


configfile: Path(str(workflow.current_basedir), "config/config.yaml")  # beside this file, whatever the working directory


report: "rules/captions/start.rst"  # what Snakemake's own report begins with


include: "rules/common.smk"
include: "rules/restore_metadata.smk"


# The first rule is what plain `snakemake` runs.
rule all:
    """Everything: data, models, scores, heatmap and report."""
    input:
        plan.targets(),


include: "rules/data.smk"
include: "rules/models.smk"
include: "rules/evaluation.smk"
include: "rules/report.smk"
include: "rules/choose.smk"
include: "rules/targets.smk"
include: "rules/manifest.smk"
include: "rules/check.smk"
