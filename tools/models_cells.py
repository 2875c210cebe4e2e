"""What the cells are like that each model makes, against real ones: a section of docs/models.md."""

import models_latents
from evidence import markdown_table

from scae.evaluation import diagnostics, generated_cells, generator

COLUMNS = ("variance_reconstructed", "variance_generated", "means_generated")


def measure(data, points, model, seed):
    """Of one run: the share of the variance of the genes that made cells have, and how alike the means are.

    Args:
        data: scae.data.expression.Expression.
        points: DataFrame (cells, latents).
        model: trained by this workflow, or None: then what the best linear map from the latents explains.
        seed: of the run.

    Returns:
        dict: ``variance_reconstructed``; of a model with a prior also ``variance_generated`` and ``means_generated``,
        the correlation over the genes of their means in generated and in real cells.
    """
    if model is None:
        left = diagnostics.reconstruction(points, data).set_index("measure")["value"]
        return {COLUMNS[0]: 1 - left["unexplained"] / left["total"]}
    real, zero_below = generated_cells.of_real(data)
    made = generator.of_model(model, data, zero_below, seed)
    found = generated_cells.compared(real, made, seed).set_index(["cells", "statistic"])
    of_run = {f"variance_{way}": float(found.loc[(way, "variance"), "ratio"]) for way in made}
    if generated_cells.GENERATED in made:
        of_run[COLUMNS[2]] = float(found.loc[(generated_cells.GENERATED, "mean"), "correlation"])
    return of_run


def section(of_models, names, models):
    """The section: a table of the variance, and one of the means of what is drawn from the prior.

    Args:
        of_models: runs, with columns dataset, model, seed and what `measure` gives.
        names, models: what to show, in this order.
    """

    def values(name, model, column):
        of_runs = of_models[(of_models["dataset"] == name) & (of_models["model"] == model)].sort_values("seed")
        known = column in of_runs and len(of_runs) and of_runs[column].notna().all()
        return models_latents.interval(of_runs[column]) if known else None

    def variance(name, model):
        found = [values(name, model, column) for column in COLUMNS[:2]]
        return " / ".join(filter(None, found)) or "–"

    def means(name, model):
        return values(name, model, COLUMNS[2]) or "–"

    reached = [model for model in models if any(variance(name, model) != "–" for name in names)]
    drawn = [model for model in models if any(means(name, model) != "–" for name in names)]
    text = (
        "## Cells that they make\n\nThe variance of made cells, summed over the genes, as a share of that of real "
        "ones: of cells decoded from latents of the\nposterior of real cells, and after the slash of cells decoded "
        "from latents of the model's prior. A decoder gives the\nexpected expression, so the noise of counting is in "
        "neither. Of PCA, which makes no cells, it is the share that its\ncomponents explain.\n\n"
        + markdown_table("data set", names, reached, variance)
    )
    if not drawn:
        return text
    return (
        text
        + "\n\nCorrelation over the genes of their mean in cells of the prior with that in real ones:\n\n"
        + markdown_table("data set", names, drawn, means)
    )
