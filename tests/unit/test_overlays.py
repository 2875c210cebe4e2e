"""Overlays and label sets: what a later config file replaces, what it merges, and what is wrong with label sets."""

import pytest
from settings import MARKED, changed, problem

from scae.errors import UserError

GATES = {"from": "markers", "markers": {"B": ["CD19"], "T": ["CD3D"]}}
SETS = {"seurat": MARKED, "gates": GATES}
CSV, OBS = {"from": "csv", "path": "types.csv"}, {"from": "obs", "column": "type"}
ONE_MORE = {"markers": {"NK": ["GNLY"]}}


def overlay(labels):
    return {"datasets": {"toy": {"labels": labels}}}


@pytest.mark.parametrize(
    ("base", "overlays", "expected", "gone"),
    [
        # another choice replaces the entry
        (MARKED, [CSV], CSV | {"column": "label"}, ["resolution", "markers"]),
        (MARKED, [CSV, OBS], OBS, ["path", "markers"]),
        (OBS | {"missing": "drop"}, [CSV], CSV | {"column": "label", "missing": "error"}, []),
        (MARKED, [MARKED | {"markers": {}, "resolution": 1.0}], {"markers": {}, "resolution": 1.0}, []),
        (MARKED, [{"from": "csv"}, {"path": "types.csv"}], CSV, ["markers"]),
        # settings without a choice are merged into it
        (MARKED, [ONE_MORE], {"from": "clusters", "markers": {"B": ["MS4A1"], "NK": ["GNLY"]}}, []),
        (SETS, [{"gates": {"threshold": 0.25}}], {"gates": {"threshold": 0.25}, "seurat": {}}, []),
        # an entry replaces sets, and sets an entry
        (SETS, [{"from": "clusters"} | ONE_MORE], {"from": "clusters"} | ONE_MORE, ["seurat", "gates"]),
        (MARKED, [SETS], {"seurat": {}, "gates": {}}, ["from", "markers"]),
        (MARKED, [SETS, OBS, {"only": GATES}], {"only": GATES}, ["seurat", "gates", "from"]),
        (SETS, [{"seurat": CSV}], {"seurat": CSV, "gates": GATES}, []),
    ],
)
@pytest.mark.parametrize("by_command_line", [False, True])
def test_an_overlay_replaces_a_choice_and_merges_settings(
    base, overlays, expected, gone, by_command_line, layered, config
):
    config["datasets"]["toy"]["labels"] = base
    *files, last = map(overlay, overlays)
    found = layered(*files, command_line=last) if by_command_line else layered(*files, last)
    labels = found["datasets"]["toy"]["labels"]
    for key, value in expected.items():
        kept = labels[key]
        assert (kept.items() >= value.items()) if isinstance(value, dict) else kept == value
    assert not set(gone) & labels.keys()


def test_label_sets_keep_their_order_and_have_defaults(layered):
    found = layered(overlay({"z": CSV, "a": GATES}))["datasets"]["toy"]["labels"]
    assert list(found) == ["z", "a"]
    assert (found["z"]["column"], found["a"]["threshold"]) == ("label", 0.5)


def test_a_model_of_another_kind_has_no_settings_of_the_old_one(layered, config):
    config["models"]["vae"] |= {"beta": 3.0, "n_latent": 4}
    found = layered({"models": {"vae": {"kind": "dae"}}})
    assert found["models"]["vae"] == {"kind": "dae", "n_latent": 6, "batch": False}
    assert layered({"models": {"vae": {"n_latent": 2}}})["models"]["vae"]["beta"] == 3.0


@pytest.mark.parametrize("overlays", [[CSV | ONE_MORE], [CSV, ONE_MORE]])
def test_settings_of_another_choice_in_an_overlay_are_an_error(overlays, layered):
    with pytest.raises(UserError, match=r"datasets\.toy\.labels\.markers: unknown key"):
        layered(*map(overlay, overlays))


@pytest.mark.parametrize(
    "wrong", [[], "text", None, {"toy": []}, {"toy": {"labels": "csv"}}, {"toy": {"labels": None}}]
)
def test_an_overlay_of_a_wrong_type_is_reported_by_the_schema(wrong, layered):
    with pytest.raises(UserError, match="datasets"):
        layered({"datasets": wrong})
    with pytest.raises(UserError, match="models"):
        layered({"models": {"vae": "beta_vae"}})


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({}, "from: is missing"),
        ({"seurat": {}}, "from: is missing"),
        ({"resolution": 0.5}, "resolution: is a setting beside the label sets seurat, gates"),
        ({"Gates": GATES}, "Gates: differs from gates only in case"),
        ({"none": {"from": "none"}}, "none.from: "),
        ({"more": {}}, "more.from: is missing"),
        ({"more": {"from": "file"}}, "more.from: 'file' is not one of"),
        ({"gates": GATES | {"thresold": 1}}, 'gates.thresold: unknown key; did you mean "threshold"?'),
        ({"more": {"from": "csv", "path": "gone.csv"}}, 'more.path: "gone.csv" does not exist'),
        ({"more": OBS | {"missing": "drop"}}, "more.missing: "),
        ({"gates": GATES | {"markers": {"B": ["A", "B"], "T": ["B", "A"]}}}, 'gates.markers: "B" and "T"'),
        ({"gates": GATES | {"markers": {"B": ["A"]}}}, "gates.markers: "),
    ],
)
def test_an_invalid_label_set_is_one_line(wrong, line, config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config["datasets"]["toy"]["values"] = "counts"
    labels = wrong if list(wrong.values()) in ([], [{}]) and "more" not in wrong else SETS | wrong
    assert problem(changed(config, "datasets.toy.labels", labels)).startswith(f"datasets.toy.labels.{line}")


def test_the_name_of_a_label_set_must_be_usable_as_a_file(config):
    assert problem(changed(config, "datasets.toy.labels", SETS | {"a b": GATES})).startswith(
        "datasets.toy.labels: 'a b'"
    )


NEW = {"source": "simulated", "simulation": {}}


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            {"datasets": {"mine": NEW}},
            "datasets.mine: is defined but not run; write run: {datasets: [mine]} (now: toy)",
        ),
        (
            {"models": {"mine": {"kind": "dae"}}},
            "models.mine: is defined but not run; write run: {models: [mine]} (now: ",
        ),
        ({"datasets": {"mine": NEW}, "run": {"datasets": ["toy"]}}, None),
        ({"datasets": {"mine": NEW, "toy": {"values": "counts"}}}, None),
    ],
)
def test_what_a_config_defines_is_run(layer, message, layered):
    if message is None:
        layered(layer)
        return
    with pytest.raises(UserError) as caught:
        layered(layer)
    assert str(caught.value).startswith(f"config: {message}")
