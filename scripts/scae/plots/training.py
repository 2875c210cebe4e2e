"""Loss curves."""

import matplotlib.pyplot as plt

from scae import tables
from scae.plots.drawing import MODEL_COLOR

HELD_OUT_COLOR = "#CC6677"
NAMES = {"loss": "total loss", "reconstruction": "reconstruction", "kl": "KL divergence (nats)"}


def losses(history, title):
    """Every loss term by epoch, one panel each.

    Held-out cells, if any, have a dashed curve; with early stopping a line marks the epoch whose weights are kept.

    Args:
        history: history.csv, one column per term.
        title: heading.
    """
    terms = [
        name
        for name in history.columns
        if name != "epoch" and not name.startswith(tables.HELD_OUT) and history[name].any()
    ]
    if "reconstruction" in terms and history["loss"].equals(history["reconstruction"]):
        terms.remove("loss")  # a model with one term has one curve
    figure, panels = plt.subplots(1, len(terms), figsize=(4.2 * len(terms), 3.2), squeeze=False, layout="constrained")
    figure.suptitle(title)
    for panel, name in zip(panels[0], terms, strict=True):
        panel.plot(history["epoch"], history[name], color=MODEL_COLOR)
        panel.set(title=f"{NAMES.get(name, name)}, mean over cells", xlabel="epoch")
        panel.set_ylim(bottom=min(0, history[name].min()))
        if (held_out := f"{tables.HELD_OUT}{name}") in history:
            panel.lines[0].set_label("training cells")
            panel.plot(history["epoch"], history[held_out], color=HELD_OUT_COLOR, dashes=(4, 2), label="held-out cells")
            panel.legend(fontsize=8)
        if tables.BEST_EPOCH in history:
            kept = history[tables.BEST_EPOCH].iloc[-1]
            panel.axvline(kept, color="#666666", linewidth=1, label=f"kept: epoch {kept:.0f}")
            panel.legend(fontsize=8)
        last = history["epoch"].iloc[-1], history[name].iloc[-1]
        panel.annotate(f"{last[1]:.4g}", last, xytext=(0, 6), textcoords="offset points", ha="right")
    return figure
