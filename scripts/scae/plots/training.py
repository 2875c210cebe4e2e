"""Loss curves."""

import matplotlib.pyplot as plt

from scae import tables
from scae.plots.drawing import MODEL_COLOR

HELD_OUT_COLOR = "#CC6677"
NAMES = {"loss": "loss", "kl": "KL divergence (nats)"}
REST = "reconstruction"  # not drawn: the loss is little else


def losses(histories, title):
    """The loss and its terms by epoch, a panel each and a curve for each seed.

    Held-out cells, if any, have dashed curves; with early stopping a line marks the epoch whose weights are kept.

    Args:
        histories: {seed: history.csv}, one column per term.
        title: heading.
    """
    columns = list(dict.fromkeys(name for history in histories.values() for name in history.columns))
    terms = [
        name
        for name in columns
        if name not in ("epoch", REST)
        and not name.startswith(tables.HELD_OUT)
        and any(history[name].any() for history in histories.values() if name in history)
    ]
    figure, panels = plt.subplots(
        1, len(terms), figsize=(4.2 * max(1, len(terms)), 3.2), squeeze=False, layout="constrained"
    )
    figure.suptitle(title)
    for panel, name in zip(panels[0], terms, strict=True):
        ends = [_seed(panel, history, name) for history in histories.values() if name in history]
        low, high = (f"{end:.4g}" for end in (min(ends), max(ends)))
        last = low if low == high else f"{low} to {high}"
        panel.set(title=f"{NAMES.get(name, name)}, mean over cells\nlast epoch: {last}", xlabel="epoch")
        handles, texts = panel.get_legend_handles_labels()
        found = dict(zip(texts, handles, strict=True))
        if len(found) > 1:
            panel.legend(found.values(), found.keys(), fontsize=8)
    return figure


def _seed(panel, history, name):
    """Draw a term of one seed; returns its last value."""
    panel.plot(history["epoch"], history[name], color=MODEL_COLOR, linewidth=1.2, alpha=0.8, label="training cells")
    if (held_out := f"{tables.HELD_OUT}{name}") in history:
        held = {"color": HELD_OUT_COLOR, "dashes": (4, 2), "linewidth": 1.2, "label": "held-out cells"}
        panel.plot(history["epoch"], history[held_out], **held)
    if tables.BEST_EPOCH in history:
        panel.axvline(history[tables.BEST_EPOCH].iloc[-1], color="#666666", linewidth=0.8, label="kept epoch")
    return history[name].iloc[-1]
