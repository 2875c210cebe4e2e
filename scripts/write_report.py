"""Write the report: one HTML page that needs nothing beside it."""

import scae.jobs.runtime as runtime

from pathlib import Path

from scae import style, tables
from scae.evaluation import summary
from scae.jobs import notes, record
from scae.report import contents, page, sections_methods

with runtime.job(snakemake):
    files, params = snakemake.input, snakemake.params
    run, logs = params.run, Path(snakemake.log[0]).parents[1]
    labels = {dataset: tables.read_labels(path) for dataset, path in zip(run["datasets"], files.labels, strict=True)}
    names = [(dataset, model, seed) for dataset in run["datasets"] for model in run["models"] for seed in run["seeds"]]
    trained = [name for name in names if params.models[name[1]]["trained"]]
    losses = dict(zip(trained, files.losses_png, strict=True))
    batched = [name for name in run["datasets"] if params.settings["datasets"][name]["batch"]]
    batches = {name: tables.read_batches(path) for name, path in zip(batched, files.batches, strict=True)}
    of_batches = dict(zip([name for name in names if name[0] in batched], files.batches_png, strict=True))
    runs = {
        (dataset, model, seed): contents.Run(
            dataset=dataset,
            model=model,
            seed=seed,
            clusters=tables.read_points(clusters, cells=labels[dataset].index),
            tsne2d=tables.read_points(tsne2d, cells=labels[dataset].index),
            tsne3d=tables.read_points(tsne3d, cells=labels[dataset].index),
            pictures={
                "clusters": clusters_png,
                "losses": losses.get((dataset, model, seed)),
                "batches": of_batches.get((dataset, model, seed)),
            },
        )
        for (dataset, model, seed), clusters, tsne2d, tsne3d, clusters_png in zip(
            names, files.clusters, files.tsne2d, files.tsne3d, files.clusters_png, strict=True
        )
    }
    quality = {
        dataset: contents.Quality(tables.read(cells), tables.read(limits), picture)
        for dataset, cells, limits, picture in zip(
            run["datasets"], files.cells, files.limits, files.quality_png, strict=True
        )
    }
    of_sweeps = [(dataset, name) for dataset in run["datasets"] for name in params.sweeps]
    sweeps = [
        contents.Sweep(dataset, name, params.sweeps[name], picture)
        for (dataset, name), picture in zip(of_sweeps, files.sweeps_svg, strict=True)
    ]
    of_models = [(dataset, model) for dataset in run["datasets"] for model in run["models"]]
    latents = {
        name: contents.Latents(*map(tables.read, paths), picture)
        for name, *paths, picture in zip(
            of_models, files.latent_genes, files.latent_matches, files.latent_sets, files.latents_png, strict=True
        )
    }
    own = [name for name in of_models if params.models[name[1]]["trained"] and not params.models[name[1]]["peer"]]
    generated = {
        name: contents.Generated(tables.read(summary_of), picture)
        for name, summary_of, picture in zip(own, files.generated, files.generated_png, strict=True)
    }
    software, machines = sections_methods.made_with(record.read(logs))
    order = params.order
    html = page.render(
        contents.Study(
            runs=[runs[name] for name in contents.in_order(names, order)],
            labels={dataset: labels[dataset] for dataset in order["datasets"]},
            looks={dataset: style.read(path) for dataset, path in zip(run["datasets"], files.colors, strict=True)},
            batches=batches,
            quality=quality,
            models={model: params.models[model] for model in order["models"]},
            roles=params.roles,
            origins=params.origins,
            metrics=tables.read(files.metrics),
            intervals=summary.of_representations(tables.read(files.intervals)),
            references=tables.read(files.references),
            differences=tables.read(files.differences),
            recalls=tables.read(files.recalls),
            health=tables.read(files.health),
            stability=tables.read(files.stability),
            training_times=tables.read(files.training_times),
            described=params.described,
            figures={
                dataset: dict(zip(("scores", "embeddings", "recalls", "stability"), paths, strict=True))
                for dataset, *paths in zip(
                    run["datasets"],
                    files.scores_svg,
                    files.embeddings_svg,
                    files.recalls_svg,
                    files.stability_png,
                    strict=True,
                )
            },
            latents=latents,
            generated=generated,
            sweeps=sweeps,
            heatmap=files.heatmap,
            verdict=Path(files.verdict).read_text(encoding="utf-8").splitlines(),
            published=params.published,
            settings=params.settings,
            notes=notes.summary(logs, run),
            software=software,
            machines=machines,
        )
    )
    Path(snakemake.output.report).write_text(html, encoding="utf-8")
