"""Write the report: one HTML page that needs no other file."""

import scae.jobs.runtime as runtime

from pathlib import Path

from scae import tables
from scae.jobs import notes, record
from scae.report import contents, methods, page

with runtime.job(snakemake):
    params, logs = snakemake.params, runtime.folder_of_logs(snakemake)
    records = record.read(logs)
    files = record.below(snakemake.input, records)  # a log may be of a job of another config
    records = {file: records[file] for file in files & records.keys()}
    software, machines = methods.software_and_machines(records)
    study = contents.Study(
        files=tables.Files(snakemake.input),
        datasets=params.order["datasets"],
        models={model: params.models[model] for model in params.order["models"]},
        seeds=sorted(params.run["seeds"]),
        roles=params.roles,
        label_sources=params.label_sources,
        metric_info=params.metric_info,
        published=params.published,
        settings=params.settings,
        sweeps=params.sweeps,
        notes=notes.summary(logs, files),
        software=software,
        machines=machines,
        version=methods.version(),
    )
    Path(snakemake.output.report).write_text(page.render(study), encoding="utf-8")
