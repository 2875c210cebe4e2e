"""One look for each cell type, on every picture and page."""

RASTER_DPI = 150  # of every PNG

# Nine colours that stay apart in the common kinds of colour blindness (Paul Tol, "muted"), and three that keep that so
COLORS = [
    *("#332288", "#88CCEE", "#44AA99", "#117733", "#999933", "#DDCC77", "#CC6677", "#882255", "#AA4499"),
    *("#000000", "#9900FF", "#99CC00"),
]
UNSCORED_COLOR = "#CCCCCC"  # of cells without a label, which lie behind the others
# (matplotlib, plotly): the shape changes when the colours start again, so that more types stay apart too
SHAPES = [("o", "circle"), ("s", "square"), ("D", "diamond"), ("X", "x"), ("P", "cross")]


def styles(cell_types):
    """{cell type: (colour, matplotlib marker, plotly symbol)}; follows from the names of the types alone."""
    return {
        name: (COLORS[rank % len(COLORS)], *SHAPES[rank // len(COLORS) % len(SHAPES)])
        for rank, name in enumerate(sorted(set(cell_types)))
    }
