"""The sources of labels in words, and the sources that bias scores."""

WORDS = {
    "obs": "the data's own annotation",
    "csv": "a label file",
    "clusters": "a clustering of principal components",
    "markers": "marker genes",
    "simulation": "the simulation",
}
FAVOURS_PCA = ("clusters",)
