"""Reading of .gmt files, and enrichment by hand."""

from math import comb

import numpy as np
import pytest
from scipy.stats import false_discovery_control
from test_latent_matches import effects_of

from scae.errors import UserError
from scae.evaluation import gene_sets

GENES = [f"G{number}" for number in range(100)]


def names(*numbers):
    return {f"G{number}" for number in range(*numbers)}


def test_sets_are_reduced_to_the_genes_of_the_data(tmp_path):
    (tmp_path / "sets.gmt").write_text("one\tfrom somewhere\tG1\tG2\tG3\tother\r\n\ntwo\t\tG1\tG2\tunknown\n")
    assert gene_sets.read(tmp_path / "sets.gmt", GENES) == {"one": {"G1", "G2", "G3"}}


@pytest.mark.parametrize(
    ("content", "fragment"),
    [
        (b"one\tabout\n", "line 1: not a gene set"),
        (b"one\tabout\tG1\tG2\tG3\none,about,G1\n", "line 2: not a gene set"),
        (b"one\tabout\tG1\tG2\tG3\none\tabout\tG1\n", 'line 2: the set "one"'),
        (b"one\tabout\tA\tB\tC\n", "none of its 1 sets .*G0, G1, G2"),
        (b"", "none of its 0 sets"),
        (b"\xff\xfe\x00one", "cannot be read"),
    ],
)
def test_an_invalid_file_is_an_error(content, fragment, tmp_path):
    (tmp_path / "sets.gmt").write_bytes(content)
    with pytest.raises(UserError, match=rf"sets\.gmt: .*{fragment}"):
        gene_sets.read(tmp_path / "sets.gmt", GENES)


@pytest.mark.parametrize("sign", ["+", "-"])
def test_enrichment_is_the_hypergeometric_tail_adjusted_over_all_tests(sign):
    values = np.zeros(100)
    values[:10] = np.arange(10, 0, -1) * float(f"{sign}1")
    sets = {"most": names(8), "half": names(5, 15), "elsewhere": names(50, 60)}
    table = gene_sets.enrichment(effects_of(values[None]), GENES, sets, 3)

    def tail(shared, size):
        return sum(comb(size, k) * comb(100 - size, 10 - k) for k in range(shared, min(size, 10) + 1)) / comb(100, 10)

    p = [tail(8, 8), tail(5, 10), 1.0]
    assert list(table["set"]) == ["most", "half"]
    assert list(table["sign"]) == [sign] * 2
    assert list(table["p"]) == pytest.approx(p[:2])
    assert list(table["q"]) == pytest.approx(false_discovery_control([*p, 1, 1, 1])[:2])
    first = table.iloc[0]
    assert (first["seed"], first["shared"], first["of"], first["expected"]) == (3, 8, 8, 0.8)
    assert first["genes"].split() == [f"G{number}" for number in range(8)]


def test_chance_gives_no_set():
    random = np.random.default_rng(9)
    sets = {f"set {number}": set(random.choice(GENES, 10, replace=False)) for number in range(50)}
    assert len(gene_sets.enrichment(effects_of(random.normal(size=(4, 100))), GENES, sets, 0)) <= 2
