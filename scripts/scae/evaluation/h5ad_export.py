"""All results about the cells of a data set in one AnnData, for scanpy and cellxgene."""

import json

import numpy as np
import pandas as pd

from scae import tables

PREFIX = "source_"  # of a source column whose name is one of ours
SETTINGS = "scae"  # the key of uns


def assemble(expression, source, names, labels, more_labels, runs, colors):
    """Add the source's annotation, labels, clusters, latents and t-SNE to the expression.

    Args:
        expression: AnnData after quality control; changed in place.
        source: AnnData as read, with all cells and genes of ``expression``; only obs and var are used.
        names: names of the genes of ``source``, as in ``expression``.
        labels: Series of labels by cell.
        more_labels: {name: the same for an additional label set}.
        runs: {"<model>_seed<n>": {"clusters", "latent", "tsne2d" and perhaps "tsne3d": DataFrames by cell, "metrics":
            table of scores, "about": dict with model, seed and its settings}}.
        colors: {type: hexadecimal colour}.

    Returns:
        anndata.AnnData: X and layers unchanged. obs has label, label_<set> for additional sets, n_genes … and the
        clusters of each run; obs and var also have the source's columns, with ``source_`` before a name that is taken.
        obsm has, as float32, X_<run>, X_<run>_tsne2d and, for runs that have it, X_<run>_tsne3d. uns has label_colors
        and, in ``scae``, model, seed, settings and scores (``scores_of`` additional sets) of each latent as JSON.
    """
    cells = expression.obs_names
    label_columns = {"label": labels} | {f"label_{name}": additional for name, additional in more_labels.items()}
    ours = expression.obs.assign(
        **{
            name: pd.Categorical(found.loc[cells].replace(tables.UNSCORED, np.nan))
            for name, found in label_columns.items()
        }
    )
    for run, found in runs.items():
        for space, ids in found["clusters"].loc[cells].items():
            ours[f"{run}_{space}"] = pd.Categorical(ids)
        for name, points in (("", "latent"), ("_tsne2d", "tsne2d"), ("_tsne3d", "tsne3d")):
            if points in found:
                expression.obsm[f"X_{run}{name}"] = found[points].loc[cells].to_numpy(dtype=np.float32)
    expression.obs = _beside(ours, source.obs.loc[cells])
    rows = pd.Index(names).get_indexer(expression.var_names)
    source_genes = source.var.iloc[rows].rename_axis(None)
    if (source_genes.index != expression.var_names).any():
        source_genes = source_genes.assign(source_name=source_genes.index.astype(str))
    expression.var = _beside(expression.var, source_genes.set_axis(expression.var_names))
    expression.uns["label_colors"] = [colors[name] for name in expression.obs["label"].cat.categories]
    expression.uns[SETTINGS] = {f"X_{run}": json.dumps(_about(found), sort_keys=True) for run, found in runs.items()}
    return expression


def _beside(ours, theirs):
    """Our columns followed by theirs, renamed if the name is taken and without unused categories."""
    renamed = {name: PREFIX + name if name in ours else name for name in theirs.columns}
    theirs = theirs.rename(columns=renamed)
    for name, column in theirs.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            theirs[name] = column.cat.remove_unused_categories()
    return pd.concat([ours, theirs.set_axis(ours.index)], axis=1)


def _about(found):
    metrics = found["metrics"]
    first, *additional = metrics["labels"].unique()
    about = found["about"] | {"scores": _scores(metrics[metrics["labels"] == first])}
    if additional:
        about["scores_of"] = {name: _scores(metrics[metrics["labels"] == name]) for name in additional}
    return about


def _scores(metrics):
    scores = {}
    for row in metrics.itertuples():
        scores.setdefault(row.space, {})[row.metric] = None if np.isnan(row.value) else row.value
    return scores
