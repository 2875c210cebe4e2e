"""`snakemake check`: describe each data set, list the problems that would stop a run, estimate its cost."""

import functools
import logging
from pathlib import Path

import numpy as np
import pandas as pd

from scae.config import label_sets, loader
from scae.data import batch, counts, gates, labels, quality
from scae.data import genes as gene_names
from scae.errors import UserError, one_line
from scae.evaluation import gene_sets
from scae.jobs import notes
from scae.models import registry
from scae.sources import address, reader, samples

log = logging.getLogger(__name__)

SHOWN_TYPES = 12
IN_THE_RUN = {"clusters": "clustering", "markers": "gates on markers"}
REHEARSED_VALUES = 20_000_000  # read and filtered as a run does, in up to ten seconds
RECOVERED_CELLS = 50
DENSITY = 0.08  # assumed share of non-zeros if they cannot be counted without reading the matrix
# Measured on two cores of a Xeon server (benchmarks/README.md); within a factor of two elsewhere
SECONDS_PER_JOB = 3.0
SECONDS_PER_VALUE = 1.6e-7  # of training, per non-zero and epoch
SECONDS_PER_CELL = 2.8e-6  # of 2-D t-SNE, per cell and iteration; 3-D takes twice as long
JOBS_PER_DATASET, JOBS_PER_MODEL, JOBS_PER_RUN = 12, 3, 3
MEGABYTES, BYTES_PER_VALUE = 600, 64


def check(config, processors, missing=()):
    """Check the data sets of a run.

    Args:
        config: the checked config.
        processors: number of processors for the run.
        missing: messages about packages that models need.

    Returns:
        (str, list[str]): a table to print, and the problems that would stop a run, one line each.
    """
    blocks, problems = [], []
    for name in config["run"]["datasets"]:
        with notes.about(name):
            rows, found = check_dataset(name, config, processors)
        found = [f"{name}: {problem}" for problem in found]
        lines = (f"  {one_line(key):<13} {one_line(str(value))}" for key, value in rows.items())
        blocks.append("\n".join([name, *lines]))
        problems += found
    return "\n\n".join(blocks), [*problems, *missing]


def check_dataset(name, config, processors):
    """({row: text}, [problem]) of one data set."""
    settings = config["datasets"][name]
    problems = [f"{key}: {problem}" for key, problem in loader.problems_of_dataset(settings, config["kmeans"])]
    if any(problem.startswith(("source", "samples")) for problem in problems):
        return _verdict(problems, "not checked"), problems
    rows = {"source": address.shown_samples(settings)}
    parts = _parts(name, settings)
    if parts is None:
        rows["source"] += " (not downloaded yet; run `snakemake data`, then check again)"
        return rows | _verdict(problems, "not checked"), problems
    problems += [
        f"{sample}: {problem}" if sample else problem for sample, part in parts.items() for problem in part.problems
    ]
    genes = {sample: part.var.index for sample, part in parts.items() if part.var is not None}
    if genes and (problem := samples.problem_of_genes(genes, settings["join"], settings["min_shared_genes"])):
        problems.append(problem)
    found = _together(parts, settings["join"])
    if found.obs is not None and found.var is not None and len(found.var):
        rows |= _sizes(found)
        rows |= _described(found, settings, problems)
        rows |= _needs(found, config, processors)
        problems += [] if problems else _rehearsed(settings, found, config)
        problems += _too_few_cells(len(found.obs), config)
        problems += _without_counts(found, config)
    problems = list(dict.fromkeys(problems))
    return rows | _verdict(problems, "ready"), problems


def _rehearsed(settings, found, config):
    """The problem that reading and quality control of a run would have, for data that take seconds to read."""
    if found.n_values is None and len(found.obs) * len(found.var) * DENSITY > REHEARSED_VALUES:
        return []
    if (found.n_values or 0) > REHEARSED_VALUES or not _is_local(settings):
        return []
    try:
        data = samples.read(settings, downloads=None)
        first = label_sets.first(settings["labels"])
        drop = first.get("missing") == "drop" and not address.is_fetched(first)
        chosen = labels.labelled(labels.given(first, data.obs), data.obs_names) if drop else None
        passed = quality.measure(data, settings["qc"], settings["genes"], chosen)
        if passed.holds == "log_normalized":
            return list(_without_recovery(passed, config))
    except UserError as error:
        return [str(error)]
    return []


def _without_recovery(passed, config):
    """Problems of models of counts whose counts cannot be recovered from logarithms, by the first cells."""
    block = next(iter(passed.blocks))[:RECOVERED_CELLS, passed.gene_rows]
    rows = np.split(np.expm1(block.data.astype(np.float64)), block.indptr[1:-1])
    if all(counts.whole_numbers(row)[1] <= counts.TOLERANCE for row in rows if len(row)):
        return
    for name in config["run"]["models"]:
        if registry.find(config["models"][name]["kind"]).counts:
            yield f"models.{name}: needs counts, but the values are not scaled counts; take it out of run.models"


