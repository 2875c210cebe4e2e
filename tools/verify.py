"""Compare two manifests (`snakemake manifest`): says what differs and ends with status 1 if anything does."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "scripts"))

from scae.errors import UserError
from scae.report import manifest

if len(sys.argv) != 3:
    sys.exit("usage: python tools/verify.py MANIFEST.sha256 OTHER_MANIFEST.sha256")
try:
    found = manifest.differences(*sys.argv[1:])
except UserError as error:
    sys.exit(str(error))
if found:
    sys.exit("\n".join(found))
print(f"the same {len(manifest.read(sys.argv[1])[0])} files")
