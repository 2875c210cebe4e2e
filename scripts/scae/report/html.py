"""What the sections of the report are made of: numbers, tables, pictures and points, as plain data for a template."""

import base64
import gzip
import io
import json
import re
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from scae.style import RASTER_DPI

NONE = "–"
MINUS = "\N{MINUS SIGN}"
UP, DOWN = "↑", "↓"


def number(value, digits=2):
    """A number as text, with a real minus sign; a dash where there is none."""
    return f"{value:,.{digits}f}".replace("-", "−") if np.isfinite(value) else NONE


def bound(value):
    """A limit or a measure of any size as text, four digits of it."""
    return f"{value:,.4g}".replace("-", "−") if np.isfinite(value) else NONE


def listed(names):
    """Names in a sentence."""
    names = list(names)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def column(heading, note="", text=False):
    """A column of a table; ``note`` is its unit or which end is good, ``text`` that it holds no numbers."""
    return {"heading": heading, "note": note, "text": text}


def cell(text, value=None, **more):
    """A cell of a table; ``value`` is what sorting and the CSV go by, if not the text.

    ``more``: ``style`` for the look; ``mark`` to show that it stands out; ``swatch``, color and
    shape to show before it.
    """
    return {
        "text": text,
        "value": _exact(text if value is None else value),
        "style": None,
        "mark": False,
        "swatch": None,
    } | more


def count(value):
    """A cell with a number of something."""
    return cell(f"{int(value):,}", int(value))


def table(caption, columns, rows):
    """A table: each row a list of cells, the first of which names it; or a dict with ``cells`` and ``kind``."""
    rows = [row if isinstance(row, dict) else {"cells": row, "kind": ""} for row in rows]
    return {"caption": caption, "columns": columns, "rows": rows}


def _exact(value):
    if isinstance(value, float | np.floating):
        return f"{value:.6g}" if np.isfinite(value) else ""
    return str(value)


def picture(path, alt, colors=None, light=False):
    """A picture inside the page.

    Args:
        path: of a PNG or an SVG.
        alt: what is seen on it.
        colors: at most so many, which makes it four times as light; None takes a PNG as it is.
        light: whether half as many points each way will do, with some loss: a third of the weight again.

    Returns:
        dict: src, width and height in CSS pixels, alt, name of the file to keep it as.
    """
    path = Path(path)
    if path.suffix == ".svg":
        content, kind = path.read_bytes(), "svg+xml"
        width, height = (float(side) * 96 / 72 for side in _svg_size(content))
    else:
        image = Image.open(path)
        width, height = (side * 96 / RASTER_DPI for side in image.size)
        kind = "webp" if light or colors else "png"
        content = _half(image) if light else _few_colors(image, colors) if colors else path.read_bytes()
    return {
        "src": f"data:image/{kind};base64,{base64.b64encode(content).decode()}",
        "width": round(width),
        "height": round(height),
        "alt": alt,
        "name": "_".join(path.parts[-4:]).replace("results_", ""),
    }


def _svg_size(content):
    return re.search(rb'width="([\d.]+)pt" height="([\d.]+)pt"|$', content).groups()[:2]


def _few_colors(image, colors):
    written = io.BytesIO()
    image = image.convert("RGB").quantize(colors, dither=Image.Dither.NONE).convert("RGB")
    image.save(written, "webp", lossless=True, quality=80, method=6)
    return written.getvalue()


def _half(image):
    written = io.BytesIO()
    image = image.convert("RGB").resize([side // 2 for side in image.size], Image.Resampling.LANCZOS)
    image.save(written, "webp", quality=35, method=6)
    return written.getvalue()


def packed(values, kind):
    """An array as base64 of its little-endian bytes, row by row, for a typed array of the browser."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=np.dtype(kind).newbyteorder("<"))).decode()


def packed_points(points):
    """(cells, dimensions) as 16-bit whole numbers and what one of them is worth."""
    points = np.asarray(points, dtype=float)
    unit = float(np.abs(points).max(initial=0.0)) / 32_767 or 1.0
    return {"unit": unit, "data": packed(np.round(points / unit), np.int16)}


@cache
def packed_text(text):
    """Text as base64 of gzip; the same text always gives the same."""
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def script_json(value):
    """JSON that can stand inside a <script> element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def sample(labels, limit, fewest=50):
    """Cells to draw where there are many: each type by its share, but rare types whole.

    Args:
        labels: (cells,).
        limit: about how many cells.
        fewest: of a type, as far as it has them.

    Returns:
        numpy.ndarray: indices, ascending; the same at each call.
    """
    labels = np.asarray(labels)
    if len(labels) <= limit:
        return np.arange(len(labels))
    random = np.random.default_rng(0)
    chosen = []
    for name in np.unique(labels):
        cells = np.flatnonzero(labels == name)
        share = max(int(limit * len(cells) / len(labels)), min(fewest, len(cells)))
        chosen.append(random.choice(cells, share, replace=False))
    return np.sort(np.concatenate(chosen))
