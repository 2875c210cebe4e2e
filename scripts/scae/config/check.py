"""`snakemake check`: describe each data set, list the problems that would stop a run, estimate its cost."""

import contextlib
import functools
import importlib.util
import logging
import re
import shutil
from pathlib import Path

import anndata
import numpy as np
import pandas as pd

from scae.config import label_sets, loader
from scae.data import batch, counts, gates, labels, quality
from scae.data import genes as gene_names
from scae.errors import UserError, counted, one_line
from scae.evaluation import gene_sets
from scae.evaluation.diagnostics import FEW_STEPS
from scae.evaluation.main_scores import listed
from scae.jobs import notes
from scae.models import given, registry
from scae.sources import address, obsm, reader, samples

log = logging.getLogger(__name__)

SHOWN_TYPES = 12
SHOWN_COLUMNS = 6
MOST_TYPES = 100  # in a column that is offered for labels
LIKE_LABELS = re.compile(r"type|label|annot|ident|class|leiden|louvain|cluster", re.IGNORECASE)
MEASURED = 20_000_000  # non-zeros up to which the data are read and filtered as in a run, in up to ten seconds
DISK_PER_VALUE, DISK_PER_RUN, DISK_PER_GENE, DISK_PER_CELL = 12, 1_000_000, 2_000, 200  # bytes
IN_THE_RUN = {"clusters": "clustering", "markers": "gates on markers"}
RECOVERED_CELLS = 50
DENSITY = 0.08  # assumed share of non-zeros if they cannot be counted without reading the matrix
# Measured on two cores of a Xeon server (benchmarks/README.md); within a factor of two elsewhere
SECONDS_PER_JOB = 3.0
SECONDS_PER_VALUE = 1.6e-7  # of training, per non-zero and epoch
SECONDS_PER_CELL = 2.8e-6  # of 2-D t-SNE, per cell and iteration; 3-D takes twice as long
JOBS_PER_DATASET, JOBS_PER_MODEL, JOBS_PER_RUN = 12, 3, 3
MEGABYTES, BYTES_PER_VALUE = 600, 64


def check(config, processors, missing=(), is_local=True):
    """Check the data sets of a run.

    Args:
        config: the checked config.
        processors: number of processors for the run.
        missing: messages about packages that models need.
        is_local: whether this machine runs the jobs.

    Returns:
        (str, list[str]): a table to print, and the problems that would stop a run, one line each.
    """
    blocks, problems = [], []
    for name in config["run"]["datasets"]:
        with _warnings() as warnings:
            rows, found = check_dataset(name, config, processors)
        result = rows.pop("result")
        lines = [(key, value) for key, value in rows.items() if value] + [("warning", text) for text in warnings]
        blocks.append(
            "\n".join([f"{name}: {result}", *(f"  {one_line(key):<13} {one_line(str(value))}" for key, value in lines)])
        )
        problems += [f"{name}: {problem}" for problem in found]
    return "\n\n".join(blocks), [*problems, *missing, *(_without_device(config) if is_local else ())]


@contextlib.contextmanager
def _warnings():
    """The warnings of the library that are logged inside, each once."""
    collector, found = notes.Collector(), []
    logging.getLogger().addHandler(collector)
    try:
        yield found
    finally:
        logging.getLogger().removeHandler(collector)
        found += [message for is_warning, message in collector.notes if is_warning]


