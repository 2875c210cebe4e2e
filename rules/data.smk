"""From a source to expression and labels.

Needs the `datasets` section of the config. Makes counts.h5ad, expression.h5ad, labels.csv, colors.csv and export/ of
each data set, batches.csv where it has batches, a file of labels/ for each additional label set, and one of
fetched_labels/ for each label set from a URL or with a file per sample.
"""


# On a cluster fetch_counts runs where Snakemake does: compute nodes often have no internet.
rule fetch_counts:
    """Read a data set from wherever it lives into cells x genes; a download resumes and is checked."""
    input:
        user_files("source"),
    output:
        counts="<results>/{dataset}/counts.h5ad",
    log:
        "<logs>/fetch_counts/{dataset}.log",
    benchmark:
        "<benchmarks>/fetch_counts/{dataset}.tsv"
    localrule: True
    conda:
        "../envs/scanpy.yaml"
    resources:
        mem_mb=growing(2000, 20),
        runtime=growing(60),
        batch_column=plan.batch_column,
        label_column=plan.label_column,
    params:
        code=plan.code("fetch_counts", plan.reader_modules),
        content=plan.content("source"),
        source=plan.source,
    script:
        "../scripts/fetch_counts.py"


# Like fetch_counts it runs where Snakemake does.
rule fetch_labels:
    """Read labels from a URL, or from one file per sample."""
    input:
        user_files("fetched_labels"),
    output:
        labels="<results>/{dataset}/fetched_labels/{label_set}.csv",
    log:
        "<logs>/fetch_labels/{dataset}/{label_set}.log",
    benchmark:
        "<benchmarks>/fetch_labels/{dataset}/{label_set}.tsv"
    wildcard_constraints:
        label_set=one_of(plan.fetched_label_sets),
    localrule: True
    conda:
        "../envs/scanpy.yaml"
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        code=plan.code("fetch_labels"),
        content=plan.content("fetched_labels"),
        labels=plan.labels_to_fetch,
    script:
        "../scripts/fetch_labels.py"


rule preprocess_cells:
    """Quality control and log-normalisation."""
    input:
        user_files("mito", "dropped_labels"),
        fetched_labels=plan.dropped_fetched_labels,
        counts="<results>/{dataset}/counts.h5ad",
    output:
        expression="<results>/{dataset}/expression.h5ad",
        cells="<results>/{dataset}/quality/cells.csv",
        limits="<results>/{dataset}/quality/limits.csv",
        top_genes="<results>/{dataset}/quality/top_genes.csv",
    log:
        "<logs>/preprocess_cells/{dataset}.log",
    benchmark:
        "<benchmarks>/preprocess_cells/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(DATASETS),
    conda:
        "../envs/scanpy.yaml"
    resources:
        mem_mb=growing(1500, 3.5),
        runtime=growing(15, 0.01),
    params:
        code=plan.code("preprocess_cells", plan.label_module),
        content=plan.content("mito", "dropped_labels"),
        drop_unlabelled=plan.dropped,
        preprocessing=plan.dataset("genes", "qc", "scale_factor"),
    script:
        "../scripts/preprocess_cells.py"


rule split_molecules:
    """A random part of each cell's molecules to learn representations from, and the others to score them by."""
    input:
        expression="<results>/{dataset}/expression.h5ad",
    output:
        expression="<results>/{dataset}.half{repeat}/expression.h5ad",
        test="<results>/{dataset}.half{repeat}/test.h5ad",
    log:
        "<logs>/split_molecules/{dataset}/{repeat}.log",
    benchmark:
        "<benchmarks>/split_molecules/{dataset}/{repeat}.tsv"
    wildcard_constraints:
        dataset=one_of(plan.split),
        repeat=r"[1-9]\d*",
    conda:
        "../envs/scanpy.yaml"
    resources:
        mem_mb=growing(1500, 2),
        runtime=growing(15, 0.01),
    params:
        code=plan.code("split_molecules"),
        thinning=plan.thinning,
    script:
        "../scripts/split_molecules.py"


rule label_cells:
    """Cell types: from the data's annotation, from a file, or by the clustering of the original study."""
    input:
        user_files("labels"),
        fetched_labels=plan.fetched_labels,
        counts="<results>/{dataset}/counts.h5ad",
        expression="<results>/{dataset}/expression.h5ad",
    output:
        labels="<results>/{dataset}/labels.csv",
    log:
        "<logs>/label_cells/{dataset}.log",
    benchmark:
        "<benchmarks>/label_cells/{dataset}.tsv"
    conda:
        "../envs/scanpy.yaml"
    resources:
        mem_mb=growing(1000, 6, when=plan.makes_labels),
        runtime=growing(30, 0.012, when=plan.makes_labels),
        label_set=plan.label_set,
    params:
        code=plan.code("label_cells"),
        content=plan.content("labels"),
        labels=plan.labels,
    script:
        "../scripts/label_cells.py"


use rule label_cells as label_additional_set with:
    output:
        labels="<results>/{dataset}/labels/{label_set}.csv",
    log:
        "<logs>/label_additional_set/{dataset}/{label_set}.log",
    benchmark:
        "<benchmarks>/label_additional_set/{dataset}/{label_set}.tsv"


rule assign_batches:
    """The batch of every cell, and whether batches can be told from cell types."""
    input:
        counts="<results>/{dataset}/counts.h5ad",
        labels="<results>/{dataset}/labels.csv",
    output:
        batches="<results>/{dataset}/batches.csv",
    log:
        "<logs>/assign_batches/{dataset}.log",
    benchmark:
        "<benchmarks>/assign_batches/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(plan.batched),
    conda:
        "../envs/scanpy.yaml"
    resources:
        mem_mb=growing(1500),
        runtime=growing(10),
    params:
        code=plan.code("assign_batches"),
        batch=plan.dataset("batch"),
    script:
        "../scripts/assign_batches.py"


rule color_types:
    """Colour and marker of each cell type; types with similar expression get distant colours."""
    input:
        expression="<results>/{dataset}/expression.h5ad",
        labels="<results>/{dataset}/labels.csv",
    output:
        colors="<results>/{dataset}/colors.csv",
    log:
        "<logs>/color_types/{dataset}.log",
    benchmark:
        "<benchmarks>/color_types/{dataset}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000, 4),
        runtime=growing(10, 0.01),
    params:
        code=plan.code("color_types"),
    script:
        "../scripts/color_types.py"


rule export_csv:
    """Expression and labels as the pair of CSV files that the original study read."""
    input:
        expression="<results>/{dataset}/expression.h5ad",
        labels="<results>/{dataset}/labels.csv",
    output:
        expression="<results>/{dataset}/export/expression.csv.gz",
        labels="<results>/{dataset}/export/labels.csv",
    log:
        "<logs>/export_csv/{dataset}.log",
    benchmark:
        "<benchmarks>/export_csv/{dataset}.tsv"
    conda:
        "../envs/scanpy.yaml"
    resources:
        mem_mb=growing(1500, 3),
        runtime=growing(15, 0.1),
    params:
        code=plan.code("export_csv"),
    script:
        "../scripts/export_csv.py"
