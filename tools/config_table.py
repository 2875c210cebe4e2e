"""Write config/README.md: every key of the config and every kind of model, from the schema and the model files."""

import json
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "config/README.md"
sys.path.insert(0, str(ROOT / "scripts"))

from scae.config import loader  # noqa: E402 (needs the path above)
from scae.models import registry  # noqa: E402

INTRODUCTION = """\
# Config

`config.yaml` is the default run; add overlays with `--configfile`. An overlay is merged key by key and replaces lists;
if it sets the `kind` of a model, or `from` of labels, it replaces that whole entry. The config is checked before any
job starts: an unknown key, a wrong type or a value out of range stops the run with one line that names the key.

- `config.yaml`: the default run, on data that needs no download.
- `pbmc3k.yaml`: the original study, on PBMC3k.
- `sweep.yaml`: an example of a sweep, beta of the beta-VAE beside PCA.
- `models.yaml`: simulated data sets and PBMC3k, for docs/models.md.
- `mixology.yaml`: cell lines and mixtures of known truth.
- `schema.yaml`: the source of this page (`make docs`).

Write small numbers as `1.0e-3`: YAML reads `1e-3` as text.
"""


def constraint(entry):
    """Type, choices and range of a key."""
    if "enum" in entry:
        return " · ".join(f"`{choice}`" for choice in entry["enum"])
    types = entry.get("type", "")
    words = (types if isinstance(types, str) else " or ".join(types)).replace("object", "section")
    if words == "array":
        words = f"list of {entry['items']['type']}"
    bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {entry[name]:g}" for name, sign in bounds.items() if name in entry]
    return f"{words} {', '.join(limits)}".strip()


def rows(path, entry, required):
    """(key, type and range, default, description) of a key and all keys below it."""
    default = f"`{json.dumps(entry['default'])}`" if entry.get("default", {}) != {} else "required" if required else ""
    several = not isinstance(entry.get("type", ""), str)
    if "properties" not in entry and ("additionalProperties" not in entry or several):
        yield path, constraint(entry), default, entry.get("description", "")
        return
    if "description" in entry:
        yield path, "section", default, entry["description"]
    for name, below in entry.get("properties", {}).items():
        if isinstance(below, dict):
            yield from rows(f"{path}.{name}".lstrip("."), below, name in entry.get("required", ()))
    for case in entry.get("allOf", ()):
        [(key, choice)] = case["if"]["properties"].items()
        for name, below in case["then"]["properties"].items():
            if isinstance(below, dict):
                for row in rows(f"{path}.{name}", below, name in case["then"].get("required", ())):
                    yield row[0], row[1], row[2], f"({key}: {choice['const']}) {row[3]}"
    below = entry.get("additionalProperties")
    if isinstance(below, dict) and "properties" in below:
        yield from rows(f"{path}.<name>", below, False)


def page():
    """The page as Markdown."""
    schema = loader.with_parts(yaml.safe_load((ROOT / "config/schema.yaml").read_text()))
    lines = [INTRODUCTION, "| key | type and range | default | meaning |", "|---|---|---|---|"]
    for key, kind, default, meaning in rows("", schema, False):
        lines.append(f"| `{key}` | {kind} | {default} | {meaning.replace('<', '&lt;')} |")
    lines += ["\n## Kinds of models\n", "| kind | trained | what it is | reference |", "|---|---|---|---|"]
    for model in map(registry.find, registry.kinds()):
        about, trained = model.about, "yes" if model.trained else "no"
        doi = f" [doi:{about['doi']}](https://doi.org/{about['doi']})" if about["doi"] else ""
        reference = f"{about['reference']}{doi}"
        lines.append(f"| `{model.kind}` | {trained} | {about['title']}: {about['summary']} | {reference} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    README.write_text(page(), encoding="utf-8")
