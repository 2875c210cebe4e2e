"""Promise: data and settings of strangers run no code, and cost no more memory than they have content."""

import json
import pickle
import shutil

import anndata
import numpy as np
import pytest
from small_data import annotated, fails

from scae.models import registry
from scae.sources import zarr_stores

HEAD = 'ABOUT = {"title": "", "summary": "", "reference": "", "doi": ""}\nclass Model: pass\n'


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.fixture(params=[2, 3])
def store(request, tmp_path):
    """An AnnData in a zarr store of either version."""
    with anndata.settings.override(zarr_write_format=request.param):
        annotated().write_zarr(tmp_path / "data.zarr")
    return tmp_path / "data.zarr"


def change(store, array, **values):
    """Change the metadata of an array, also where they are consolidated."""
    for path in (store / ".zmetadata", store / "zarr.json"):
        if path.exists():
            content = json.loads(path.read_text())
            found = content.get("metadata") or content.get("consolidated_metadata", {}).get("metadata", {})
            for name in (array, f"{array}/.zarray"):
                if name in found:
                    found[name] |= values
            path.write_text(json.dumps(content))
    path = next(path for path in (store / array / ".zarray", store / array / "zarr.json") if path.exists())
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def codec(store, name, **options):
    old = (store / ".zgroup").exists()
    return {"id": name, **options} if old else {"name": f"numcodecs.{name}", "configuration": options}


@pytest.mark.parametrize("array", ["X/data", "obs/type/codes", "var/_index", "uns"])
@pytest.mark.parametrize("name", ["pickle", "someone_elses"])
def test_a_codec_that_may_run_code_is_refused_before_it_is_loaded(store, array, name, tmp_path):
    if array == "uns":  # not read, but the store is refused as a whole
        shutil.copytree(store / "X/data", store / "uns/data")
        array = "uns/data"
    key = "compressor" if (store / ".zgroup").exists() else "codecs"
    found = codec(store, name)
    change(store, array, **{key: found if key == "compressor" else [{"name": "bytes"}, found]})
    for chunk in [path for path in (store / array).rglob("*") if path.is_file() and path.name[0].isdigit()]:
        chunk.write_bytes(pickle.dumps(Bomb(str(tmp_path / "ran"))))
    message = fails(store)
    assert name in message
    assert "may run code" in message
    assert not (tmp_path / "ran").exists()


def test_filters_and_nested_codecs_are_looked_at(store):
    change(store, "X/data", filters=[codec(store, "delta", dtype="<f4"), codec(store, "pickle")])
    assert "pickle" in fails(store)
    change(store, "X/data", filters=None)
    sharded = {"name": "sharding_indexed", "configuration": {"codecs": ["bytes"], "index_codecs": [{"name": "pickle"}]}}
    change(store, "X/data", codecs=[sharded])
    assert "pickle" in fails(store)


def test_attributes_may_be_called_anything(store):
    path = next(path for path in (store / ".zattrs", store / "zarr.json") if path.exists())
    content = json.loads(path.read_text())
    (content.setdefault("attributes", {}) if path.name == "zarr.json" else content)["filters"] = ["mine"]
    path.write_text(json.dumps(content))
    zarr_stores.refuse_unsafe(store)


@pytest.mark.parametrize("array", ["obs/type/codes", "obs/_index", "var/_index", "X/indptr"])
@pytest.mark.parametrize("large", ["shape", "chunks"])
def test_an_array_that_claims_more_than_is_stored_is_refused(store, array, large):
    if large == "shape":
        change(store, array, shape=[2**31])
    elif (store / ".zgroup").exists():
        change(store, array, chunks=[2**31])
    else:
        change(store, array, chunk_grid={"name": "regular", "configuration": {"chunk_shape": [2**31]}})
    assert "declares" in fails(store)


def test_a_link_out_of_the_store_is_refused(store, tmp_path):
    (tmp_path / "secret").write_bytes(np.arange(99, dtype=np.float32).tobytes())
    chunk = next(path for path in (store / "X/data").rglob("*") if path.is_file() and path.name[0].isdigit())
    chunk.unlink()
    chunk.symlink_to(tmp_path / "secret")
    assert "is a link out of the store" in fails(store)


@pytest.mark.parametrize(
    "config",
    [
        '{"a": {"$ref": "http://127.0.0.1:9/schema.json"}}',
        '{"a": {"anyOf": [{"type": "number"}, {"$dynamicRef": "#here"}]}}',
        '{"a": {"$id": "file:///etc/passwd"}}',
        '{"a b": {"type": "number"}}',
        '{"class": {"type": "number"}}',
        "{1: {}}",
        '{"a": __import__("os").getcwd()}',
        "{}\nSAME_ESTIMATES = 3",
        '{}\nNEEDS = {"module": 3, "get": "x"}',
        "{[]: 1}",
        f"{'(' * 300}1{')' * 300}",
    ],
)
def test_the_description_in_a_model_file_is_data(config, tmp_path):
    path = tmp_path / "my_model.py"
    path.write_text(f"{HEAD}CONFIG = {config}\n")
    with pytest.raises(registry.UserError, match=r"^[^\n]*my_model\.py[^\n]*$"):
        registry.find(str(path))
