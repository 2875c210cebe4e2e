"""All that is known of the cells of a data set in one AnnData, for scanpy, cellxgene and the lab that gave the data."""

import json

import numpy as np
import pandas as pd

from scae import tables

PREFIX = "source_"  # of a column of the lab whose name is taken by one of ours
SETTINGS = "scae"  # the key of uns


def assemble(expression, source, names, labels, further, runs, colors):
    """Expression with the lab's own annotation, labels, clusters, latents and t-SNE.

    Args:
        expression: AnnData after quality control; changed in place.
        source: AnnData as read, of which only obs and var are looked at; has all cells and genes of ``expression``.
        names: names of the genes of ``source``, as in ``expression``.
        labels: Series of labels by cell.
        further: {name: the same by a further set of labels}.
        runs: {"<model>_seed<n>": {"clusters", "latent", "tsne2d", "tsne3d": DataFrames by cell, "metrics": table of
            scores, "about": dict with model, seed and its settings}}.
        colors: {type: hexadecimal colour}.

    Returns:
        anndata.AnnData: X and layers as they were; obs and var have the lab's columns (``source_`` before the name of
        one that would stand twice), obs ours: label, label_<set> of further sets, n_genes … and the clusters of each
        run; obsm, float32, X_<run>, X_<run>_tsne2d and X_<run>_tsne3d; uns label_colors, and in ``scae`` for each
        latent its model, seed, settings and scores (``scores_of`` further sets), as JSON.
    """
    cells = expression.obs_names
    of_cells = {"label": labels} | {f"label_{name}": of_set for name, of_set in further.items()}
    ours = expression.obs.assign(
        **{name: pd.Categorical(found.loc[cells].replace(tables.UNSCORED, np.nan)) for name, found in of_cells.items()}
    )
    for run, found in runs.items():
        for space, ids in found["clusters"].loc[cells].items():
            ours[f"{run}_{space}"] = pd.Categorical(ids)
        for name, points in (("", "latent"), ("_tsne2d", "tsne2d"), ("_tsne3d", "tsne3d")):
            expression.obsm[f"X_{run}{name}"] = found[points].loc[cells].to_numpy(dtype=np.float32)
    expression.obs = _beside(ours, source.obs.loc[cells])
    rows = pd.Index(names).get_indexer(expression.var_names)
    of_genes = source.var.iloc[rows].rename_axis(None)
    if (of_genes.index != expression.var_names).any():
        of_genes = of_genes.assign(source_name=of_genes.index.astype(str))
    expression.var = _beside(expression.var, of_genes.set_axis(expression.var_names))
    expression.uns["label_colors"] = [colors[name] for name in expression.obs["label"].cat.categories]
    expression.uns[SETTINGS] = {f"X_{run}": json.dumps(_about(found), sort_keys=True) for run, found in runs.items()}
    return expression


def _beside(ours, theirs):
    """Our columns, then theirs with a name that is not taken and without categories that no cell has."""
    renamed = {name: PREFIX + name if name in ours else name for name in theirs.columns}
    theirs = theirs.rename(columns=renamed)
    for name, column in theirs.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            theirs[name] = column.cat.remove_unused_categories()
    return pd.concat([ours, theirs.set_axis(ours.index)], axis=1)


def _about(found):
    metrics = found["metrics"]
    first, *further = metrics["labels"].unique()
    about = found["about"] | {"scores": _scores(metrics[metrics["labels"] == first])}
    if further:
        about["scores_of"] = {name: _scores(metrics[metrics["labels"] == name]) for name in further}
    return about


def _scores(metrics):
    scores = {}
    for row in metrics.itertuples():
        scores.setdefault(row.space, {})[row.metric] = None if np.isnan(row.value) else row.value
    return scores
