"""Print config/README.md: every key of the config and every kind of model, from config/schema.yaml and the pages."""

import json
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from scae.config import loader  # noqa: E402 (needs the path above)
from scae.models import registry  # noqa: E402

INTRODUCTION = """\
# Config

`config.yaml` is the default run; give overlays with `--configfile`. An overlay merges sections key by key and replaces
lists. Keys are checked before any job starts: an unknown key, a wrong type or a value out of range stops the run with a
line that names it.

- `config.yaml`: the default, on data that needs no download.
- `pbmc3k.yaml`: the original study, on PBMC3k.
- `sweep.yaml`: an example of a sweep, beta of the beta-VAE beside PCA.
- `evidence.yaml`: simulated data sets, for docs/evidence.md (`make evidence`).
- `models.yaml`: the study's models, two with other settings and PCA, for docs/models.md (`make models-page`).
- `schema.yaml`: what this page is made from (`make docs`).

Write small numbers as `1.0e-3`: YAML takes `1e-3` for text.
"""


def constraint(entry):
    """Type, choices and range of a key in words."""
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
    """(key, type and range, default, description) of a key and all below it."""
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


schema = loader.with_parts(yaml.safe_load((ROOT / "config/schema.yaml").read_text()))
print(INTRODUCTION)
print("| key | type and range | default | meaning |\n|---|---|---|---|")
for key, kind, default, meaning in rows("", schema, False):
    print(f"| `{key}` | {kind} | {default} | {meaning.replace('<', '&lt;')} |")

print("\n## Kinds of models\n")
print("| kind | trained | what it is | reference |\n|---|---|---|---|")
for page in map(registry.find, registry.kinds()):
    about, trained = page.about, "yes" if page.trained else "no"
    doi = f" [doi:{about['doi']}](https://doi.org/{about['doi']})" if about["doi"] else ""
    print(f"| `{page.kind}` | {trained} | {about['title']}: {about['summary']} | {about['reference']}{doi} |")