def check_dataset(name, config, processors):
    """({row: text}, [problem]) of one data set, the rows that matter most first."""
    settings = config["datasets"][name]
    problems = [f"{key}: {problem}" for key, problem in loader.problems_of_dataset(settings, config["kmeans"])]
    if any(problem.startswith(("source", "samples")) for problem in problems):
        return _verdict(problems, "not checked"), problems
    source = address.shown_samples(settings)
    parts = _parts(name, settings)
    if parts is None:
        source += " (not downloaded yet; run `snakemake data`, then check again)"
        return _verdict(problems, "not checked") | {"source": source}, problems
    problems += [
        f"{sample}: {problem}" if sample else problem for sample, part in parts.items() for problem in part.problems
    ]
    genes = {sample: part.var.index for sample, part in parts.items() if part.var is not None}
    if genes and (problem := samples.problem_of_genes(genes, settings["join"], settings["min_shared_genes"])):
        problems.append(problem)
    found = _together(parts, settings["join"])
    rows = {"source": source}
    if found.obs is not None and found.var is not None and len(found.var):
        rows |= _sizes(found, source)
        kept = _kept(name, settings, found, config, rows, problems)
        rows |= _described(found, settings, problems)
        rows |= _needs(found, config, processors, kept)
        problems += _too_few_cells(kept or len(found.obs), config)
        problems += _without_counts(found, config)
        problems += _given(settings, config)
    problems = list(dict.fromkeys(problems))
    return _verdict(problems, "ready") | rows, problems


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
    return {"result": counted(len(problems), "problem") if problems else otherwise}


def _parts(name, settings):
    """{sample or None: its description}; None if it would have to be downloaded."""
    if _is_local(settings):
        return samples.describe(settings, downloads=None)
    return {None: reader.describe(_read_by_run(name))} if Path(_read_by_run(name)).exists() else None


def _read_by_run(name):
    return f"results/{name}/counts.h5ad"


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


def _kept(name, settings, found, config, rows, problems):
    """Number of cells that quality control keeps, by applying it; None if that would take long or is not possible."""
    if found.holds is None or (found.n_values or DENSITY * len(found.obs) * len(found.var)) > MEASURED:
        return None
    try:
        is_here = _is_local(settings)
        data = samples.read(settings, downloads=None) if is_here else anndata.read_h5ad(_read_by_run(name))
        first = label_sets.first(settings["labels"])
        drop = first.get("missing") == "drop" and not address.is_fetched(first)
        chosen = labels.labelled(labels.given(first, data.obs), data.obs_names) if drop else None
        passed = quality.measure(data, settings["qc"], settings["genes"], chosen)
        if passed.holds == "log_normalized":
            problems += _without_recovery(passed, config)
    except UserError as error:
        problems.append(str(error))
        return None
    except (OSError, ValueError) as error:  # what `_parts` has described as damaged
        log.info("quality control is not applied: %s", error)
        return None
    n_cells, n_kept = len(passed.cells), int(passed.kept.sum())
    limits = passed.limits[passed.limits["breaks_it"] > 0].groupby("limit", sort=False)["breaks_it"].sum()
    each = ", ".join(f"{limit} {n_cells - removed:,}" for limit, removed in limits.items())
    rows["kept"] = f"{n_kept:,} cells x {len(passed.genes):,} genes" + (f" (cells by limit: {each})" if each else "")
    return n_kept


def _described(found, settings, problems):
    """{row: text} about labels, batches and genes; a problem in one row does not hide the others."""
    several = label_sets.are_several(settings["labels"])
    sets = {f" {name}" if several else "": section for name, section in label_sets.of(settings["labels"]).items()}
    checks = {
        f"labels{name}": functools.partial(_labels, found, section, problems, f"labels{name}".replace(" ", "."))
        for name, section in sets.items()
    }
    for name, section in sets.items():
        checks[f"markers{name}"] = functools.partial(_markers, found, settings, section)
    checks["batches"] = lambda: _batches(found, settings)
    checks["genes"] = lambda: _genes(found, settings)
    rows = {}
    for row, checked in checks.items():
        name = row.partition(" ")[2] if row.startswith(("labels ", "markers ")) else ""
        try:
            with labels.about(name):
                rows[row] = checked()
        except UserError as error:
            problems.append(str(error))
            offered = f"{_like_labels(found.obs)}; or labels: {{from: none}} with kmeans.k"
            rows[row] = "see the problems" + (offered if row.startswith("labels") else "")
    return rows


