"""Read a data set, of one source or of several samples, into one AnnData."""

import logging
from dataclasses import replace
from pathlib import Path

import anndata
import pandas as pd

from scae.errors import UserError
from scae.jobs.notes import NOTE
from scae.sources import address, annotation, obsm, reader, simulation

log = logging.getLogger(__name__)

# Kinds of values that are normalised in the same way
TOGETHER = {frozenset(["counts", "corrected_counts"]): "corrected_counts"}


def read(settings, downloads):
    """Read a data set.

    Args:
        settings: entry of the data set in the config: source or samples, sha256, join and the keys of
            `scae.sources.reader.Reading`; or simulation.
        downloads: folder for downloaded files.

    Returns:
        anndata.AnnData: as from `scae.sources.reader.read`. With several samples, sorted by name, cells are named
        ``<sample>_<cell>``, obs has a column ``sample`` and those of the sample table, and genes are those in all
        samples (join: inner) or in any (outer, with zeros for missing ones).

    Raises:
        UserError: if a source cannot be read, or samples cannot be joined.
    """
    if address.is_simulated(settings["source"]):
        return simulation.simulate(settings["simulation"])
    parts = {}
    for sample, entry, member in _parts(settings, downloads):
        part = reader.read(entry["place"], **_reading(settings) | {"member": member})
        if sample is None:
            if part.uns["format"] in ("h5ad", "scanpy") and member is None:
                part.obsm.update(obsm.of_cells(entry["place"], part.obs_names))
            return part
        if sample in parts:
            raise UserError(f"{entry['source']}: two matrices are named {sample}; choose one with member")
        parts[sample] = _named(part, sample, entry["columns"])
    return _joined(dict(sorted(parts.items())), settings["join"], settings.get("min_shared_genes", 0))


def describe(settings, downloads):
    """{sample, or None for a single source: `scae.sources.reader.Description`}; URLs are downloaded."""
    if address.is_simulated(settings["source"]):
        obs, var = simulation.cells(settings["simulation"]), simulation.genes(settings["simulation"])
        return {None: reader.Description("simulated", obs=obs, var=var, matrix="X", holds="counts")}
    found = {}
    try:
        for sample, entry, member in _parts(settings, downloads):
            part = reader.describe(entry["place"], **_reading(settings) | {"member": member})
            found[sample] = part if part.obs is None else replace(part, obs=part.obs.assign(**entry["columns"]))
    except UserError as error:
        found[None] = reader.Description("unknown", problems=(str(error),))
    return found


def _reading(settings):
    return {name: settings[name] for name in reader.Reading.__dataclass_fields__ if name in settings}


def _parts(settings, downloads):
    """(sample or None, entry with the local path as ``place``, member) of each matrix to read."""
    member = settings.get("member")
    for sample, entry in address.samples(settings).items():
        entry = entry | {"place": _fetched(entry["source"], entry["sha256"], downloads)}
        if member != "all":
            yield sample, entry, member
            continue
        for name in reader.members(entry["place"]):
            parts = [part for part in (sample, address.sample_name(name)) if part]
            yield "_".join(parts), entry, name


def problem_of_genes(names, join, least):
    """The problem with the genes that samples share, or None.

    Args:
        names: {sample: names of its genes}.
        join: inner, which needs a gene that all have, or outer.
        least: share of the genes of the smallest sample that all must have.
    """
    shared = set.intersection(*map(set, names.values()))
    smallest = min(names, key=lambda sample: len(names[sample]))
    share = len(shared) / max(1, len(names[smallest]))
    if len(names) < 2 or (share >= least and (shared or join == "outer")):
        return None
    outer = "" if shared or join == "outer" else "join to outer and "
    shown = "; ".join(f"{sample}: {_own(genes, shared)}" for sample, genes in list(names.items())[:3])
    return (
        f"samples share {len(shared)} genes, {100 * share:.0f} % of those of {smallest} ({shown}); "
        f"name the genes alike in all files, or set {outer}min_shared_genes to {_floor(share):g} to accept it"
    )


def _own(names, shared):
    """Genes of a sample that the others do not have, as an example."""
    own = [str(name) for name in names if name not in shared]
    return ", ".join(own[:3]) + (", …" if len(own) > 3 else "")


def _floor(share):
    return int(share * 100) / 100


def _fetched(source, sha256, downloads):
    """Local path of a source, after checking its SHA-256."""
    if address.is_url(source):
        from scae.sources import download

        return download.fetch(source, downloads, sha256)
    if sha256 is not None and not Path(source).is_file():
        raise UserError(f"{source}: is not a file and has no SHA-256; set sha256 to null")
    if sha256 is not None and (found := address.sha256(source)) != sha256:
        raise UserError(f"{source}: SHA-256 is {found}, expected {sha256}; set sha256 to null to skip the check")
    return source


def _named(data, sample, columns):
    """The cells of a sample, named by it, with the columns of the sample table in obs."""
    data.obs_names = [f"{sample}_{cell}" for cell in data.obs_names]
    for name, value in {"sample": sample, **columns}.items():
        if name in data.obs:
            log.warning('sample %s: its column "%s" is replaced by that of the sample table', sample, name)
        data.obs[name] = value
    return data


def _joined(parts, join, least):
    kinds = {part.uns["values"] for part in parts.values()}
    values = kinds.pop() if len(kinds) == 1 else TOGETHER.get(frozenset(kinds))
    if values is None:
        said = ", ".join(f"{sample} {part.uns['values']}" for sample, part in parts.items())
        raise UserError(
            f"samples hold different kinds of values: {said}; set matrix and values to the same kind for all"
        )
    if problem := problem_of_genes({sample: part.var_names for sample, part in parts.items()}, join, least):
        raise UserError(problem)
    data = anndata.concat(parts.values(), join=join, merge="first", fill_value=0)
    n_genes = len(set().union(*(part.var_names for part in parts.values())))
    shared = len(set.intersection(*(set(part.var_names) for part in parts.values())))
    log.log(NOTE, "%d samples; %d of %d genes are in all of them; join: %s", len(parts), shared, n_genes, join)
    data.X = data.X.tocsr()
    data.X.sort_indices()
    data.obs = annotation.plain(pd.concat([part.obs for part in parts.values()]))
    data.var = annotation.plain(data.var)
    data.uns = {
        "format": sorted({str(part.uns["format"]) for part in parts.values()}),
        "matrix": sorted({str(part.uns["matrix"]) for part in parts.values()}),
        "values": values,
        "samples": list(parts),
        "join": join,
        "genes_in_all_samples": shared,
        "genes_in_any_sample": n_genes,
    }
    annotation.check_cells(data.obs_names)
    return data
