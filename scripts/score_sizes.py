"""Score 2 to 50 principal components of the training halves by the molecules of the test halves."""

import scae.jobs.runtime as runtime

from scae import results, tables
from scae.data import expression
from scae.evaluation import held_out

with runtime.job(snakemake):
    inputs, resources = snakemake.input, snakemake.resources
    limits = {"memory_mb": resources.mem_mb, "scratch": resources.tmpdir}
    both = held_out.components(expression.read(inputs.expression, **limits))
    found, reached, molecules = {}, {}, 0
    for training, test in zip(inputs.training, inputs.test, strict=True):
        half, _ = held_out.read(training, test)
        molecules = molecules + held_out.molecules(half.test)
        for sums, points in ((found, held_out.components(expression.read(training, **limits))), (reached, both)):
            for size, nats in held_out.of_sizes(points, half).items():
                sums[size] = sums.get(size, 0) + nats
    table = held_out.below_best(found, molecules).rename_axis("components").reset_index()
    table["both_halves"] = held_out.below_best(reached, molecules)["held_out"].to_numpy()
    tables.write(table[results.BY_NAME["held_out_sizes"].column_names], snakemake.output.sizes)
