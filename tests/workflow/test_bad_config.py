"""A wrong config stops the run before any job, with one line that names the key.

Here Snakemake is started as a user starts it; test_bad_inputs.py has many more cases.
"""

import pytest
import yaml


def refused(project):
    """The line that a refused config gives; checks that nothing else happened."""
    done = project.run(check=False)
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip().startswith("config: ")]
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    assert "Select jobs to execute" not in done.stdout
    assert not project.path("results").exists()
    assert len(lines) == 1, done.stdout
    return lines[0]


@pytest.mark.parametrize(
    ("key", "value", "fragments"),
    [
        ("tsne.perplexty", 5, ["tsne.perplexty: ", 'did you mean "perplexity"?']),
        ("run.seeds", [2**32], ["run.seeds.0: 4294967296", "maximum"]),
        ("datasets.toy.source", "nowhere.h5ad", ["datasets.toy.source: ", '"nowhere.h5ad" does not exist']),
    ],
)
def test_wrong_entry_is_named(empty, key, value, fragments):
    empty.set(key, value)
    line = refused(empty)
    assert all(fragment in line for fragment in fragments), line


def test_duplicate_key_is_named_with_its_file_and_lines(empty):
    overlay = empty.path("overlay.yaml")
    text = yaml.safe_dump(empty.config) + "kmeans:\n  n_init: 5\n"
    empty.config, empty.configfiles = None, [overlay]
    overlay.write_text(text)
    line = refused(empty)
    assert 'key "kmeans" is given twice' in line
    assert "overlay.yaml" in line
    assert f"and {len(text.splitlines()) - 1}" in line


def test_name_that_yaml_reads_as_a_number_is_a_name(empty):
    """Without quotes the names of the section are of two types."""
    empty.set("datasets", {2024: {"source": "toy.h5ad"}})
    empty.set("run.datasets", ["2024"])
    assert empty.planned("fetch_counts") == {("2024",)}


def test_yaml_that_cannot_be_read_stops_the_run(empty):
    overlay = empty.path("overlay.yaml")
    overlay.write_text("run: {models: [dae\n")
    empty.config, empty.configfiles = None, [overlay]
    done = empty.run(check=False)
    assert done.returncode != 0
    assert "overlay.yaml: line 2: is not valid YAML" in done.stdout
    assert "Traceback" not in done.stdout
    assert not empty.path("results").exists()


def test_wrong_config_leaves_an_earlier_run_alone(project):
    before = project.files()
    project.set("tsne.perplexty", 5)
    assert project.run(check=False).returncode != 0
    assert project.files() == before
