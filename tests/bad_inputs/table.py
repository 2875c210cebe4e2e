"""The table of bad inputs, cases.yaml, as data."""

import re
from pathlib import Path

import yaml

TABLE = Path(__file__).with_name("cases.yaml")
CASES = yaml.safe_load(TABLE.read_text(encoding="utf-8"))  # {kind: [case]}


def comparable(line, folder):
    """A line without what differs between runs: the folder of the test, ports, digests, sizes, processors."""
    line = line.replace(str(folder), "<folder>")
    line = re.sub(r"the \d+ processors(.*) \d+ or less", r"the <processors> processors\1 <processors> or less", line)
    line = re.sub(r"eof = \d+", "eof = <bytes>", line)
    line = re.sub(r"127\.0\.0\.1:\d+", "<server>", line)
    return re.sub(r"\b[0-9a-f]{64}\b", "<sha256>", line)
