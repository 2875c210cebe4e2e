"""The sources of labels in words, and the sources that bias scores."""

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