def _is_local(settings):
    return not any(address.is_url(entry["source"]) for entry in address.samples(settings).values())


def _verdict(problems, otherwise):
    return {"result": f"{len(problems)} problem{'s' if len(problems) > 1 else ''}" if problems else otherwise}


def _parts(name, settings):
    """{sample or None: its description}; None if it would have to be downloaded."""
    if _is_local(settings):
        return samples.describe(settings, downloads=None)
    read = f"results/{name}/counts.h5ad"
    return {None: reader.describe(read)} if Path(read).exists() else None


def _together(parts, join):
    """One description of all samples that can be read."""
    if list(parts) == [None]:
        return parts[None]
    usable = {sample: part for sample, part in parts.items() if part.obs is not None and part.var is not None}
    if not usable:
        return next(iter(parts.values()))
    named = [
        part.obs.assign(sample=sample).set_axis([f"{sample}_{cell}" for cell in part.obs.index])
        for sample, part in usable.items()
    ]
    first, *others = (part.var for part in usable.values())
    for var in others:
        if join == "inner":
            first = first[first.index.isin(var.index)]
        else:
            first = pd.concat([first, var[~var.index.isin(first.index)]])
    holds = {part.holds for part in usable.values()}
    return reader.Description(
        format=", ".join(sorted({part.format for part in usable.values()})),
        obs=pd.concat(named),
        var=first,
        matrices={
            f"{matrix} of {sample}": held for sample, part in usable.items() for matrix, held in part.matrices.items()
        },
        holds=holds.pop() if len(holds) == 1 else "counts",
        n_values=sum(part.n_values or 0 for part in usable.values()) or None,
    )


def _described(found, settings, problems):
    """{row: text} about genes and labels; a problem in one row does not hide the others."""
    several = label_sets.are_several(settings["labels"])
    sets = {f" {name}" if several else "": section for name, section in label_sets.of(settings["labels"]).items()}
    checks = {
        f"labels{name}": functools.partial(_labels, found, section, problems, f"labels{name}".replace(" ", "."))
        for name, section in sets.items()
    }
    checks["genes"] = lambda: _genes(*_names(found, settings), found)
    checks["mitochondrial"] = lambda: _mitochondrial(*_names(found, settings), found, settings)
    for name, section in sets.items():
        checks[f"markers{name}"] = functools.partial(_markers, found, settings, section)
    checks["gene sets"] = lambda: _gene_sets(found, settings)
    checks["batches"] = lambda: _batches(found, settings)
    rows = {}
    for row, checked in checks.items():
        name = row.partition(" ")[2] if row.startswith(("labels ", "markers ")) else ""
        try:
            with labels.about(name):
                text = checked()
            if text is not None:
                rows[row] = text
        except UserError as error:
            problems.append(str(error))
            rows[row] = "see the problems"
    return rows


def _sizes(found):
    rows = {"cells x genes": f"{len(found.obs):,} x {len(found.var):,} ({found.format})"}
    for matrix, held in found.matrices.items():
        rows[f"matrix {matrix}"] = f"{held}{', used' if matrix == found.matrix else ''}"
    if "sample" in found.obs:
        sizes = found.obs["sample"].value_counts()
        rows["samples"] = ", ".join(f"{sample} ({size:,})" for sample, size in sizes.items())
    return rows


def _names(found, settings):
    """(names of the genes that are not excluded, mask of these genes in the source)."""
    names = gene_names.name(found.var, settings["genes"]["names"])
    kept = ~gene_names.exclude(names, settings["genes"]["exclude"])
    return names[kept], kept


def _genes(names, kept, found):
    twice, excluded = int(found.var.index.duplicated().sum()), int((~kept).sum())
    remarks = [f"{twice:,} duplicates"] * bool(twice) + [f"{excluded:,} excluded"] * bool(excluded)
    return "; ".join([f"{names[0]}, …, {names[-1]}", *remarks])


def _mitochondrial(names, kept, found, settings):
    if found.holds == "log_normalized":
        quality.refuse_limits_on_logarithms(settings["qc"])
        return None
    of = gene_names.mitochondrial(names, settings["qc"], found.var[kept])
    limit = settings["qc"]["max_pct_mito"]
    return f"{of.sum()} genes" + (f", less than {limit:g} %" if limit else ", no limit")


