"""Numbers, tables, pictures and points of the report as plain data for a template."""

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
    """A number as text with a real minus sign; a dash if it is not finite."""
    return f"{value:,.{digits}f}".replace("-", "−") if np.isfinite(value) else NONE


def bound(value):
    """A number of any size as text with four significant digits."""
    return f"{value:,.4g}".replace("-", "−") if np.isfinite(value) else NONE


def column(heading, note="", text=False):
    """A column of a table; ``note`` is its unit or direction, ``text`` whether it contains text."""
    return {"heading": heading, "note": note, "text": text}


def cell(text, value=None, **more):
    """A cell of a table; ``value`` is used for sorting and the CSV, by default the text.

    ``more``: ``style``, a CSS declaration; ``mark`` to highlight it; ``swatch`` with color and shape to show before it.
    """
    return {
        "text": text,
        "value": _exact(text if value is None else value),
        "style": None,
        "mark": False,
        "swatch": None,
    } | more


def count(value):
    """A cell with a count."""
    return cell(f"{int(value):,}", int(value))


def score(value, digits=2):
    """A cell with a number."""
    return cell(number(value, digits), value)


def interval(row, digits=3):
    """A cell with an interval; sorts by its lower end."""
    if not np.isfinite(row["low"]):
        return cell(NONE, row["low"])
    return cell(f"{number(row['low'], digits)} to {number(row['high'], digits)}", row["low"])


def table(caption, columns, rows):
    """A table; a row is a list of cells, the first of which names it, or a dict with ``cells`` and ``kind``."""
    rows = [row if isinstance(row, dict) else {"cells": row, "kind": ""} for row in rows]
    return {"caption": caption, "columns": columns, "rows": rows}


def _exact(value):
    if isinstance(value, float | np.floating):
        return f"{value:.6g}" if np.isfinite(value) else ""
    return str(value)


def picture(path, alt, colors=None, light=False):
    """A picture embedded in the page.

    Args:
        path: of a PNG or an SVG.
        alt: a description of what it shows.
        colors: reduce a PNG to so many colours, about a quarter of the bytes; None embeds it as it is.
        light: halve the resolution with lossy compression, about a third of the bytes again.

    Returns:
        dict: src, width and height in CSS pixels, alt, name of the file for downloads.
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
        "name": path.name,
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
    """An array as base64 of its little-endian bytes, row by row, for a typed array in the browser."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=np.dtype(kind).newbyteorder("<"))).decode()


def packed_points(points):
    """(cells, dimensions) as 16-bit integers and the size of their unit."""
    points = np.asarray(points, dtype=float)
    unit = float(np.abs(points).max(initial=0.0)) / 32_767 or 1.0
    return {"unit": unit, "data": packed(np.round(points / unit), np.int16)}


@cache
def packed_text(text):
    """Text as base64 of gzip; the same text always gives the same."""
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def script_json(value):
    """JSON that is safe inside a <script> element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
