"""Compare numbers of dimensions of PCA and of another model by the molecules of the test half."""

import scae.jobs.runtime as runtime

from scae import tables
from scae.data import expression
from scae.evaluation import held_out

with runtime.job(snakemake):
    inputs, resources = snakemake.input, snakemake.resources
    half, cells = held_out.read(inputs.expression[0], inputs.test[0])
    data = expression.read(inputs.expression[0], memory_mb=resources.mem_mb, scratch=resources.tmpdir)
    found = {("pca", size): nats for size, nats in held_out.of_sizes(held_out.components(data), half).items()}
    latents = {wildcards["model"]: path for wildcards, path in tables.Files(inputs.latent).all("latent")}
    for name, (model, size) in snakemake.params.candidates.items():
        found[model, size] = held_out.nats(tables.read_points(latents[name], cells).to_numpy(), half)
    tables.write(held_out.choice(found, held_out.molecules(half.test)), snakemake.output.choice)
