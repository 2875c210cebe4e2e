"""The colour and marker of each cell type, the same in every picture and in the report."""

from scae import tables

RASTER_DPI = 150  # of every PNG

# Nine colours that differ in the common kinds of colour blindness (Paul Tol, "muted"), and three more that also do
COLORS = [
    *("#332288", "#88CCEE", "#44AA99", "#117733", "#999933", "#DDCC77", "#CC6677", "#882255", "#AA4499"),
    *("#000000", "#9900FF", "#99CC00"),
]
FEWEST = 9  # styles to choose from where there are only a few types
UNSCORED_COLOR = "#CCCCCC"  # of cells without a label, drawn behind the others
SHAPES = [("o", "circle"), ("s", "square"), ("D", "diamond"), ("X", "x"), ("P", "cross")]  # (matplotlib, plotly)


def available_styles(number):
    """The styles to choose from for so many types: (colour, matplotlib marker, plotly symbol) each.

    The marker changes when the colours start again.
    """
    ranks = range(min(max(number, FEWEST), len(COLORS) * len(SHAPES)))
    return [(COLORS[rank % len(COLORS)], *SHAPES[rank // len(COLORS)]) for rank in ranks]


def styles(names):
    """{name: (colour, matplotlib marker, plotly symbol)} in order of name, for batches, clusters and the like.

    The styles of cell types are in colors.csv.
    """
    names = sorted(set(names))
    available = available_styles(len(names))
    return {name: available[rank % len(available)] for rank, name in enumerate(names)}


def read(path):
    """The styles of cell types in colors.csv: {cell type: (colour, matplotlib marker, plotly symbol)}."""
    markers = {symbol: marker for marker, symbol in SHAPES}
    return {row.label: (row.color, markers[row.shape], row.shape) for row in tables.read("colors", path).itertuples()}
