"""From a source to expression and labels.

Needs the `datasets` section of the config. Makes counts.h5ad, expression.h5ad, labels.csv and export/ of each data set,
and batches.csv of those with a batch, and a file of labels/ for each further set of labels.
"""


# On a cluster fetch_counts runs where Snakemake does: compute nodes often have no internet.
rule fetch_counts:
    """Read a data set from wherever it lives into cells x genes; a download resumes and is checked."""
    input:
        by_content(source_paths),
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
        batch_column=batch_column,
        label_column=label_column,
    params:
        code=code("fetch_counts"),
        content=content(source_paths),
        source=dataset_settings(*READING),
    script:
        "../scripts/fetch_counts.py"


rule preprocess_cells:
    """Quality control and log-normalisation."""
    input:
        by_content(mito_paths),
        by_content(dropping_label_paths),
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
    conda:
        "../envs/scanpy.yaml"
    resources:
        mem_mb=growing(1500, 3.5),
        runtime=growing(15, 0.01),
    params:
        code=preprocessing_code("preprocess_cells"),
        content=content(mito_paths, dropping_label_paths),
        drop_unlabelled=dropping_labels,
        preprocessing=dataset_settings("genes", "qc", "scale_factor"),
    script:
        "../scripts/preprocess_cells.py"


rule label_cells:
    """Cell types: from the data's annotation, from a file, or by the clustering of the original study."""
    input:
        by_content(label_paths),
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
        mem_mb=growing_with_clusters(1000, 6),
        runtime=growing_with_clusters(30, 0.012),
    params:
        code=code("label_cells"),
        content=content(label_paths),
        labels=labels_of,
    script:
        "../scripts/label_cells.py"


rule assign_batches:
    """Give every cell its batch, and say whether batches can be told from cell types."""
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
        dataset=one_of(BATCHED),
    conda:
        "../envs/scanpy.yaml"
    resources:
        mem_mb=growing(1500),
        runtime=growing(10),
    params:
        code=code("assign_batches"),
        batch=dataset_settings("batch"),
    script:
        "../scripts/assign_batches.py"


rule label_again:
    """Cell types by a further set of labels, which is scored and not drawn."""
    input:
        by_content(label_paths),
        counts="<results>/{dataset}/counts.h5ad",
        expression="<results>/{dataset}/expression.h5ad",
    output:
        labels="<results>/{dataset}/labels/{label_set}.csv",
    log:
        "<logs>/label_again/{dataset}/{label_set}.log",
    benchmark:
        "<benchmarks>/label_again/{dataset}/{label_set}.tsv"
    conda:
        "../envs/scanpy.yaml"
    resources:
        mem_mb=growing_with_clusters(1000, 6),
        runtime=growing_with_clusters(30, 0.012),
    params:
        code=code("label_again"),
        content=content(label_paths),
        labels=labels_of,
    script:
        "../scripts/label_again.py"


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
        code=code("export_csv"),
    script:
        "../scripts/export_csv.py"
