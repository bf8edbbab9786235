"""The names of compared networks, the paths of their tables, and that other rows of a table are kept."""

import csv
import dataclasses
import sys
from pathlib import Path

import pytest
from toynets import network, pictures

from tljax import datasets
from tljax.compare import __main__ as command
from tljax.compare import compare
from tljax.compare.plot import over_layers
from tljax.compare.table import authors_rows, require_place, write_authors
from tljax.core.config import CompareConfig
from tljax.core.errors import UserError
from tljax.core.paper import CCA_COLUMNS
from tljax.weights import networks
from tljax.weights.labels import names_of, place_of


@pytest.fixture(scope="module")
def five():
    """Rows of the paper's five layers."""
    first, *_ = compare([network(0), network(1)], pictures(40), measures=("cca",))
    return [dataclasses.replace(first, layer1=layer, layer2=layer) for layer in CCA_COLUMNS[4:]]


def run(folder: Path, *parts: str) -> str:
    place = folder.joinpath(*parts)
    place.mkdir(parents=True)
    (place / "config.json").write_text("{}")
    return str(place)


def test_runs_are_named_by_their_folders(tmp_path):
    specs = [
        run(tmp_path, "w", "breast", "random-nofreeze", "fold1"),
        run(tmp_path, "w", "breast", "random-nofreeze", "fold2"),
        run(tmp_path, "w", "breast", "random-freeze-slow", "fold1"),
        "random",
    ]
    assert names_of(specs, ["breast-random"] * 3 + ["random"]) == [
        *("breast-random-nofreeze/fold1", "breast-random-nofreeze/fold2", "breast-random-freeze-slow/fold1", "random")
    ]
    other = run(tmp_path, "v", "breast", "random-nofreeze", "fold1")
    assert names_of([specs[0], other, specs[0]], ["breast-random"] * 3) == [
        *("w/breast-random-nofreeze/fold1", "v/breast-random-nofreeze/fold1", "w/breast-random-nofreeze/fold1")
    ]


def test_weights_with_the_same_name_are_distinguished_by_their_folders(tmp_path):
    assert names_of([str(tmp_path / "a"), str(tmp_path / "b"), "imagenet"], ["mine", "mine", "imagenet"]) == [
        *("a/mine", "b/mine", "imagenet")
    ]
    assert [place_of(spec) for spec in ("imagenet", "random:3")] == ["", ""]


def test_the_authors_table_replaces_only_the_row_of_the_same_networks_fold_and_split(tmp_path, five):
    path, (one, other) = tmp_path / "CCA_breast.csv", (five[0].model1, five[0].model2)
    write_authors(path, five, "breast", 1, paths={one: "/v/run", other: ""})
    write_authors(path, five, "breast", 1, paths={one: "/w/run", other: ""})
    write_authors(path, five, "breast", 1, paths={one: "/w/run", other: ""})
    write_authors(path, five, "breast", 1, "val", paths={one: "/w/run", other: ""})
    with path.open() as file:
        found = [(row["model1"], row["model2"], row["stimuli"]) for row in csv.DictReader(file)]
    assert found == [("/v/run", other, "breast"), ("/w/run", other, "breast"), ("/w/run", other, "breast-val")]


def test_flagged_values_are_left_out_of_the_authors_table_and_drawn_hollow(five):
    flagged = [dataclasses.replace(five[0], flag="partly 1 by arithmetic"), *five[1:]]
    (row,) = authors_rows(flagged, "breast", 1)
    assert row["conv1"] is None and row["block1"] == five[1].value
    hollow = [line for line in over_layers(flagged).axes[0].lines if line.get_markerfacecolor() == "white"]
    assert [line.get_ydata()[0] for line in hollow] == [five[0].value]
    alone = [dataclasses.replace(row, low=None, high=None, flag="one block") for row in five]
    assert over_layers(alone).axes


def test_no_authors_table_is_written_without_all_five_layers(tmp_path, five):
    write_authors(tmp_path / "CCA_breast.csv", five[:2], "breast", 1)
    assert not list(tmp_path.iterdir())


def test_unsuitable_output_paths_are_refused(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "labels.csv").write_text("file,label\na.png,1\n")
    for name, message in (
        ("x.png", "ends in .csv"),
        ("CCA_phantom.csv", "reserved for the authors' table"),
        ("folder.csv", "is a folder"),
        ("file/x.csv", "nothing can be written"),
        ("labels.csv", "not a table of comparisons"),
    ):
        with pytest.raises(UserError, match=message):
            require_place(tmp_path / name, "phantom")
    (tmp_path / "CCA_phantom.csv").write_text("a,b\n")
    with pytest.raises(UserError, match=r"CCA_phantom.csv is not a table of comparisons"):
        require_place(tmp_path / "x.csv", "phantom")
    require_place(tmp_path / "new" / "x.csv", "breast")


def test_the_command_checks_the_output_path_before_loading_data(monkeypatch):
    monkeypatch.setattr(datasets, "load", lambda *_, **__: pytest.fail("loaded"))
    monkeypatch.setattr(sys, "argv", ["compare", "random", "random:1", "--out", "x.png"])
    with pytest.raises(UserError, match=r"ends in .csv"):
        command.main()


def test_a_random_network_has_the_architecture_of_the_others(monkeypatch):
    asked = {}

    def resolve(spec, **options):
        asked[spec] = options
        toy = network(0)
        card = dataclasses.replace(toy.card, backbone="resnet_tiny", variant="torch_v1.5")
        return dataclasses.replace(toy, label=spec, card=card)

    monkeypatch.setattr(networks, "resolve", resolve)
    command.load_networks(CompareConfig(("random", "imagenet")))
    assert (asked["random"]["backbone"], asked["random"]["variant"]) == ("resnet_tiny", "torch_v1.5")
    command.load_networks(CompareConfig(("random", "random:1"), backbone="resnet_tiny"))
    assert (asked["random"]["backbone"], asked["random"]["variant"]) == ("resnet_tiny", "keras_v1")
    with pytest.raises(UserError, match="name of a network is empty"):
        command.load_networks(CompareConfig(("random", "")))
