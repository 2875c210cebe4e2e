"""Represent every cell by a method that needs no training, or by a given embedding."""

import scae.jobs.runtime as runtime

from pathlib import Path

from scae import randomness, tables
from scae.data import expression
from scae.models import registry
from scae.sources import address, obsm

with runtime.job(snakemake):
    resources, source = snakemake.resources, snakemake.params.source
    hyperparameters = dict(snakemake.params.model)
    kind = hyperparameters.pop("kind")
    if source:  # the embedding is in the source of the data set
        place = source["source"]
        if address.is_url(place):
            from scae.sources import download

            downloads = Path(snakemake.output.latent).parents[2] / "download"
            place = str(download.kept(place, downloads, source["sha256"]))
        hyperparameters["table"] = obsm.of_source(place, hyperparameters["key"])
    data = expression.read(
        snakemake.input.expression, snakemake.params.expression["scale"], resources.mem_mb, resources.tmpdir
    )
    randomness.seed(int(snakemake.wildcards.seed))
    latent = registry.call(kind, "embed", data, int(snakemake.wildcards.seed), **hyperparameters)
    latent = registry.validate_latent(latent, len(data.cells), kind)
    names = [f"z{number}" for number in range(1, latent.shape[1] + 1)]
    tables.write_points(latent, names, data.cells, snakemake.output.latent)