def _sizes(found, source):
    others = [f"{name} holds {held}" for name, held in found.matrices.items() if name != found.matrix]
    of = source if source == found.format else f"{source} ({found.format})"
    rows = {
        "source": f"{of}: {len(found.obs):,} cells x {len(found.var):,} genes",
        "values": f"{found.holds or 'see the problems'}"
        + (f", in {found.matrix}" if found.matrix and (found.matrix != "X" or others) else "")
        + (f" ({'; '.join(others)})" if others else ""),
    }
    if "sample" in found.obs:
        sizes = found.obs["sample"].value_counts()
        rows["samples"] = _shown(sizes)
    return rows


def _shown(sizes):
    """Names with their numbers of cells, of which there may be many."""
    shown = ", ".join(f"{name} ({size:,})" for name, size in sizes.head(SHOWN_TYPES).items())
    return shown + (f" and {len(sizes) - SHOWN_TYPES} more" if len(sizes) > SHOWN_TYPES else "")


def _like_labels(obs):
    """The columns that may hold cell types, as a remark: text with few different values, likely names first."""
    numbers = {
        name: column.nunique()
        for name, column in obs.items()
        if not pd.api.types.is_numeric_dtype(column) and 2 <= column.nunique() <= min(MOST_TYPES, len(obs) // 3)
    }
    likely = sorted(numbers, key=lambda name: LIKE_LABELS.search(str(name)) is None)[:SHOWN_COLUMNS]
    if not likely:
        return ""
    return f"; columns like cell types: {', '.join(f'{name} ({numbers[name]} values)' for name in likely)}"


def _names(found, settings):
    """(names of the genes that are not excluded, mask of these genes in the source)."""
    names = gene_names.name(found.var, settings["genes"]["names"])
    kept = ~gene_names.exclude(names, settings["genes"]["exclude"])
    return names[kept], kept


def _genes(found, settings):
    names, kept = _names(found, settings)
    twice, excluded = int(found.var.index.duplicated().sum()), int((~kept).sum())
    remarks = [counted(twice, "duplicate")] * bool(twice) + [f"{excluded:,} excluded"] * bool(excluded)
    if found.holds == "log_normalized":
        quality.refuse_limits_on_logarithms(settings["qc"])
    else:
        of = gene_names.mitochondrial(names, settings["qc"], found.var[kept])
        limit = settings["qc"]["max_pct_mito"]
        remarks.append(f"{of.sum()} mitochondrial" + (f", less than {limit:g} %" if limit else ", no limit"))
    return "; ".join([f"{names[0]}, …, {names[-1]}", *remarks, *_gene_sets(names, settings)])


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
    if not markers:
        return None
    return f"found for {len(labels.known_markers(markers, names))} of {len(markers)} types"


def _labels(found, section, problems, key):
    if section["from"] == "none":
        return f"none{_like_labels(found.obs)}"
    if section["from"] in IN_THE_RUN:
        offered = _like_labels(found.obs) if section["from"] == "clusters" else ""
        return f"by {IN_THE_RUN[section['from']]}, in the run{offered}"
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
    words = {"error": "unlabelled", "unscored": "unlabelled, not scored", "drop": "unlabelled, dropped"}[
        section["missing"]
    ]
    return f"{counted(len(sizes), 'type')}: {_shown(sizes)}" + (f"; {without:,} {words}" if without else "")


def _gene_sets(names, settings):
    path = settings["gene_sets"]
    if path and Path(path).is_file():  # the loader reports a wrong path
        sets = gene_sets.read(path, names)
        yield f"{counted(len(sets), 'gene set')} with at least {gene_sets.FEWEST} of them"


def _batches(found, settings):
    if not settings["batch"]:
        return None
    sizes = batch.of_cells(found.obs, settings["batch"], found.obs.index).replace("", "none").value_counts()
    if len(sizes) < 2:
        log.warning("batch: all cells are of one batch, so batch mixing is not scored; set batch to null")
    return f"{len(sizes)}: {_shown(sizes)}"


def _too_few_cells(n_cells, config):
    perplexity, k = config["tsne"]["perplexity"], config["kmeans"]["k"]
    if perplexity > (n_cells - 1) / 3:
        needed, highest = f"{3 * perplexity + 1:.0f} cells", (n_cells - 1) // 3
        yield f"tsne.perplexity: {perplexity:g} needs {needed}, but there are {n_cells}; set it to {highest} or less"
    if k is not None and k > n_cells:
        yield f"kmeans.k: {k} clusters need as many cells, but there are {n_cells}; set it to {n_cells} or less"


def _without_counts(found, config):
    if found.holds in loader.WITHOUT_COUNTS:
        for name in config["run"]["models"]:
            if registry.find(config["models"][name]["kind"]).external:
                yield f"models.{name}: needs counts, but the values are {found.holds}; take it out of run.models"


def _given(settings, config):
    """Problems of the given embeddings of a run: no such entry of obsm, or no cell of the data in the table."""
    for name in config["run"]["models"]:
        model = config["models"][name]
        if model["kind"] != "given" or not isinstance(settings["source"], str) or address.is_url(settings["source"]):
            continue
        try:
            given.from_table(model["path"]) if model["path"] else obsm.of_source(settings["source"], model["key"])
        except UserError as error:
            yield f"models.{name}: {error}"


def _short_trainings(config, n_cells):
    """{model: gradient steps} of models that the section ``training`` trains for fewer than `FEW_STEPS`."""
    found = {}
    for name in config["run"]["models"]:
        model = config["models"][name]
        kind = registry.find(model["kind"])
        settings = config["training"] | kind.training(model)
        if kind.trained and not kind.external and "min_steps" not in kind.training(model):
            steps = max(settings["epochs"] * -(-n_cells // settings["batch_size"]), settings["min_steps"])
            found |= {name: steps} if steps < FEW_STEPS else {}
    return found


def _without_device(config):
    if config["training"]["device"] == "cuda" and importlib.util.find_spec("torch"):
        torch = importlib.import_module("torch")  # only where it is installed

        if not torch.cuda.is_available():
            yield "training.device: is cuda, but this machine has no CUDA device; set it to cpu or auto"


def _needs(found, config, processors, kept):
    n_cells, n_genes = kept or len(found.obs), len(found.var)
    n_values = found.n_values or DENSITY * n_cells * n_genes
    n_models = len(config["run"]["models"])
    runs = n_models * len(config["run"]["seeds"])
    tsne = config["tsne"]
    seconds = SECONDS_PER_JOB * (JOBS_PER_DATASET + n_models * JOBS_PER_MODEL + runs * JOBS_PER_RUN)
    if short := _short_trainings(config, n_cells):
        words = f"{listed(short)} would train for {min(short.values()):,} gradient steps"
        log.warning("training: %s, too few to judge; set training.min_steps to %d or more", words, FEW_STEPS)
    epochs = sum(_epochs(config["models"][name], config["training"], n_cells) for name in config["run"]["models"])
    seconds += len(config["run"]["seeds"]) * epochs * n_values * SECONDS_PER_VALUE
    projections = runs + 2 * n_models  # 2-D for every seed, 3-D for the first
    seconds += projections * n_cells * (tsne["iterations"] + tsne["early_exaggeration_iterations"]) * SECONDS_PER_CELL
    gigabytes = (MEGABYTES + n_values * BYTES_PER_VALUE / 2**20) / 1024
    at_once = max(1, min(processors, runs))
    disk = (n_values * DISK_PER_VALUE + runs * (DISK_PER_RUN + n_genes * DISK_PER_GENE + n_cells * DISK_PER_CELL)) / 1e9
    free = shutil.disk_usage(".").free / 1e9
    if disk > free:
        log.warning("the results need about %.1f GB of disk, but %s has %.1f GB; make room", disk, Path.cwd(), free)
    minutes = max(1, round(seconds / at_once / 60))
    return {
        "needs": f"about {counted(minutes, 'minute')} on {counted(at_once, 'core')}, {gigabytes:.1f} GB of memory and "
        f"{max(disk, 0.1):.1f} GB of disk"
    }


def _epochs(model, training, n_cells):
    """Passes over all cells in one training of a model, at most; 0 if it is not trained."""
    kind = registry.find(model["kind"])
    settings = training | kind.training(model)
    return kind.trained * max(settings["epochs"], settings["min_steps"] * settings["batch_size"] / max(1, n_cells))
