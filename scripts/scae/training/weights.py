"""model.pt: a trained model as a file, and back."""

import io
import json
from pathlib import Path

import torch

from scae.errors import UserError
from scae.models import registry


def build(kind, n_genes, hyperparameters):
    """A model with fresh weights: an instance of ``Model`` of its model file (scae/models/registry.py).

    Raises:
        UserError: if ``Model`` does not accept the hyperparameters, or has nothing to train.
    """
    model = registry.call(kind, "Model", n_genes, **hyperparameters)
    if not isinstance(model, torch.nn.Module) or not list(model.parameters()):
        raise UserError(
            f"{kind}: Model is not a torch.nn.Module with parameters; subclass it, or define a function embed for a "
            "representation without training"
        )
    return model


def save(model, kind, hyperparameters, settings, genes, path):
    """Write the weights and everything needed to build the model again; the same model gives the same bytes.

    The file is a dict with kind, hyperparameters, training (the settings, with the engine and device that were used),
    genes (names, in order) and state_dict, and loads with ``torch.load(path, weights_only=True)``.
    """
    description = {
        "kind": kind,
        "hyperparameters": dict(hyperparameters),
        "training": dict(settings),
        "genes": [str(gene) for gene in genes],
    }
    # Pickle writes each string object once; fresh objects make the bytes depend on the values alone
    content = json.loads(json.dumps(description))
    content["state_dict"] = {
        name: value.cpu() if isinstance(value, torch.Tensor) else value for name, value in model.state_dict().items()
    }
    buffer = io.BytesIO()  # saved to a path, the archive would contain the name of the file
    torch.save(content, buffer)
    Path(path).write_bytes(buffer.getvalue())


def load(path, genes):
    """Read a model that `save` wrote, in evaluation mode, on the CPU.

    Raises:
        UserError: if it was trained on genes other than ``genes``, or in another order.
    """
    content = torch.load(path, weights_only=True)
    if content["genes"] != [str(gene) for gene in genes]:
        raise UserError(f"{path}: was trained on other genes than those of the expression; delete it and run again")
    model = build(content["kind"], len(genes), content["hyperparameters"])
    model.load_state_dict(content["state_dict"])
    return model.eval()


def hyperparameters(path):
    """Hyperparameters in a file that `save` wrote; ``batch`` of a batch-conditioned model lists the batch names."""
    return torch.load(path, weights_only=True)["hyperparameters"]
