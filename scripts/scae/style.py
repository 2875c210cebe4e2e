"""One look for each cell type, on every picture and page."""

from scae import tables

RASTER_DPI = 150  # of every PNG

# Nine colours that stay apart in the common kinds of colour blindness (Paul Tol, "muted"), and three that keep that so
COLORS = [
    *("#332288", "#88CCEE", "#44AA99", "#117733", "#999933", "#DDCC77", "#CC6677", "#882255", "#AA4499"),
    *("#000000", "#9900FF", "#99CC00"),
]
FEWEST = 9  # looks among which those of a few types are chosen
UNSCORED_COLOR = "#CCCCCC"  # of cells without a label, which lie behind the others
# (matplotlib, plotly): the shape changes when the colours start again, so that more types stay apart too
SHAPES = [("o", "circle"), ("s", "square"), ("D", "diamond"), ("X", "x"), ("P", "cross")]


def looks_for(number):
    """The looks, (colour, matplotlib marker, plotly symbol) each, among which those of so many types are chosen."""
    ranks = range(min(max(number, FEWEST), len(COLORS) * len(SHAPES)))
    return [(COLORS[rank % len(COLORS)], *SHAPES[rank // len(COLORS)]) for rank in ranks]


def styles(names):
    """{name: (colour, matplotlib marker, plotly symbol)} in the order of the names: of batches, clusters and the like.

    The looks of cell types are in colors.csv.
    """
    looks = looks_for(len(set(names)))
    return {name: looks[rank % len(looks)] for rank, name in enumerate(sorted(set(names)))}


def read(path):
    """The looks of cell types in colors.csv: {cell type: (colour, matplotlib marker, plotly symbol)}."""
    markers = {symbol: marker for marker, symbol in SHAPES}
    return {row.label: (row.color, markers[row.shape], row.shape) for row in tables.read("colors", path).itertuples()}
