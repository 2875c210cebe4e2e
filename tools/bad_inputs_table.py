"""Write tests/bad_inputs/README.md from the table beside it, cases.yaml."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "tests/bad_inputs/README.md"
sys.path.insert(0, str(ROOT / "tests/bad_inputs"))

from table import CASES  # noqa: E402 (needs the path above)

INTRODUCTION = """\
# Bad inputs

What is written, and the one line that it gives: {number} cases. Each stops with a status that is not 0, without a
traceback or half-written output, and leaves what was there before (`tests/workflow/test_bad_inputs.py`). Made from
`cases.yaml` by `make docs`. `<name>`, `<folder>`, `<server>`, `<sha256>` and the like differ from run to run.
"""


def text():
    """The page as Markdown."""
    lines = [INTRODUCTION.format(number=sum(map(len, CASES.values())))]
    for kind, cases in CASES.items():
        lines += [f"## {kind[0].upper()}{kind[1:]}\n", "| case | line |", "|---|---|"]
        lines += [f"| {_cell(case['case'])} | {_cell(case['line'])} |" for case in cases] + [""]
    return "\n".join(lines)


def _cell(words):
    return words.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(text(), encoding="utf-8")
