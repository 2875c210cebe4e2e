"""Write results/README.md from the results contract, scripts/scae/results.py."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "results/README.md"
sys.path.insert(0, str(ROOT / "scripts"))

from scae.results import CONTRACT  # noqa: E402 (needs the path above)

INTRODUCTION = """\
# Results

Everything a run makes, and nothing else; safe to delete. Start with `report.html`. Cells are named as in the source.
"""
PARTS = {"data": "Data", "models": "Models", "evaluation": "Evaluation", "report": "Report"}
MADE_FOR = {"trained": "trained models", "own": "models trained by the workflow"}
END = """\
## Further files

| file | content |
|---|---|
| `MANIFEST.sha256` | digests of all results except durations, and the software that made them (`snakemake manifest`) |
| `{dataset}/download/` | downloaded source files, kept for the next run |
| `{dataset}/{model}/seed{seed}/checkpoint.pt` | state of an unfinished training; removed at its end |
| `logs/{rule}/` | output, inputs, parameters and software of each job |
| `benchmarks/{rule}/` | time and memory of each job |

`space` is `tsne2d` or `latent`. The report explains each `metric`. Durations are only in timing.csv,
training_times.csv, logs, benchmarks and the report; all other files are byte-identical when a run is repeated.
"""


def page():
    """The page as Markdown."""
    lines = [INTRODUCTION]
    for part, title in PARTS.items():
        lines += [f"## {title}\n", "| file | content | columns |", "|---|---|---|"]
        rows = {}  # files that differ in their suffix only share a row
        for result in CONTRACT:
            if result.part == part:
                stem = result.path.rpartition(".")[0] if not result.columns else result.path
                rows.setdefault((stem, result.says), []).append(result)
        lines += [_row(results) for results in rows.values()]
        lines.append("")
    return "\n".join([*lines, END])


def _row(results):
    result, files = results[0], ", ".join(f"`{result.path}`" for result in results)
    says = result.says
    if result.of in MADE_FOR:
        says += f"; only for {MADE_FOR[result.of]}"
    columns = ", ".join([*result.column_names, *(["…"] if result.columns.endswith("…") else [])])
    return f"| {files} | {says} | {columns} |"


if __name__ == "__main__":
    README.write_text(page(), encoding="utf-8")
