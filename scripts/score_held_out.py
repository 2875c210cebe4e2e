"""Score the representations of the training halves by the molecules of the test halves."""

import scae.jobs.runtime as runtime

from scae import tables
from scae.evaluation import held_out

with runtime.job(snakemake):
    inputs, seeds = snakemake.input, snakemake.params.seeds
    files = tables.Files([*inputs.expression, *inputs.latent])
    labels, runs, molecules = tables.read_labels(inputs.labels), {}, 0
    for (wildcards, expression), test in zip(files.all("expression"), inputs.test, strict=True):
        half, cells = held_out.read(expression, test)
        molecules = molecules + held_out.molecules(half.test)
        for found, path in files.all("latent", dataset=wildcards["dataset"]):
            key = found["model"], int(found["seed"])
            points = tables.read_points(path, cells).to_numpy()
            runs[key] = runs.get(key, 0) + held_out.nats(points, half)
    for model, seed in list(runs):  # a representation that is the same for every seed is learned once
        runs |= {(model, other): runs[model, seed] for other in seeds[model] if (model, other) not in runs}
    runs = {key: nats for key, nats in runs.items() if key[1] in seeds[key[0]]}
    scored = labels.loc[cells].to_numpy()[held_out.chosen(len(cells))]
    scores, resamples = held_out.tables(dict(sorted(runs.items())), molecules, scored)
    tables.write(scores, snakemake.output.scores)
    tables.write(resamples, snakemake.output.resamples)
