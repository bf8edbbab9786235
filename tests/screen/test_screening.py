"""`tljax screen`: its tables and messages, what it leaves out, and how it continues."""

import csv
import dataclasses
import errno
import json
from pathlib import Path

import numpy as np
import pytest
import toynets
from screening import dataset

from tljax import weights
from tljax.core.config import ScreenConfig
from tljax.core.errors import UserError
from tljax.screen import candidates, probe, scores, screening, setting
from tljax.screen.candidates import Entry
from tljax.screen.show import show

DATA = dataset(80)


def entry(name: str, **changes) -> Entry:
    defaults = {
        "spec": name,
        "backbone": "toy",
        "variant": "toy",
        "identity": name,
        "random": name.startswith("random"),
    }
    return Entry(name, **defaults | {"pretraining": 0.0 if name.startswith("random") else 1e6} | changes)


class Broken(toynets.ToyNet):
    """Features that are all equal, or not finite."""

    def __init__(self, seed: int, value: float):
        super().__init__(seed)
        self.value = value

    def features(self, x, layers=(), mask=None, rngs=None):
        pooled, found = super().features(x, layers, mask)
        return pooled * 0 + self.value, found


NETWORKS = {
    "good": toynets.network(0),
    "other": toynets.network(1),
    "random": toynets.network(2),
    "constant": dataclasses.replace(toynets.network(0), model=Broken(3, 1.0)),
    "nan": dataclasses.replace(toynets.network(0), model=Broken(4, float("nan"))),
}


@pytest.fixture
def world(monkeypatch, tmp_path):
    """Toy candidates and images instead of weights and archives; returns the run and the names that were measured."""
    monkeypatch.setenv("TLJAX_CACHE", str(tmp_path / "cache"))
    measured = []
    measure = screening.measure

    def counted(each, *rest):
        result = measure(each, *rest)
        measured.append(each.name)
        return result

    monkeypatch.setattr(setting, "load_data", lambda *_, **__: DATA)
    monkeypatch.setattr(setting.datasets, "duplicates", lambda *_, **__: [])
    load = lambda each, _: dataclasses.replace(NETWORKS[each.name], label=each.name)  # noqa: E731
    monkeypatch.setattr(candidates, "load", load)
    monkeypatch.setattr("tljax.screen.measure.load", load)
    monkeypatch.setattr(screening, "measure", counted)

    def run(*names: str, missing: dict[str, str] | None = None, **changes):
        monkeypatch.setattr(candidates, "find", lambda *_: ([entry(name) for name in names], missing or {}))
        config = ScreenConfig(dataset="toy", out=tmp_path / "out", quiet=True, cache_dir=tmp_path / "cache", **changes)
        return screening.screen(config), config

    return run, measured


