"""The rerun contract: a change reruns exactly the jobs of its row, and what does not rerun would come out the same.

Plans are Snakemake's own, on runs whose jobs only pretend (warm.py).
"""

import pytest
from rerun_contract import BASES, ROWS, configure, write_data
from workflow_project import TOY_CONFIG, Project

ALL = [row for rows in ROWS.values() for row in rows]


@pytest.fixture(scope="session")
def pretended(made_once, warm, workflow, tmp_path_factory):
    """Function: a base whose jobs were not really run; a copy of this worker alone."""
    copies = {}

    def base(name):
        def make(folder):
            project = Project.create(folder, workflow, warm=warm, environment={"PRETEND": "1"})
            configure(project, name)
            write_data(project)
            project.run()

        if name not in copies:
            finished = Project(made_once(f"pretended_{name}", make), TOY_CONFIG, workflow, warm=warm)
            copies[name] = finished.copy(tmp_path_factory.mktemp("pretended") / name)
            configure(copies[name], name)
        return copies[name]

    return base


@pytest.mark.parametrize("row", ALL, ids=lambda row: row.text.replace("`", ""))
def test_row(row, pretended, tmp_path):
    base = pretended(row.base)
    project = base.copy(tmp_path / "project", own_workflow=True) if row.changes_files else base.again()
    row.apply(project)
    plan = project.plan(options=("--cores", 2, *row.options))
    assert plan.tops == row.expected(plan.jobs)
    assert plan.planned == plan.below(plan.tops)
