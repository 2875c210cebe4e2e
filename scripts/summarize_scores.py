"""Collect the tables of all runs, and say what they show: intervals, differences, verdict."""

import scae.jobs.runtime as runtime

from pathlib import Path

import pandas as pd

from scae import results, tables
from scae.evaluation import comparison, summary, verdict

with runtime.job(snakemake):
    outputs, params = snakemake.output, snakemake.params
    files, sources = tables.Files(snakemake.input), params.label_sources
    metrics, health, stability = (files.collect(name) for name in ("metrics", "health", "stability"))
    spreads, resamples = files.collect("spreads"), files.collect("resamples")
    if len(unseen := files.collect("held_out")):
        metrics, spreads, resamples = summary.with_held_out(
            (metrics, spreads, resamples), unseen, files.collect("held_out_resamples"), sources
        )
    references = summary.baseline_scores(files.read("references"))
    found = [comparison.over_seeds(metrics), comparison.over_cells(spreads)]
    found = [table for table in (*found, comparison.over_seeds(references)) if len(table)]
    intervals = comparison.with_label_sources(pd.concat(found), sources)
    recalls, sizes = files.collect("recalls"), comparison.sizes(health)
    cells = {"resamples": resamples, "recalls": recalls}
    differences = comparison.differences(metrics, params.roles, sizes, params.fixed, **cells)
    differences = comparison.with_label_sources(differences, sources)
    times = files.collect("timing").reindex(columns=results.BY_NAME["training_times"].column_names)
    collected = {"metrics": metrics, "recalls": recalls, "health": health, "stability": stability}
    collected |= {"training_times": times, "intervals": intervals, "differences": differences}
    for name, table in collected.items():
        tables.write(table, outputs[name])
    scores = pd.concat([metrics, references])
    sizes = {
        wildcards["dataset"]: summary.enough(tables.read("held_out_sizes", path), "components")
        for wildcards, path in files.all("held_out_sizes")
    }
    verdicts = verdict.sentences(scores, differences, health, params.roles, sources, recalls, sizes)
    Path(outputs.verdict).write_text(verdict.text(verdicts), encoding="utf-8")
