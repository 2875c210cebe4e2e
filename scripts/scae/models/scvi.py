"""scVI: a variational autoencoder of counts, trained by scvi-tools with its own layers, loss, optimiser and schedule.

Lopez et al. (2018), "Deep generative modeling for single-cell transcriptomics"; Gayoso et al. (2022), "A Python library
for probabilistic analysis of single-cell omics data". The workflow sets the seed, one CPU thread and training on all
cells. There is no checkpoint: a killed job starts over.
"""

import logging
import os
import tempfile
import time
import warnings

import numpy as np

from scae.errors import UserError
from scae.jobs.notes import NOTE
from scae.jobs.progress import Progress

log = logging.getLogger(__name__)

ABOUT = {
    "title": "scVI",
    "summary": "the variational autoencoder of scvi-tools, which models the counts, with sequencing depth and batch "
    "kept apart from the latents",
    "reference": "Lopez et al. 2018, Deep generative modeling for single-cell transcriptomics",
    "doi": "10.1038/s41592-018-0229-2",
}
CONFIG = {
    "n_latent": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 10, "description": "Number of latents"},
    "n_layers": {
        "type": "integer",
        "minimum": 1,
        "maximum": 20,
        "default": 1,
        "description": "Hidden layers of 128 units in the encoder and in the decoder",
    },
    "gene_likelihood": {
        "enum": ["zinb", "nb", "poisson"],
        "default": "zinb",
        "description": "Distribution of the counts: zero-inflated negative binomial, negative binomial or Poisson",
    },
    "epochs": {
        "type": ["integer", "null"],
        "minimum": 1,
        "maximum": 1000000,
        "default": None,
        "description": "Passes over all cells; null is the default of scvi-tools: 400, and fewer above 20,000 cells",
    },
    "batch_size": {
        "type": "integer",
        "minimum": 2,
        "maximum": 100000000,
        "default": 128,
        "description": "Cells per gradient step",
    },
}
NEEDS = {"module": "scvi", "get": "pip install -r requirements-scvi.txt"}

# {column of history.csv: name in scvi-tools}
TERMS = {"loss": "train_loss", "reconstruction": "reconstruction_loss_train", "kl": "kl_local_train"}
KL_WARMUP = 400  # epochs over which scVI raises the weight of its KL divergence to 1


def fit(counts, batches, seed, n_latent, n_layers, gene_likelihood, epochs, batch_size):
    """Train scVI on counts and embed the same cells.

    Args:
        counts: scipy CSR matrix, (cells, genes).
        batches: (cells,) text, the batch of each cell, on which encoder and decoder are conditioned; or None.
        seed: of weights, order of the cells and noise; the same seed gives the same bytes.
        n_latent, n_layers, gene_likelihood, epochs, batch_size: as in CONFIG.

    Returns:
        dict: ``latent`` (cells, n_latent), the mean of the posterior; ``kl`` (cells, n_latent), its KL divergence from
        the standard normal in nats; ``history``, a dict per epoch with epoch and the means over cells of loss (with the
        weight of the KL divergence in that epoch), reconstruction and kl; ``seconds`` of training.

    Raises:
        UserError: if a cell has no counts, or the loss is not finite.
    """
    import anndata
    import torch

    scvi = import_scvi()
    totals = np.asarray(counts.sum(axis=1)).ravel()
    if not totals.all():
        raise UserError(
            f"scVI needs counts in every cell, but cell number {np.flatnonzero(totals == 0)[0] + 1} has none in the "
            "selected genes; raise qc.min_genes, or select more genes"
        )
    if (counts.data % 1).any():
        log.log(NOTE, "the counts are not whole numbers, which scVI assumes")
    default = scvi.model._utils.get_max_epochs_heuristic(len(totals))
    n_epochs = default if epochs is None else epochs
    _log_epochs(n_epochs, default, len(totals))
    torch.set_num_threads(1)
    scvi.settings.seed = seed
    data = anndata.AnnData(counts)
    if batches is not None:
        data.obs["batch"] = np.asarray(batches, object)
        data.obs["batch"] = data.obs["batch"].astype("category")
    scvi.model.SCVI.setup_anndata(data, batch_key=None if batches is None else "batch")
    model = scvi.model.SCVI(data, n_latent=n_latent, n_layers=n_layers, gene_likelihood=gene_likelihood)
    start = time.perf_counter()
    history = _train(model, n_epochs, batch_size, len(totals))
    seconds = time.perf_counter() - start
    mean, variance = model.get_latent_representation(return_dist=True)
    kl = 0.5 * (mean**2 + variance - 1 - np.log(variance))
    return {"latent": mean, "kl": kl, "history": history, "seconds": seconds}


def import_scvi():
    """Import scvi with the messages of its packages silenced."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import scvi.model
    for name in ("lightning", "lightning.pytorch", "lightning.fabric", "pytorch_lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    scvi.settings.verbosity = logging.ERROR
    return scvi


def _log_epochs(n_epochs, default, n_cells):
    """Note if there are fewer epochs than scVI's default, or too few for the full weight of the KL divergence."""
    weight = min((n_epochs - 1) / KL_WARMUP, 1)
    log.info("%d epochs; scVI's default for %d cells is %d", n_epochs, n_cells, default)
    if n_epochs < default or n_epochs < KL_WARMUP:
        short = f"fewer than its default of {default}" if n_epochs < default else f"the default for {n_cells:,} cells"
        log.log(
            NOTE,
            f"scVI was trained for {n_epochs} epoch{'s' if n_epochs > 1 else ''}, {short}; the weight of the KL "
            f"divergence reached {weight:.2g} of 1 (full after {KL_WARMUP} epochs)",
        )


def _train(model, n_epochs, batch_size, n_cells):
    """Train a model; returns the rows of history.csv."""
    os.environ.pop("SLURM_NTASKS", None)  # Lightning would start one process per SLURM task
    recorder = history_callback(n_epochs)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Lightning about workers, intervals and settings
        model.train(
            max_epochs=n_epochs,
            batch_size=batch_size,
            train_size=1.0,
            # batch normalisation fails on a batch of one cell; each epoch drops another cell
            datasplitter_kwargs={"drop_last": n_cells > batch_size and n_cells % batch_size == 1},
            accelerator="cpu",
            devices=1,
            callbacks=[recorder],
            default_root_dir=folder,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
    return recorder.history


def history_callback(n_epochs):
    """Lightning callback that collects the rows of history.csv and logs progress."""
    from lightning.pytorch.callbacks import Callback

    class History(Callback):
        def on_train_start(self, trainer, plan):
            self.history, self.progress = [], Progress(n_epochs)

        def on_train_epoch_end(self, trainer, plan):
            row = {"epoch": trainer.current_epoch + 1}
            row |= {name: float(trainer.callback_metrics[key]) for name, key in TERMS.items()}
            self.history.append(row)
            if not np.isfinite(row["loss"]):
                raise UserError(
                    f"the loss of scVI is {row['loss']} in epoch {row['epoch']}; look for extreme values in the data"
                )
            self.progress(row)

    return History()
