"""The part of the report on the cells that a model makes, held against real ones."""

import numpy as np

from scae.evaluation import generated_cells, intervals
from scae.report import html

COLORS = 10  # of the picture
ABOUT = {  # (statistic, what of it): heading and note
    ("mean", "correlation"): ("mean", "r over genes"),
    ("variance", "correlation"): ("variance", "r over genes"),
    ("variance", "ratio"): ("variance made", "share of the real"),
    ("zeros", "correlation"): ("zeros", "r over genes"),
    ("zeros", "ratio"): ("zeros made", "share of the real"),
}


def section(study, dataset, model):
    """What made cells are like over all seeds, and a picture of the first; None where the model makes none.

    Returns:
        dict: said, table, picture.
    """
    found = study.generated.get((dataset, model))
    if found is None or not len(found.summary):
        return None
    of_ways = dict(iter(found.summary.groupby("cells")))
    ways = [way for way in (generated_cells.RECONSTRUCTED, generated_cells.GENERATED) if way in of_ways]
    n_seeds = found.summary["seed"].nunique()
    several = n_seeds >= intervals.FEWEST_SEEDS
    rows = [[html.cell(f"{way} cells"), *(_cell(_over_seeds(of_ways[way], *value)) for value in ABOUT)] for way in ways]
    means = {way: _over_seeds(of_ways[way], "variance", "ratio").mean() for way in ways}
    shares = [f"{way} cells have {share:.0%}" for way, share in means.items() if np.isfinite(share)]
    over = f", mean over {n_seeds} seeds" + (" with its 95 % interval" if several else "") if n_seeds > 1 else ""
    return {
        "said": f"Of the variance of the genes {html.listed(shares)}." if shares else "",
        "table": html.table(
            f"Cells that {model} makes of {dataset}, against real ones{over}",
            [html.column("cells"), *(html.column(*about) for about in ABOUT.values())],
            rows,
        ),
        "picture": html.picture(
            found.picture, f"Genes of cells made by {model} against those of real cells of {dataset}.", colors=COLORS
        ),
    }


def _over_seeds(rows, statistic, what):
    return rows.loc[rows["statistic"] == statistic, what].to_numpy()


def _cell(values):
    found = intervals.over_seeds(values)
    spread = f" ({html.number(found.low)} to {html.number(found.high)})" if np.isfinite(found.low) else ""
    return html.cell(f"{html.number(found.mean)}{spread}", float(found.mean))
