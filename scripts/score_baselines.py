"""Score the labels against themselves, shuffled and clustered again."""

import scae.jobs.runtime as runtime

from scae import tables
from scae.data import labels as cell_types
from scae.data import row_blocks
from scae.evaluation import baselines

with runtime.job(snakemake):
    files, seeds = tables.Files(snakemake.input), snakemake.params.seeds
    found = []
    for dataset, sets in snakemake.params.sets.items():
        paths = [path for name in ("labels", "label_set") for _, path in files.all(name, dataset=dataset)]
        for (name, settings), path in zip(sets.items(), paths, strict=True):
            labels = tables.scored(tables.read_labels(path))
            for seed in seeds:
                shuffled = baselines.shuffle(labels, seed)
                found += baselines.rows(dataset, baselines.SHUFFLED, seed, name, labels, shuffled)
            if settings["from"] != "clusters":
                continue
            with row_blocks.opened(files.path("expression", dataset=dataset)) as data:
                graph, cells = cell_types.graph_of(data, settings), data.obs_names
            for reference, times in baselines.RECLUSTERED.items():
                for seed in seeds:
                    again = dict(zip(cells, cell_types.cluster_again(graph, settings, times, seed), strict=True))
                    found += baselines.rows(dataset, reference, seed, name, labels, labels.index.map(again))
    tables.write(baselines.table(found), snakemake.output.references)
