"""The targets for a part of the workflow.

Needs the results contract (scripts/scae/results.py). Makes nothing of its own: every file of the contract is named,
since Snakemake does not miss a deleted intermediate file.
"""


rule data:
    """Part of the workflow: expression, labels and the CSV export."""
    input:
        plan.targets("data"),


rule models:
    """Part of the workflow: trained models and latents."""
    input:
        plan.targets("models"),


rule evaluation:
    """Part of the workflow: t-SNE, clusters, scores and verdict."""
    input:
        plan.targets("evaluation"),


rule report:
    """Part of the workflow: pictures, heatmap and report.html."""
    input:
        plan.targets("report"),


rule manifest:
    """Part of the workflow: digests of all results, to compare two runs."""
    input:
        "<results>/MANIFEST.sha256",
