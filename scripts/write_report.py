"""Write the report: one HTML page that needs nothing beside it."""

import scae.workflow.runtime as runtime

from pathlib import Path

from scae import notes, tables
from scae.report import page

with runtime.job(snakemake):
    files = snakemake.input
    run = snakemake.params.run
    labels = {dataset: tables.read_labels(path) for dataset, path in zip(run["datasets"], files.labels, strict=True)}
    names = [(dataset, model, seed) for dataset in run["datasets"] for model in run["models"] for seed in run["seeds"]]
    trained = [name for name in names if snakemake.params.models[name[1]]["trained"]]
    losses = dict(zip(trained, files.losses_png, strict=True))
    batched = [name for name in run["datasets"] if snakemake.params.settings["datasets"][name]["batch"]]
    batches = {name: tables.read_batches(path) for name, path in zip(batched, files.batches, strict=True)}
    of_batches = dict(zip([name for name in names if name[0] in batched], files.batches_png, strict=True))
    runs = [
        page.Run(
            dataset=dataset,
            model=model,
            seed=seed,
            clusters=tables.read_points(clusters, cells=labels[dataset].index),
            tsne3d=tables.read_points(tsne3d, cells=labels[dataset].index),
            pictures={
                "clusters": clusters_png,
                "tsne3d": tsne3d_png,
                "losses": losses.get((dataset, model, seed)),
                "batches": of_batches.get((dataset, model, seed)),
            },
        )
        for (dataset, model, seed), clusters, tsne3d, clusters_png, tsne3d_png in zip(
            names, files.clusters, files.tsne3d, files.clusters_png, files.tsne3d_png, strict=True
        )
    ]
    quality = {
        dataset: page.Quality(tables.read(cells), tables.read(limits), picture)
        for dataset, cells, limits, picture in zip(
            run["datasets"], files.cells, files.limits, files.quality_png, strict=True
        )
    }
    html = page.render(
        runs=runs,
        notes=notes.summary(Path(snakemake.log[0]).parents[1], run),
        labels=labels,
        batches=batches,
        origins=snakemake.params.origins,
        quality=quality,
        models=snakemake.params.models,
        metrics=tables.read(files.metrics),
        described=snakemake.params.described,
        training_times=tables.read(files.training_times),
        heatmap=files.heatmap,
        verdict=Path(files.verdict).read_text(encoding="utf-8").splitlines(),
        published=snakemake.params.published,
        settings=snakemake.params.settings,
    )
    Path(snakemake.output.report).write_text(html, encoding="utf-8")
