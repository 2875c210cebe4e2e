"""Write the table of the rerun contract, tests/workflow/rerun_contract.yaml, into docs/reruns.md."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests/workflow"), str(ROOT / "scripts")]

from rerun_contract import ROWS  # noqa: E402 (needs the path above)

START, END = "<!-- reruns: made by `make docs` -->\n", "<!-- end of reruns -->\n"


def table():
    """The contract as Markdown."""
    lines = ["| you change | runs again, with all below | why the results stay the same, where they do |", "|---|---|---|"]
    for section, rows in ROWS.items():
        lines.append(f"| **{section}** | | |")
        for row in rows:
            reruns = re.sub(r"\b([a-z]+_[a-z0-9_]+)(?= of |,|$)", r"`\1`", row.reruns)
            lines.append(f"| {row.text} | {reruns} | {row.same} |".replace("|  |", "| |"))
    return "\n".join(lines) + "\n"


def with_table(page):
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    page = ROOT / "docs/reruns.md"
    page.write_text(with_table(page.read_text(encoding="utf-8")), encoding="utf-8")
