"""Settings and helpers of all static pictures. Other modules return matplotlib figures; `save` writes them."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from PIL import Image

from scae.style import RASTER_DPI

plt.rcdefaults()  # ignore the user's matplotlibrc
plt.rcParams.update(
    {
        "svg.hashsalt": "scae",  # fixed ids within an SVG
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 11,
        "legend.frameon": False,
        "text.parse_math": False,  # a name may contain a $
        "figure.dpi": 100,
    }
)

MODEL_COLOR, BASELINE_COLOR = "#332288", "#5a6478"
DPI_OF_PRINT = 300  # of the points in a figure for a paper
DARKER = LinearSegmentedColormap.from_list("darker", ["#e2e0ee", "#9a8fcb", "#332288"])  # darker is more, on white
LONGEST_NAME = 30  # characters
METADATA = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def save(figure, path, editable=False, is_exact=False):
    """Write a figure as .png, .svg or .pdf and close it; the same figure always gives the same bytes.

    ``editable`` keeps text as text in .svg and .pdf, for a paper; otherwise the picture does not depend on the fonts
    that are installed. ``is_exact`` keeps the size of the figure instead of cutting it to its content.
    """
    suffix = "." + str(path).rsplit(".", 1)[-1]
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # it would move the panels again at each drawing
    fonts = {"svg.fonttype": "none", "pdf.fonttype": 42} if editable else {}
    with matplotlib.rc_context(fonts):
        figure.savefig(
            path,
            dpi=DPI_OF_PRINT if is_exact else RASTER_DPI,
            bbox_inches=None if is_exact else "tight",
            metadata=METADATA[suffix],
        )
    plt.close(figure)


def pixels(figure):
    """A figure as a picture in memory (PIL), which closes it."""
    figure.set_dpi(RASTER_DPI)
    figure.canvas.draw()
    image = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3].copy())
    plt.close(figure)
    return image


def message(text):
    """A picture of one line of text, where there is nothing to draw."""
    figure, panel = plt.subplots(figsize=(6, 1.2))
    panel.set_axis_off()
    panel.annotate(text, (0.5, 0.5), ha="center", va="center")
    return figure


def run_title(model, dataset, seed, **_):
    """Heading of a picture of one run."""
    return f"{model} on {dataset}, seed {seed}"


def shortened(name):
    """A name that fits beside a picture, without its middle: long names often begin alike."""
    if len(name) <= LONGEST_NAME:
        return name
    end = LONGEST_NAME // 2
    return f"{name[: LONGEST_NAME - end - 1].rstrip()}…{name[-end:].lstrip()}"


def point_size(n_cells, total=6000, smallest=1, largest=14):
    """Area of a point in square points: smaller, the more cells there are."""
    return float(np.clip(total / max(1, n_cells), smallest, largest))
