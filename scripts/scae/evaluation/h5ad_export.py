"""All results about the cells of a data set in one AnnData, for scanpy and cellxgene."""

import json

import numpy as np
import pandas as pd

from scae import tables

PREFIX = "source_"  # of a name in the source that is one of ours
SETTINGS = "scae"  # the key of uns
SUFFIXES = {"latent": "", "tsne2d": "_tsne", "tsne3d": "_tsne3d"}
TSNES = ("tsne2d", "tsne3d")
SHOWN = "pca"  # the representation that X_tsne and X_umap are of, as in scanpy, if the run has it


def assemble(expression, source, names, labels, more_labels, runs, colors, umap=None):
    """Add the source's annotation, labels, clusters, latents and t-SNE to the expression, under the names of scanpy.

    Args:
        expression: AnnData after quality control; changed in place.
        source: AnnData as read, with all cells and genes of ``expression``; only obs, obsm and var are used.
        names: names of the genes of ``source``, as in ``expression``.
        labels: Series of labels by cell.
        more_labels: {name: the same for an additional label set}.
        runs: {model: {"clusters", "latent", "tsne2d" and perhaps "tsne3d": DataFrames by cell, "metrics": table of
            scores, "about": dict with model, seed and its settings}}, one seed each.
        colors: {type: hexadecimal colour}.
        umap: function from a latent, (cells, dimensions) float32, to X_umap or None.

    Returns:
        anndata.AnnData: X and layers unchanged. obs has label, label_<set> for additional sets, n_genes … and the
        clusters of each model as clusters_<model> (of its latent) and clusters_<model>_tsne. obsm has, as float32,
        X_<model>, X_<model>_tsne and X_<model>_tsne3d; X_tsne and X_umap are of `SHOWN`, or else of the first model.
        obs, var and obsm of the source are kept, with ``source_`` in a name that is taken. uns has label_colors
        and, in ``scae``, model, seed, settings and scores (``scores_of`` additional sets) of each latent as JSON, and
        which latent X_tsne is of.
    """
    cells = expression.obs_names
    ours = expression.obs.assign(**_label_columns(labels, more_labels, cells))
    obsm = {f"X_{model}": _points(found["latent"], cells) for model, found in runs.items()}
    shown = SHOWN if SHOWN in runs else next(iter(runs))
    further = {"X_tsne": _points(runs[shown]["tsne2d"], cells)}
    if umap is not None and (found := umap(obsm[f"X_{shown}"])) is not None:
        further["X_umap"] = found
    for model, found in runs.items():
        ours[f"clusters_{model}"] = pd.Categorical(found["clusters"]["latent"].loc[cells])
        further |= {f"X_{model}{SUFFIXES[name]}": _points(found[name], cells) for name in TSNES if name in found}
    for model, found in runs.items():
        ours[_free(f"clusters_{model}_tsne", ours)] = pd.Categorical(found["clusters"]["tsne2d"].loc[cells])
    for name, points in further.items():
        obsm[_free(name, obsm)] = points
    rows = source.obs_names.get_indexer(cells)
    for name in sorted(source.obsm):
        new = f"X_{PREFIX}{name.removeprefix('X_')}"
        renamed = _free(new, {*obsm, *source.obsm}) if name in obsm else name
        obsm[renamed] = np.asarray(source.obsm[name][rows], dtype=np.float32)
    for name, points in obsm.items():
        expression.obsm[name] = points
    expression.obs = _beside(ours, source.obs.loc[cells])
    rows = pd.Index(names).get_indexer(expression.var_names)
    source_genes = source.var.iloc[rows].rename_axis(None)
    if (source_genes.index != expression.var_names).any():
        source_genes = source_genes.assign(source_name=source_genes.index.astype(str))
    expression.var = _beside(expression.var, source_genes.set_axis(expression.var_names))
    expression.uns["label_colors"] = [colors[name] for name in expression.obs["label"].cat.categories]
    of_runs = {f"X_{model}": found for model, found in runs.items()}
    expression.uns[SETTINGS] = {"X_tsne": json.dumps({"of": f"X_{shown}"})} | _settings(of_runs)
    return expression


def assemble_seeds(cells, labels, more_labels, runs):
    """Latents, t-SNE and clusters of all seeds, without expression.

    Args:
        cells: names.
        labels, more_labels: as for `assemble`.
        runs: {"<model>_seed<n>": as for `assemble`}.

    Returns:
        anndata.AnnData: cells x no genes. obs has the labels and clusters_<run> (of the latent) and
        clusters_<run>_tsne; obsm X_<run>, X_<run>_tsne and, for runs that have it, X_<run>_tsne3d; uns as `assemble`.
    """
    import anndata

    obs = pd.DataFrame(_label_columns(labels, more_labels, cells), index=cells)
    obsm = {}
    for run, found in runs.items():
        for space, ids in found["clusters"].loc[cells].items():
            obs[f"clusters_{run}{SUFFIXES[space]}"] = pd.Categorical(ids)
        obsm |= {f"X_{run}{suffix}": _points(found[name], cells) for name, suffix in SUFFIXES.items() if name in found}
    uns = {SETTINGS: _settings({f"X_{run}": found for run, found in runs.items()})}
    return anndata.AnnData(obs=obs, obsm=obsm, uns=uns)


def _label_columns(labels, more_labels, cells):
    columns = {"label": labels} | {f"label_{name}": additional for name, additional in more_labels.items()}
    return {name: pd.Categorical(found.loc[cells].replace(tables.UNSCORED, np.nan)) for name, found in columns.items()}


def _points(table, cells):
    return table.loc[cells].to_numpy(dtype=np.float32)


def _free(name, taken):
    """A name that nothing has yet: a model may be called dae_tsne, and a column of the source source_label."""
    while name in taken:
        name += "_"
    return name


def _settings(runs):
    return {name: json.dumps(_about(found), sort_keys=True) for name, found in runs.items()}


def _beside(ours, theirs):
    """Our columns followed by theirs, renamed if the name is taken and without unused categories."""
    taken, renamed = {*ours.columns, *theirs.columns}, {}
    for name in ours.columns.intersection(theirs.columns):
        renamed[name] = _free(PREFIX + name, taken)
        taken.add(renamed[name])
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
