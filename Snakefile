"""Which low-dimensional representation of the cells keeps the cell types apart?

Counts in; three autoencoders trained, latents embedded and projected, clustered and scored; heatmap and report out.
`snakemake --cores 4` runs config/config.yaml; the targets data, models, evaluation and report run a part.
"""

from snakemake.utils import min_version

min_version("9.0")


configfile: "config/config.yaml"


include: "rules/common.smk"


# The first rule of the workflow is what plain `snakemake` runs.
rule all:
    default_target: True
    """Everything: data, models, scores, heatmap and report."""
    input:
        data_files(),
        evaluation_files(),
        report_files(),


include: "rules/data.smk"
include: "rules/models.smk"
include: "rules/evaluation.smk"
include: "rules/report.smk"
