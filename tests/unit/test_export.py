"""The CSV export reads back bit for bit, and its bytes depend only on the data."""

import gzip
import time

import anndata
import numpy as np
import pandas as pd
from scipy import sparse
from small_data import CELLS, GENES, MATRIX, annotated

from scae.data import export
from scae.sources import reader

AWKWARD = np.array(
    [
        [0.1, 1e-45, 3.4028235e38, 1 / 3],
        [16777216.0, 0.0, 1.1754944e-38, 0.30000001],
        [2.5, 1e-7, 123456.79, 9.999999],
    ],
    dtype=np.float32,
)


def test_values_and_names_read_back_bit_for_bit(tmp_path):
    bits = np.random.default_rng(0).integers(0, 0x7F800000, 4000, dtype=np.uint32)
    matrix = np.vstack([np.pad(AWKWARD, ((0, 0), (0, 196))), bits.view(np.float32).reshape(20, 200)])
    cells = [f'quoted "{number}", with comma' for number in range(23)]
    genes = ["HLA-DRA", "a,b", 'a"b', "b;c", *(f"g{number}" for number in range(196))]
    obs, var = pd.DataFrame(index=cells), pd.DataFrame(index=genes)
    export.write_csv(anndata.AnnData(sparse.csr_matrix(matrix), obs=obs, var=var), tmp_path / "expression.csv.gz")
    data = reader.read(tmp_path / "expression.csv.gz", values="corrected_counts")
    assert data.X.toarray().tobytes() == matrix.tobytes()
    assert (list(data.obs_names), list(data.var_names)) == (cells, genes)


def test_the_table_has_a_column_cell_and_one_per_gene(tmp_path):
    export.write_csv(annotated(), tmp_path / "expression.csv.gz")
    table = pd.read_csv(tmp_path / "expression.csv.gz")
    assert list(table.columns) == ["cell", *GENES]
    assert table["cell"].tolist() == CELLS
    np.testing.assert_array_equal(table[GENES].to_numpy(), MATRIX)


def test_bytes_depend_neither_on_the_day_nor_the_path_nor_the_order_of_entries(tmp_path, monkeypatch):
    forward = annotated()
    backward = annotated()
    order = np.concatenate(
        [np.arange(*ends)[::-1] for ends in zip(forward.X.indptr, forward.X.indptr[1:], strict=False)]
    )
    backward.X = sparse.csr_matrix((forward.X.data[order], forward.X.indices[order], forward.X.indptr), (3, 4))
    for day, (name, data) in enumerate((("a.gz", forward), ("b.gz", backward))):
        monkeypatch.setattr(time, "time", lambda day=day: 86_400.0 * (day + 1))
        export.write_csv(data, tmp_path / name)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert gzip.decompress((tmp_path / "b.gz").read_bytes()).decode().splitlines()[1] == f"{CELLS[0]},1.0,0,2.0,0"