def read(folder: Path, name: str) -> list[dict[str, str]]:
    with open(folder / f"{name}.csv", newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_the_tables_have_the_documented_columns(world, tmp_path, capsys):
    run, measured = world
    (found, prepared), config = run("good", "other", "random")
    out = tmp_path / "out"
    with open(out / "screen.csv", encoding="utf-8") as lines:
        assert lines.readline() == "network,score,fold,value,low,high,seconds\n"
    with open(out / "shortlist.csv", encoding="utf-8") as lines:
        assert lines.readline() == "rank,network,reason\n"
    rows = read(out, "screen")
    assert {row["score"] for row in rows} == set(scores.names())
    for name in scores.names():
        low, high = scores.named(name).bounds(2)
        for row in (row for row in rows if row["score"] == name and row["value"]):
            assert low - 1e-9 <= float(row["value"]) <= high + 1e-9
            assert not row["low"] or low <= float(row["low"]) <= float(row["value"]) <= float(row["high"]) <= high
    probe = [row for row in rows if row["network"] == "good" and row["score"] == "linear_probe"]
    assert [row["fold"] for row in probe] == ["", "1", "2", "3", "4", "5"]
    assert float(probe[0]["value"]) == pytest.approx(np.mean([float(row["value"]) for row in probe[1:]]))
    assert all(row["seconds"] for row in rows if not row["fold"])
    chosen = read(out, "shortlist")
    assert [row["rank"] for row in chosen] == ["1", "2", "3"][: len(chosen)] and all(row["reason"] for row in chosen)
    assert {row["layer"] for row in read(out, "layers")} == {"conv1", "block1", "features"}
    assert len(read(out, "redundancy")) == 3 and len(read(out, "equivalence")) == 3
    assert {row["share"] for row in read(out, "efficiency")} == {"0.1", "0.25", "0.5", "1"}
    cost = {row["network"]: row for row in read(out, "cost")}
    assert int(cost["good"]["parameters"]) == 3 * 6 + 6 * 5 and float(cost["good"]["images_per_second"]) > 0
    show(found, prepared, config)
    said = capsys.readouterr().out
    assert "Shortlist" in said and chosen[0]["network"] in said and scores.named("gbc").TITLE not in said
    show(found, prepared, dataclasses.replace(config, scores=("gbc",)))
    assert scores.named("gbc").TITLE in capsys.readouterr().out  # a score that the user names is printed

    run("good", "other", "random")
    assert measured == ["good", "other", "random"]  # a second time nothing is measured


def test_an_interrupted_screening_continues_without_repetition(world, monkeypatch):
    run, measured = world
    whole = screening.measure

    def interrupted(each, *rest):
        if each.name == "other":
            raise KeyboardInterrupt
        return whole(each, *rest)

    monkeypatch.setattr(screening, "measure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run("good", "other", "random")
    monkeypatch.setattr(screening, "measure", whole)
    run("good", "other", "random")
    assert measured == ["good", "other", "random"]


def test_a_damaged_part_is_measured_again(world, tmp_path):
    run, measured = world
    run("good", efficiency=False)
    part = next((tmp_path / "out" / "parts").iterdir())
    part.write_text('{"key": "')
    with pytest.warns(UserWarning, match="good is measured again"):
        run("good", efficiency=False)
    assert measured == ["good", "good"]
    assert json.loads(part.read_text())["result"]["name"] == "good"


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_refused(seed, world):
    run, _ = world
    with pytest.raises(UserError, match=f"--seed {seed}: must be at least 0 and at most 4294967295"):
        run("good", seed=seed)


def test_the_probes_of_all_layers_have_the_same_inner_folds(world, monkeypatch):
    """They depend on the seed, so that another seed would make layers and features differ by chance."""
    run, _ = world
    seeds = set()
    divide = probe.inner_folds

    def recorded(labels, rows, groups, seed):
        seeds.add(seed)
        return divide(labels, rows, groups, seed)

    monkeypatch.setattr(probe, "inner_folds", recorded)
    run("good", efficiency=False, seed=3)
    assert seeds == {3}


def test_another_screening_in_the_folder_is_never_overwritten(world):
    run, _ = world
    run("good", efficiency=False)
    with pytest.raises(UserError, match=r"other settings .seed was 0, is now 1.; name another --out"):
        run("good", efficiency=False, seed=1)


def test_candidates_without_information_are_left_out_and_named(world):
    run, _ = world
    with pytest.warns(UserWarning) as told:
        (found, _), _ = run("good", "constant", "nan", efficiency=False)
    said = " ".join(str(each.message) for each in told)
    assert "constant is left out: constant gives all images the same features" in said
    assert "nan is left out: features of nan hold NaN or infinity" in said
    assert [row[0] for row in found.tables["cost"][1]] == ["good"]
    with pytest.warns(UserWarning), pytest.raises(UserError, match="no candidate is left"):
        run("constant", efficiency=False)


def test_missing_weights_are_named_with_the_download_command(world, tmp_path, monkeypatch, capsys):
    run, _ = world
    run("good", missing={"radimagenet": "get them with: tljax weights get radimagenet"}, efficiency=False)
    assert capsys.readouterr().err.count("tljax weights get radimagenet") == 1
    monkeypatch.undo()
    found, missing = candidates.find(ScreenConfig(networks=("radimagenet", "random:3"), weights_dir=tmp_path / "none"))
    assert [each.name for each in found] == ["random:3"] and list(missing) == ["radimagenet"]
    assert missing["radimagenet"].endswith("tljax weights get radimagenet")
    with pytest.raises(UserError, match="imagnet"):
        candidates.find(ScreenConfig(networks=("imagnet",)))
    with pytest.raises(UserError, match="tljax weights get radimagenet"):
        candidates.find(ScreenConfig(networks=("radimagenet",), weights_dir=tmp_path / "none"))


def test_a_full_disk_says_what_to_do(world, monkeypatch):
    run, _ = world

    def full(path, *_):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(screening, "write_csv", full)
    with pytest.raises(UserError, match=r"screen.csv .No space left on device.; free some space or choose another"):
        run("good", efficiency=False)


def test_one_fold_has_the_interval_of_one_test(world, monkeypatch):
    run, _ = world
    parts = np.array(["train"] * 50 + ["val"] * 10 + ["test"] * 20)
    monkeypatch.setattr(setting, "load_data", lambda *_, **__: dataclasses.replace(DATA, splits=tuple(parts)))
    (found, prepared), _ = run("good", "random", efficiency=False)
    figure = found.figures["good", "linear_probe"]
    assert len(prepared.folds) == 1
    assert 0 <= figure.low < figure.value < figure.high <= 1


def saved(folder: Path, seed: int) -> Path:
    from tljax import models
    from tljax.weights.networks import _random_card

    tensors = models.flatten(models.build("resnet_tiny", "torch_v1.5", 2, seed=seed))
    card = dataclasses.replace(_random_card("resnet_tiny", "torch_v1.5"), name="mine", sha256=f"{seed}")
    weights.save(folder, tensors, card)
    return folder


def test_candidates_are_all_existing_weights_and_random_ones(tmp_path):
    saved(tmp_path / "a", 1)
    saved(tmp_path / "b", 2)
    (tmp_path / "unfinished").mkdir()
    found, missing = candidates.find(ScreenConfig(weights_dir=tmp_path))
    assert [each.name for each in found] == ["a", "b", "random"] and not missing
    assert [each.random for each in found] == [False, False, True]
    assert found[2].backbone == "resnet_tiny" and found[2].pretraining == 0
    first, second = (candidates.load(each, ScreenConfig(weights_dir=tmp_path)) for each in found[:2])
    assert (first.label, second.label) == ("a", "b")
    assert not np.array_equal(first.model.conv1.kernel[...], second.model.conv1.kernel[...])


def test_a_studys_random_network_is_screened_under_its_own_name(tmp_path):
    mine = str(saved(tmp_path / "mine", 1))
    config = ScreenConfig(networks=(mine, "random"), weights_dir=tmp_path, backbone="vit_tiny", variant="timm")
    found, _ = candidates.find(config, {mine: "mine", "random": "random"})
    assert {each.name: each.backbone for each in found} == {
        "mine": "resnet_tiny",
        "random": "vit_tiny",
        "random (resnet_tiny)": "resnet_tiny",
    }


def test_weights_that_have_the_name_of_the_random_network_are_refused(tmp_path):
    saved(tmp_path / "random", 1)
    with pytest.raises(UserError, match="two candidates are called random"):
        candidates.find(ScreenConfig(weights_dir=tmp_path))


def test_two_weights_of_one_name_are_distinguished_by_their_folders(tmp_path):
    one, other = saved(tmp_path / "x" / "w", 1), saved(tmp_path / "y" / "w", 2)
    found, _ = candidates.find(ScreenConfig(networks=(str(one), str(other), str(one)), weights_dir=tmp_path / "none"))
    assert len({each.name for each in found}) == 3 and sum(not each.random for each in found) == 2
