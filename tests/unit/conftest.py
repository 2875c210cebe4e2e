"""Fixtures that several files of unit tests use."""

import copy

import pytest
import yaml
from settings import MARKED, SCHEMA

from scae.config import loader


@pytest.fixture
def config():
    """A config of nothing but names."""
    return {
        "run": {"datasets": ["toy"], "models": ["vae"]},
        "datasets": {
            "toy": {"source": "scanpy:pbmc68k_reduced", "labels": {"from": "obs", "column": "bulk_labels"}},
            "other": {"source": "https://example.org/counts.h5ad"},
        },
        "models": {"vae": {"kind": "beta_vae"}, "sparse": {"kind": "beta_vsc"}, "plain": {"kind": "dae"}},
    }


@pytest.fixture
def layered(config, tmp_path, monkeypatch):
    """Function: the loaded config of a default file and overlays, merged as Snakemake does."""
    from snakemake.utils import update_config

    monkeypatch.chdir(tmp_path)
    (tmp_path / "types.csv").write_text("cell,label\n")
    config["datasets"]["toy"]["labels"] = MARKED
    config["datasets"]["toy"]["values"] = "counts"

    def load_all(*overlays, command_line=None):
        files, merged = [], {}
        for number, layer in enumerate([config, *overlays, *([command_line] if command_line else [])]):
            update_config(merged, copy.deepcopy(layer))
            if layer is not command_line:
                files.append(tmp_path / f"{number}.yaml")
                files[-1].write_text(yaml.safe_dump(layer, sort_keys=False))
        return loader.load(merged, SCHEMA, files, command_line=command_line)

    return load_all
