"""The report: one HTML page that opens from disk without a network.

A section is a function that prepares its data and a macro of the same name in a template, ``page.*.html.j2``. A section
whose function returns None is left out.
"""

from pathlib import Path

import jinja2
from plotly.offline import get_plotlyjs

from scae.report import html, sections_dataset, sections_methods, sections_model, sections_scores

# (function, heading) in the order of a reader: the answer, its evidence, each data set, then details for reviewers
BEFORE = [
    (sections_scores.verdict, "Answer"),
    (sections_scores.scores, "Scores"),
    (sections_methods.representations, "Representations"),
]
DATASET = [
    (sections_dataset.cells, "Cells"),
    (sections_dataset.batches, "Batches"),
    (sections_dataset.quality, "Quality control"),
    (sections_dataset.embeddings, "Embeddings side by side"),
    (sections_dataset.sweeps, "Sweeps"),
    (sections_dataset.recalls, "Recall by cell type"),
    (sections_dataset.stability, "Stability across seeds"),
]
AFTER = [
    (sections_methods.times, "Training times"),
    (sections_methods.methods, "Methods"),
    (sections_methods.settings, "Settings"),
    (sections_methods.software, "Software and hardware"),
]


def render(study):
    """The report as HTML text.

    Args:
        study: scae.report.contents.Study.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("page.html.j2").render(
        before=_prepared(BEFORE, study),
        datasets=[
            {
                "name": dataset,
                "n_cells": len(study.labels[dataset]),
                "n_types": study.n_types(dataset),
                "types": study.types(dataset),
                "sections": _prepared(DATASET, study, dataset),
                "panels": [sections_model.panel(study, dataset, model) for model in study.models],
            }
            for dataset in study.datasets
        ],
        after=_prepared(AFTER, study),
        points=html.script_json(sections_model.points(study)),
        plotly=html.packed_text(get_plotlyjs()),
    )


def _prepared(sections, study, *dataset):
    found = [(function, heading, function(study, *dataset)) for function, heading in sections]
    return [
        {"name": function.__name__, "heading": heading, "data": data}
        for function, heading, data in found
        if data is not None
    ]
