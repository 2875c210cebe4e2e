"""Simulated cells of known types: gamma-Poisson counts with sparse gene programs.

The logarithm of a gene's expected share of a cell's counts is the gene's level plus the programs active in the cell
plus a shift of the cell's batch. Counts are gamma-Poisson (negative binomial) with mean share times depth (as in
Splatter, Zappia, Phipson & Oshlack 2017); dropout removes small counts more often.
"""

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

CELLS_AT_ONCE = 1_000
LEVEL_SD = 1.5  # of gene levels, natural logarithm
GAIN_SHAPE = 50  # of the gamma distribution of a program's activity over cells: coefficient of variation 0.14
RISING = 0.8  # share of a program's genes that it raises; it lowers the others


def simulate(settings):
    """Simulate a data set.

    Args:
        settings: the ``simulation`` section of a data set in the config.

    Returns:
        anndata.AnnData: X: counts, CSR float32; obs: type, batch, depth and, with a trajectory, pseudotime, with a
        cycle, phase. The product of obsm["true_programs"] (cells, programs) and varm["true_programs"] (genes, programs)
        is the log fold change between types, and that of "true_nuisance", if there is any, the log fold change
        unrelated to types.
    """
    source = np.random.default_rng(settings["seed"])
    truth, obs = _cells(settings, source)
    names = {name: activity for name, activity in truth.items() if activity.shape[1]}
    programs = {name: _programs(activity.shape[1], settings, source) for name, activity in names.items()}
    level = source.normal(0, LEVEL_SD, settings["genes"])
    shifts = source.normal(0, settings["batch_effect"], (settings["batches"], settings["genes"]))
    shifts[0] = 0
    blocks = []
    for cells in np.array_split(np.arange(settings["cells"]), -(-settings["cells"] // CELLS_AT_ONCE)):
        log_share = level + shifts[obs["batch_number"].iloc[cells]]
        for name, activity in names.items():
            # Sparse, since BLAS sums in an order that its threads decide
            log_share += (sparse.csr_matrix(programs[name]) @ activity[cells].T).T
        share = np.exp(log_share)
        expected = obs["depth"].to_numpy()[cells, None] * share / share.sum(axis=1, keepdims=True)
        blocks.append(sparse.csr_matrix(_counts(expected, settings, source).astype(np.float32)))
    return anndata.AnnData(
        sparse.vstack(blocks, format="csr"),
        obs=obs.drop(columns="batch_number"),
        var=genes(settings),
        obsm={f"true_{name}": activity for name, activity in names.items()},
        varm={f"true_{name}": of_genes for name, of_genes in programs.items()},
        uns={"format": "simulated", "matrix": "X", "values": "counts"},
    )


def cells(settings):
    """The obs of a simulated data set, without drawing its counts."""
    return _cells(settings, np.random.default_rng(settings["seed"]))[1].drop(columns="batch_number")


def genes(settings):
    """The var of a simulated data set: only names."""
    return pd.DataFrame(index=[f"Gene{number + 1}" for number in range(settings["genes"])])


def sizes_of_types(types):
    """Relative sizes of the types, equal if only their number is given; (types,)."""
    return np.array(types if isinstance(types, list) else [1] * types, dtype=float)


def _cells(settings, source):
    """({name: program activity, (cells, programs)}, obs); drawn before anything else."""
    n_cells = settings["cells"]
    sizes = sizes_of_types(settings["types"])
    types = source.choice(len(sizes), n_cells, p=sizes / sizes.sum())
    types[: len(sizes)] = np.arange(len(sizes))  # each type has a cell, however rare
    types = source.permutation(types)
    batch = source.integers(settings["batches"], size=n_cells)
    depth = np.exp(source.normal(0, settings["depth_sd"], n_cells) - settings["depth_sd"] ** 2 / 2)
    width = len(str(len(sizes)))
    obs = {
        "type": pd.Categorical([f"Type {number + 1:0{width}d}" for number in types]),
        "batch": pd.Categorical([f"Batch {number + 1}" for number in batch]),
        "batch_number": batch,
        "depth": settings["depth"] * depth,
    }
    if settings["trajectory"]:
        edges = np.concatenate([[0], np.cumsum(sizes) / sizes.sum()])  # types are successive segments
        obs["pseudotime"] = edges[types] + source.random(n_cells) * np.diff(edges)[types]
        programs = _waves(obs["pseudotime"] / 2, settings["trajectory"])  # half a circle, so that the ends are apart
    else:
        programs = _of_types(types, len(sizes), settings["programs_per_type"], source)
    nuisance = [source.normal(size=(n_cells, settings["nuisance"]))]
    if settings["cycle"]:
        obs["phase"] = source.random(n_cells)
        nuisance.append(_waves(obs["phase"], settings["cycle"]))
    activity = {
        "programs": settings["signal"] * programs,
        "nuisance": settings["nuisance_signal"] * np.column_stack(nuisance),
    }
    return activity, pd.DataFrame(obs, index=[f"cell{number + 1}" for number in range(n_cells)])


def _waves(place, n_waves):
    """A curve that no low-dimensional linear subspace contains; (cells, 2 · waves)."""
    angle = 2 * np.pi * place[:, None] * np.arange(1, n_waves + 1)
    return np.column_stack([np.sin(angle), np.cos(angle)])


def _of_types(types, n_types, programs_per_type, source):
    """Activity of programs, each active in the cells of one type; (cells, programs)."""
    mine = np.repeat(np.arange(n_types), programs_per_type) == types[:, None]
    return mine * source.gamma(GAIN_SHAPE, 1 / GAIN_SHAPE, mine.shape)


def _programs(n_programs, settings, source):
    """Log fold change of each gene by a fully active program, sparse; (genes, programs)."""
    programs = np.zeros((settings["genes"], n_programs))
    for number in range(n_programs):
        chosen = source.choice(settings["genes"], settings["program_genes"], replace=False)
        sign = source.choice([-1, 1], len(chosen), p=[1 - RISING, RISING])
        programs[chosen, number] = sign * source.gamma(4, 0.25, len(chosen))  # of mean 1
    return programs


def _counts(expected, settings, source):
    """Gamma-Poisson counts with this mean and variance mean + dispersion · mean², after dropout."""
    dispersion = settings["dispersion"]
    mean = source.gamma(1 / dispersion, expected * dispersion) if dispersion else expected
    counts = source.poisson(mean)
    if settings["dropout"]:
        counts[source.random(expected.shape) < settings["dropout"] * np.exp(-expected)] = 0
    return counts
