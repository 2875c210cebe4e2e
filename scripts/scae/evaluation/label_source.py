"""The sources of labels in words, and the sources that bias scores."""

import re

WORDS = {
    "obs": "the data's own annotation",
    "obs_clusters": "a clustering in the data's own annotation",
    "csv": "a label file",
    "clusters": "a clustering of principal components",
    "markers": "marker genes",
    "simulation": "the simulation",
}
FAVOURS_PCA = ("clusters", "obs_clusters")
MAY_FAVOUR_PCA = ("obs", "csv")  # annotations, most of which name clusters of principal components
CLUSTERINGS = re.compile(r"leiden|louvain|seurat_?clusters|snn_res|phenograph|^k?means|^clusters?(ing)?$|_clusters?$")


def is_clustering(column):
    """Whether a column of obs is a clustering by its name."""
    return bool(CLUSTERINGS.search(str(column).casefold()))
