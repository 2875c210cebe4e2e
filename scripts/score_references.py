"""Score the labels against themselves, shuffled and clustered again."""

import scae.jobs.runtime as runtime

from scae import tables
from scae.data import labels as label_origins
from scae.data import row_blocks
from scae.evaluation import baselines

with runtime.job(snakemake):
    paths = iter(snakemake.input.all_labels)
    found = []
    for (dataset, sets), expression in zip(snakemake.params.sets.items(), snakemake.input.expression, strict=True):
        for name, settings in sets.items():
            labels = tables.scored(tables.read_labels(next(paths)))
            for seed in snakemake.params.seeds:
                shuffled = baselines.shuffle(labels, seed)
                found += baselines.rows(dataset, baselines.SHUFFLED, seed, name, labels, shuffled)
            if settings["from"] != "clusters":
                continue
            with row_blocks.opened(expression) as data:
                graph, cells = label_origins.graph_of(data, settings), data.obs_names
            for reference, times in baselines.AGAIN.items():
                for seed in snakemake.params.seeds:
                    again = label_origins.cluster_again(graph, settings, times, seed)
                    clusters = dict(zip(cells, again, strict=True))
                    found += baselines.rows(dataset, reference, seed, name, labels, labels.index.map(clusters))
    tables.write(baselines.table(found), snakemake.output.references)
