"""scVI: the field's variational autoencoder of counts, by scvi-tools with its own layers, loss, optimiser, schedule.

Lopez et al. (2018), "Deep generative modeling for single-cell transcriptomics"; Gayoso et al. (2022), "A Python library
for probabilistic analysis of single-cell omics data". Nothing of it is ours but the seed, the single thread and that it
trains on all cells; it runs on a CPU and begins anew after a kill.
"""

import logging
import os
import tempfile
import time
import warnings

import numpy as np

from scae.errors import UserError
from scae.jobs.notes import NOTE

log = logging.getLogger(__name__)

ABOUT = {
    "title": "scVI",
    "summary": "the variational autoencoder of scvi-tools: it models the counts themselves, with what a cell was "
    "sequenced and its batch apart from the latents",
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
        "description": "Distribution of the counts: negative binomial, with or without more zeros, or Poisson",
    },
    "epochs": {
        "type": ["integer", "null"],
        "minimum": 1,
        "maximum": 1000000,
        "default": None,
        "description": "Passes over all cells; null takes scVI's own, 400, and fewer for more than 20,000 cells",
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

# Columns of history.csv by what scVI calls them
TERMS = {"loss": "train_loss", "reconstruction": "reconstruction_loss_train", "kl": "kl_local_train"}
KL_WARMUP = 400  # epochs over which scVI raises the weight of its KL divergence to 1
PROGRESS_S = 10  # seconds between lines of progress in the log
TERMINAL_S = 60  # and between those that the user sees


def fit(counts, batches, seed, n_latent, n_layers, gene_likelihood, epochs, batch_size):
    """Train scVI on counts and embed the same cells.

    Args:
        counts: scipy CSR matrix, (cells, genes).
        batches: (cells,) text, the batch of each cell, to which the decoder and encoder are conditioned; or None.
        seed: of weights, order and noise; the same seed gives the same bits.
        n_latent, n_layers, gene_likelihood, epochs, batch_size: as in CONFIG.

    Returns:
        dict: ``latent`` (cells, n_latent), the mean of the posterior; ``kl`` (cells, n_latent), its KL divergence from
        the standard normal in nats; ``history``, a dict for each epoch with epoch, loss (with the weight of the KL
        divergence in that epoch), reconstruction and kl, means over the cells; ``seconds`` of training.

    Raises:
        UserError: if a cell has no counts, or the loss stops being a number.
    """
    import anndata
    import torch

    scvi = _imported()
    totals = np.asarray(counts.sum(axis=1)).ravel()
    if not totals.all():
        raise UserError(
            f"scVI needs counts in every cell, but cell number {np.flatnonzero(totals == 0)[0] + 1} has none in these "
            "genes; raise qc.min_genes, or take more genes"
        )
    if (counts.data % 1).any():
        log.log(NOTE, "the counts are not whole numbers, as scVI takes them to be")
    own = scvi.model._utils.get_max_epochs_heuristic(len(totals))
    n_epochs = own if epochs is None else epochs
    _tell_epochs(n_epochs, own, len(totals))
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


def _imported():
    """scvi, with what it, Lightning and their packages say of themselves kept out of the log."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import scvi.model
    for name in ("lightning", "lightning.pytorch", "lightning.fabric", "pytorch_lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    scvi.settings.verbosity = logging.ERROR
    return scvi


def _tell_epochs(n_epochs, own, n_cells):
    """Say where fewer epochs than scVI's own are trained, or its KL divergence does not come to its whole weight."""
    weight = min((n_epochs - 1) / KL_WARMUP, 1)
    log.info("%d epochs; scVI's own for %d cells are %d", n_epochs, n_cells, own)
    if n_epochs < own or n_epochs < KL_WARMUP:
        fewer = f"fewer than scVI's own {own}" if n_epochs < own else f"scVI's own for {n_cells:,} cells"
        log.log(
            NOTE,
            f"{n_epochs} epoch{'s' if n_epochs > 1 else ''} of training, {fewer}; the weight of the KL divergence rose "
            f"to {weight:.2g} of 1, which takes {KL_WARMUP} epochs",
        )


def _train(model, n_epochs, batch_size, n_cells):
    """Train a model; rows of history.csv, an epoch each."""
    os.environ.pop("SLURM_NTASKS", None)  # by which Lightning would take a job of the queue for several of its own
    progress = _progress(n_epochs)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Lightning on workers, intervals and what it would rather be started with
        model.train(
            max_epochs=n_epochs,
            batch_size=batch_size,
            train_size=1.0,
            # a cell that is left over has no batch to be normalised with; another one in each epoch
            datasplitter_kwargs={"drop_last": n_cells > batch_size and n_cells % batch_size == 1},
            accelerator="cpu",
            devices=1,
            callbacks=[progress],
            default_root_dir=folder,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
    return progress.history


def _progress(n_epochs):
    """Callback that keeps the rows of history.csv, and logs the loss every few seconds and shows it each minute."""
    from lightning.pytorch.callbacks import Callback

    class Progress(Callback):
        def on_train_start(self, trainer, plan):
            self.history = []
            self.start = self.shown = time.perf_counter()
            self.reported = 0.0

        def on_train_epoch_end(self, trainer, plan):
            now, done = time.perf_counter(), trainer.current_epoch + 1
            means = {name: float(trainer.callback_metrics[key]) for name, key in TERMS.items()}
            self.history.append({"epoch": done} | means)
            if not np.isfinite(means["loss"]):
                raise UserError(
                    f"the loss of scVI became {means['loss']} in epoch {done}; look for extreme values in the data"
                )
            if now - self.reported < PROGRESS_S and done not in (1, n_epochs):
                return
            self.reported, due = now, now - self.shown >= TERMINAL_S
            self.shown = now if due else self.shown
            terms = ", ".join(f"{name} {value:.2f}" for name, value in means.items())
            each = (now - self.start) / done
            log.info(
                "epoch %d of %d: %s; %.2f s an epoch, %.0f s to go",
                *(done, n_epochs, terms, each, each * (n_epochs - done)),
                extra={"terminal": due},
            )

    return Progress()
