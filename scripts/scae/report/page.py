"""The report: one HTML page that opens from disk without a network.

Four questions, each a function that prepares its data and a macro of the same name in page.sections.html.j2, then a
panel for each representation. All else is folded.
"""

from pathlib import Path

import jinja2
from plotly.offline import get_plotlyjs

from scae.report import embeddings, html, methods, panels, scoreboard, trust

QUESTIONS = {  # of each data set
    "best": ("Which is best?", scoreboard.best),
    "embeddings": ("What does it look like?", embeddings.embeddings),
    "trust": ("Can I trust it?", trust.trust),
}


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
        answers=scoreboard.verdict(study),
        questions={name: heading for name, (heading, _) in QUESTIONS.items()},
        datasets=[
            {
                "name": dataset,
                "n_cells": len(study.labels[dataset]),
                "n_types": study.n_types(dataset),
                "types": study.types(dataset),
                "panels": [panels.panel(study, dataset, model) for model in study.models],
                "quality": methods.quality(study, dataset),
            }
            | {name: function(study, dataset) for name, (_, function) in QUESTIONS.items()}
            for dataset in study.datasets
        ],
        made=methods.made(study),
        points=html.script_json(embeddings.points(study)),
        plotly=html.packed_text(get_plotlyjs()),
    )
