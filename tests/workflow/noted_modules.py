"""Notes at the end of each job which modules it has loaded: a sitecustomize of ordinary runs; warm.py calls it."""

import atexit
import json
import os
import sys


def note(script):
    """Write the modules that are loaded now, and what the job's code digest is of.

    Args:
        script: global names of the script that was run.
    """
    job = script.get("snakemake")
    if hasattr(job, "params") and "NOTED_MODULES" in os.environ:
        noted = {"rule": job.rule, "code": job.params.code["of"], "modules": sorted(sys.modules)}
        with open(os.path.join(os.environ["NOTED_MODULES"], f"{job.rule}.{os.getpid()}.json"), "w") as file:
            json.dump(noted, file)


if __name__ == "sitecustomize":
    atexit.register(lambda: note(vars(sys.modules["__main__"])))
