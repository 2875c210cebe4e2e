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


def words(name, sets):
    """ "labels from …", with the name of the label set if others have the same source, and whether that biases scores.

    Args:
        name: of the label set.
        sets: {label set: source}.
    """
    source = sets[name]
    which = f" ({name})" if list(sets.values()).count(source) > 1 else ""
    bias = ", which favours PCA" if source in FAVOURS_PCA else ""
    return f"labels from {WORDS.get(source, source)}{which}{bias}"


def first_labelled(sets):
    """The first label set that has labels, or None."""
    return next((name for name, source in sets.items() if source != "none"), None)
