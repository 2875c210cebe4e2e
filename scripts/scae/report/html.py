"""Numbers, tables, pictures and points of the report as plain data for a template."""

import base64
import gzip
import io
import json
import re
from functools import cache
from itertools import groupby
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


def span(values, digits=0):
    """The lowest to the highest of some numbers as text, once if they are equal."""
    low, high = (number(value, digits) for value in (min(values), max(values)))
    return low if low == high else f"{low}–{high}"


def cells(number):
    """A number of cells as text."""
    return f"{number:,} cell" if number == 1 else f"{number:,} cells"


def duration(seconds):
    """A duration as text, in seconds, minutes or hours."""
    if seconds < 59.5:
        return f"{seconds:.0f} s" if seconds >= 1 else "under 1 s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def column(heading, note="", text=False):
    """A column of a table; ``note`` is its unit or direction, ``text`` whether it contains text."""
    return {"heading": heading, "note": note, "text": text}


def cell(text, value=None, **more):
    """A cell of a table; ``value`` is used for sorting and the CSV, by default the text.

    ``more``: ``style``, a CSS declaration; ``mark`` to highlight it; ``swatch`` with color and shape to show before it;
    ``note``, smaller text below it; ``role``, a word that follows it; ``link``, the id of what it names; ``bar`` from
    `bars`.
    """
    plain = {"style": None, "mark": False, "swatch": None, "note": "", "role": "", "link": None, "bar": None}
    return {"text": text, "value": _exact(text if value is None else value)} | plain | more


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


def bars(rows):
    """Intervals as places from 0 to 100 on a common axis, for small bars in the cells of a column.

    Args:
        rows: list of {name: number}, each with ``mean`` and the ends of intervals; NaN for what is undefined.

    Returns:
        list of {name: place}, without what is undefined; None for a row without a mean.
    """
    values = [value for row in rows for value in row.values() if np.isfinite(value)]
    low, width = min(values, default=0.0), np.ptp(values) if values else 0.0
    places = [{name: 100 * (value - low) / (width or 1.0) for name, value in row.items()} for row in rows]
    places = [{name: round(float(place), 1) for name, place in row.items() if np.isfinite(place)} for row in places]
    return [row if "mean" in row else None for row in places]


def table(caption, columns, rows):
    """A table; a row is a list of cells, the first of which names it, or a dict with ``cells`` and ``kind``.

    Adjoining rows of one kind are a group, within which the browser sorts.
    """
    rows = [row if isinstance(row, dict) else {"cells": row, "kind": ""} for row in rows]
    groups = [list(group) for _, group in groupby(rows, key=lambda row: row["kind"])]
    return {"caption": caption, "columns": columns, "groups": groups}


def _exact(value):
    if isinstance(value, float | np.floating):
        return f"{value:.6g}" if np.isfinite(value) else ""
    return str(value)


def picture(path, alt, colors=None):
    """A picture embedded in the page.

    Args:
        path: of a PNG or an SVG.
        alt: a description of what it shows.
        colors: reduce a PNG to so many colours, about a quarter of the bytes; None embeds it as it is.

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
        content, kind = (few_colors(image, colors), "webp") if colors else (path.read_bytes(), "png")
    return {
        "src": source(content, kind),
        "width": round(width),
        "height": round(height),
        "alt": alt,
        "name": path.name,
    }


def source(content, kind):
    """The bytes of a picture as the address that embeds it."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _svg_size(content):
    return re.search(rb'width="([\d.]+)pt" height="([\d.]+)pt"|$', content).groups()[:2]


def few_colors(image, colors):
    """The bytes of a picture as lossless WebP of so many colours."""
    written = io.BytesIO()
    image = image.convert("RGB").quantize(colors, dither=Image.Dither.NONE).convert("RGB")
    image.save(written, "webp", lossless=True, quality=80, method=6)
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
