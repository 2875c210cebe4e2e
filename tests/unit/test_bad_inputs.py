"""Each row of bad_inputs.yaml gives one line that names the key; loaded in the process, as the workflow loads it."""

import copy
import os

import pytest
import yaml
from places import ROOT
from settings import SCHEMA
from small_data import line_of
from snakemake.utils import update_config
from workflow_project import TOY_CONFIG

from scae.config import files, loader
from scae.errors import UserError, is_control

CASES = yaml.safe_load((ROOT / "tests/unit/bad_inputs.yaml").read_text(encoding="utf-8"))
DEFAULT = ROOT / "config/config.yaml"
LONG = [
    [{"datasets": {"a" * 300: {"source": "toy.h5ad"}}}, "datasets", "(302 characters)"],
    [{"datasets.toy.source": "a" * 5000}, "datasets.toy.source", "(5002 characters)"],
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.h5ad").touch()
    for name in ("config", "empty_folder"):
        (tmp_path / name).mkdir()


@pytest.mark.parametrize(("settings", "key", "says"), CASES["config"] + LONG, ids=lambda part: str(part)[:60])
def test_config(settings, key, says):
    overlay, command_line = copy.deepcopy(TOY_CONFIG), settings.pop("--config", None)
    for path, value in settings.items():
        section = overlay
        *above, last = path.split(".")
        for name in above:
            section = section.setdefault(name, {})
        section[last] = value
    with open("mine.yaml", "w") as file:
        yaml.safe_dump(overlay, file, sort_keys=False)
    merged = yaml.safe_load(DEFAULT.read_text())
    for layer in (overlay, command_line or {}):
        update_config(merged, layer)
    with pytest.raises(UserError) as caught:
        loader.load(merged, SCHEMA, [DEFAULT, "mine.yaml"], command_line, processors=os.cpu_count())
    line = str(caught.value)
    assert line.startswith(f"config: {key}: ")
    assert says in line
    assert len(line) < 600
    assert not any(map(is_control, line))
    assert "s3cret" not in line


@pytest.mark.parametrize(("case", "text", "encoding", "says"), CASES["config files"], ids=lambda part: str(part)[:60])
def test_config_file(case, text, encoding, says):
    if text is not None:
        with open("mine.yaml", "wb") as file:
            file.write(text.encode(encoding))
    with pytest.raises(UserError, match=r"^config: mine\.yaml: ") as caught:
        files.read("mine.yaml")
    assert says in line_of(caught)
