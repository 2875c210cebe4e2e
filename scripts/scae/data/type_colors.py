"""Colours and markers of cell types: similar types get very different colours.

A type has the same style in all figures, so the style depends on the expression, not on an embedding: the closer the
mean expression of two types, the further apart their colours. The distance of two colours is that in CIE Lab, the
smallest over normal vision and three colour vision deficiencies.
"""

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.spatial.distance import pdist, squareform

from scae import style, tables

# Machado, Oliveira & Fernandes (2009), table 1, severity 1; for linear RGB
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
# sRGB (IEC 61966-2-1) to CIE XYZ, white D65
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
SHAPE = 5.0  # added to the distance of two styles with different markers; 2 is just noticeable between colours
CELLS_AT_ONCE = 10_000


def lab(color, vision="normal"):
    """CIE Lab of a hexadecimal colour under one of `VISION`; (3,)."""
    encoded = np.array([int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)])
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    ratio = XYZ @ np.clip(VISION[vision] @ linear, 0, 1) / XYZ.sum(axis=1)
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def style_distances(styles):
    """Smallest perceived distance of two styles over all of `VISION`; (styles, styles).

    Args:
        styles: (colour, matplotlib marker, plotly symbol) each.
    """
    seen = [squareform(pdist([lab(color, vision) for color, _, _ in styles])) for vision in VISION]
    shapes = np.array([marker for _, marker, _ in styles])
    return np.min(seen, axis=0) + SHAPE * (shapes[:, None] != shapes[None])


def type_distances(expression, labels):
    """Euclidean distances between the mean expression of cell types.

    Args:
        expression: scae.data.expression.Expression.
        labels: (cells,); cells with `tables.UNSCORED` are excluded.

    Returns:
        pandas.DataFrame: (types, types), names ascending.
    """
    labels = np.asarray(labels, dtype=object)
    names, types = np.unique(labels[labels != tables.UNSCORED].astype(str), return_inverse=True)
    cells = np.flatnonzero(labels != tables.UNSCORED)
    sizes = np.bincount(types, minlength=len(names))
    member = sparse.csr_matrix((1 / sizes[types], (types, cells)), shape=(len(names), len(labels)))
    matrix = sparse.csr_matrix((expression.data, expression.indices, expression.indptr), shape=expression.shape)
    means = np.zeros((len(names), expression.shape[1]))
    for start in range(0, len(labels), CELLS_AT_ONCE):
        chunk = slice(start, start + CELLS_AT_ONCE)
        means += member[:, chunk] @ matrix[chunk]
    return pd.DataFrame(squareform(pdist(means)) if len(names) > 1 else np.zeros((len(names),) * 2), names, names)


def assign(distances):
    """The style of each type, with different styles for similar types.

    Minimises the sum over pairs of types of 1 / (distance of the types × distance of their styles), starting from
    styles in the order of the names and exchanging the best two until nothing improves. If there are more types than
    styles, the order of the names decides.

    Args:
        distances: DataFrame (types, types).

    Returns:
        dict: {type: (colour, matplotlib marker, plotly symbol)}.
    """
    plain = style.styles(distances.index)
    n_types, styles = len(plain), style.available_styles(len(plain))
    if not 1 < n_types <= len(styles):
        return plain
    values = distances.to_numpy(dtype=float)
    pairs = values[np.triu_indices(n_types, 1)]
    alike = np.zeros((len(styles),) * 2)  # unused styles are similar to none
    alike[:n_types, :n_types] = pairs.mean() / np.maximum(values, 1e-3 * pairs.mean()) if pairs.mean() else 1
    np.fill_diagonal(alike, 0)
    confused = 1 / np.maximum(style_distances(styles), 1e-9)
    np.fill_diagonal(confused, 0)
    order = np.arange(len(styles))  # of the style of each type
    while True:
        change = _changes(alike, confused[np.ix_(order, order)])
        best = np.unravel_index(np.argmin(change), change.shape)
        if change[best] > -1e-9 * (alike * confused[np.ix_(order, order)]).sum():
            return {name: styles[place] for name, place in zip(distances.index, order, strict=False)}
        order[list(best)] = order[list(best[::-1])]


def _changes(alike, confused):
    """Change of the sum of products of two symmetric matrices if two places are exchanged; (places, places)."""
    products = alike @ confused
    own = np.diag(products)
    return 2 * (products + products.T - own[:, None] - own[None] + 2 * alike * confused)


def table(styles):
    """The table colors.csv from {type: style}: label, color, shape."""
    rows = [(name, color, symbol) for name, (color, _, symbol) in styles.items()]
    return pd.DataFrame(rows, columns=["label", "color", "shape"])
