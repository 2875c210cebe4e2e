"""The report: one HTML page with everything in it, that opens from disk without a network.

A section is a function that prepares its data and a template of its name, ``page.<name>.html.j2``. A function that
returns None leaves its section out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jinja2
from plotly.offline import get_plotlyjs

from scae.report import html, sections_dataset, sections_methods, sections_model, sections_scores


@dataclass(frozen=True)
class Section:
    """A part of the page; ``of`` takes the study, and a data set where it is about one."""

    name: str  # of its template, and its place on the page
    heading: str
    of: Callable


# In the order of a reader: the answer, what shows it, each data set, then what a reviewer asks for
BEFORE = [
    Section("verdict", "Answer", sections_scores.answer),
    Section("scores", "Scores", sections_scores.comparison),
    Section("models", "Representations", sections_methods.representations),
]
OF_DATASET = [
    Section("types", "Cells", sections_dataset.types),
    Section("batches", "Batches", sections_dataset.batches),
    Section("quality", "Quality control", sections_dataset.quality),
    Section("embeddings", "Side by side", sections_dataset.side_by_side),
    Section("sweeps", "Sweeps", sections_dataset.sweeps),
    Section("lost", "Which types are lost", sections_dataset.lost),
    Section("stability", "Stability over seeds", sections_dataset.stability),
]
AFTER = [
    Section("times", "Training times", sections_methods.times),
    Section("methods", "Methods", sections_methods.methods),
    Section("settings", "Settings", sections_methods.settings),
    Section("software", "Software and machine", sections_methods.software),
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
                "n_types": len(set(study.labels[dataset]) - {""}),
                "types": study.types(dataset),
                "sections": _prepared(OF_DATASET, study, dataset),
                "panels": [sections_model.panel(study, dataset, model) for model in study.models_of(dataset)],
            }
            for dataset in study.datasets
        ],
        after=_prepared(AFTER, study),
        points=html.script_json(sections_model.points(study)),
        plotly=html.packed_text(get_plotlyjs()),
    )


def _prepared(sections, study, *dataset):
    found = [(section, section.of(study, *dataset)) for section in sections]
    return [
        {"name": section.name, "heading": section.heading, "data": data} for section, data in found if data is not None
    ]