def _markers(found, settings, section):
    names = _names(found, settings)[0]
    if section["from"] == "markers":
        gates.refuse_missing(section["markers"], names)
        return f"found for all {len(section['markers'])} types"
    if section["from"] != "clusters":
        return None
    if found.holds in loader.WITHOUT_COUNTS:
        raise UserError(f"labels.from: clusters needs counts, but the values are {found.holds}; use obs or csv")
    markers = section["markers"]
    return f"found for {len(labels.known_markers(markers, names))} of {len(markers)} types"


def _labels(found, section, problems, key):
    if section["from"] == "none":
        return "none"
    if section["from"] in IN_THE_RUN:
        return f"by {IN_THE_RUN[section['from']]}, in the run"
    if address.is_fetched(section):
        return f"from {address.shown_labels(section)}, in the run"
    given = labels.given(section, found.obs)
    of_cells = given.reindex(found.obs.index)
    sizes, without = of_cells.value_counts(), int(of_cells.isna().sum())
    if without == len(of_cells):
        raise UserError("labels: no cell has a label; name another column, or set labels.from to none")
    labels.warn_of_sizes(of_cells.fillna(""))
    if without and section["missing"] == "error":
        problems.append(
            f"{key}: {without} of {len(of_cells)} cells have no label, which stops a run unless quality control drops "
            f"them; set {key}.missing to unscored or drop"
        )
    shown = ", ".join(f"{name} ({size:,})" for name, size in sizes.head(SHOWN_TYPES).items())
    more = f" and {len(sizes) - SHOWN_TYPES} more" if len(sizes) > SHOWN_TYPES else ""
    words = {"error": "unlabelled", "unscored": "unlabelled, not scored", "drop": "unlabelled, dropped"}[
        section["missing"]
    ]
    return f"{len(sizes)} types: {shown}{more}" + (f"; {without:,} {words}" if without else "")


def _gene_sets(found, settings):
    path = settings["gene_sets"]
    if not path or not Path(path).is_file():  # the loader reports a wrong path
        return None
    sets = gene_sets.read(path, _names(found, settings)[0])
    return f"{len(sets):,} with at least {gene_sets.FEWEST} of these genes"


def _batches(found, settings):
    if not settings["batch"]:
        return None
    sizes = batch.of_cells(found.obs, settings["batch"], found.obs.index).replace("", "none").value_counts()
    shown = ", ".join(f"{name} ({size:,})" for name, size in sizes.head(SHOWN_TYPES).items())
    more = f" and {len(sizes) - SHOWN_TYPES} more" if len(sizes) > SHOWN_TYPES else ""
    return f"{len(sizes)}: {shown}{more}"


def _too_few_cells(n_cells, config):
    perplexity, k = config["tsne"]["perplexity"], config["kmeans"]["k"]
    if perplexity > (n_cells - 1) / 3:
        yield f"tsne.perplexity: {perplexity:g} needs {3 * perplexity + 1:.0f} cells, but there are {n_cells}; lower it"
    if k is not None and k > n_cells:
        yield f"kmeans.k: {k} clusters need as many cells, but there are {n_cells}; lower it"


def _without_counts(found, config):
    if found.holds in loader.WITHOUT_COUNTS:
        for name in config["run"]["models"]:
            if registry.find(config["models"][name]["kind"]).external:
                yield f"models.{name}: needs counts, but the values are {found.holds}; take it out of run.models"


def _needs(found, config, processors):
    n_cells, n_genes = len(found.obs), len(found.var)
    n_values = found.n_values or DENSITY * n_cells * n_genes
    n_models = len(config["run"]["models"])
    runs = n_models * len(config["run"]["seeds"])
    tsne = config["tsne"]
    seconds = SECONDS_PER_JOB * (JOBS_PER_DATASET + n_models * JOBS_PER_MODEL + runs * JOBS_PER_RUN)
    epochs = sum(_epochs(config["models"][name], config["training"], n_cells) for name in config["run"]["models"])
    seconds += len(config["run"]["seeds"]) * epochs * n_values * SECONDS_PER_VALUE
    projections = runs + 2 * n_models  # 2-D for every seed, 3-D for the first
    seconds += projections * n_cells * (tsne["iterations"] + tsne["early_exaggeration_iterations"]) * SECONDS_PER_CELL
    gigabytes = (MEGABYTES + n_values * BYTES_PER_VALUE / 2**20) / 1024
    at_once = max(1, min(processors, runs))
    return {"needs": f"about {gigabytes:.1f} GB and {max(1, round(seconds / at_once / 60))} minutes on {at_once} cores"}


def _epochs(model, training, n_cells):
    """Passes over all cells in one training of a model, at most; 0 if it is not trained."""
    kind = registry.find(model["kind"])
    settings = training | kind.training(model)
    return kind.trained * max(settings["epochs"], settings["min_steps"] * settings["batch_size"] / max(1, n_cells))
