"""Predictions: unique column names, files that are written before printing, and names that cannot be printed."""

import csv
import io
import sys

import pytest
from archives import write_images

from tljax import models, weights
from tljax.core.config import PredictConfig
from tljax.core.errors import UserError, run_command
from tljax.predict import __main__ as command
from tljax.weights import networks

CLASSES = ("file", "crane", ":warning: [b]", "crane")


@pytest.fixture(scope="module")
def weights_folder(tmp_path_factory):
    """A small network with four classes, two of which have the same name."""
    import dataclasses

    network = networks.resolve("random", num_classes=4, backbone="resnet_tiny")
    card = dataclasses.replace(network.card, name="tiny", classes=CLASSES)
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    weights.save(folder, models.flatten(network.model), card)
    return folder


def predict(monkeypatch, *arguments) -> None:
    monkeypatch.setattr(sys, "argv", ["tljax.predict", *map(str, arguments), "--image-size", "32", "--batch-size", "2"])
    run_command(command.main)


def test_columns_have_unique_names_and_markup_is_printed_as_text(weights_folder, tmp_path, monkeypatch, capsys):
    write_images([tmp_path / "images" / ":bug: [red]a.png"])
    predict(monkeypatch, weights_folder, tmp_path / "images", "--out", tmp_path / "out.csv", "--top", "4")
    with open(tmp_path / "out.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert list(row) == ["file", "file (class 0)", "crane", ":warning: [b]", "crane (class 3)"]
    assert row["file"].endswith("a.png")
    assert sum(float(row[name]) for name in list(row)[1:]) == pytest.approx(1, abs=1e-4)
    shown = capsys.readouterr().out
    assert ":bug: [red]a.png" in shown and ":warning: [b]" in shown


def test_the_file_is_written_before_what_cannot_be_printed(weights_folder, tmp_path, monkeypatch):
    write_images([tmp_path / "images" / "Ω.png"])
    latin = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", latin)
    predict(monkeypatch, weights_folder, tmp_path / "images", "--out", tmp_path / "out.csv")
    latin.flush()
    assert b"\\u03a9.png" in latin.buffer.getvalue()
    assert "Ω.png" in (tmp_path / "out.csv").read_text(encoding="utf-8")


def test_a_closed_pipe_does_not_lose_the_results(weights_folder, tmp_path, monkeypatch):
    write_images([tmp_path / "images" / "a.png"])

    def show(*_) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(command, "show", show)
    with pytest.raises(BrokenPipeError):
        monkeypatch.setattr(sys, "argv", ["tljax.predict", str(weights_folder), str(tmp_path / "images"),
                                          "--image-size", "32", "--out", str(tmp_path / "out.csv")])  # fmt: skip
        command.main()
    assert (tmp_path / "out.csv").is_file()


def test_a_folder_of_several_runs_is_refused(tmp_path, monkeypatch):
    for fold in (1, 2):
        (tmp_path / "breast" / "imagenet-nofreeze" / f"fold{fold}").mkdir(parents=True)
        (tmp_path / "breast" / "imagenet-nofreeze" / f"fold{fold}" / "config.json").write_text("{}")
    monkeypatch.setattr(
        command, "parse", lambda *_: PredictConfig(str(tmp_path / "breast" / "imagenet-nofreeze"), (tmp_path,))
    )
    with pytest.raises(UserError, match=r"holds 2 runs; name the folder of one fold, such as .*fold1"):
        command.main()
    monkeypatch.setattr(command, "parse", lambda *_: PredictConfig(str(tmp_path), (tmp_path,)))
    with pytest.raises(UserError, match=r"holds 2 runs; name the folder of one fold.*imagenet-nofreeze/fold1"):
        command.main()


def test_a_damaged_image_is_refused_by_name(weights_folder, tmp_path, monkeypatch, capsys):
    write_images([tmp_path / "a.jpg"])
    content = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(content[: len(content) * 3 // 4] + b"\xff\xd9")
    with pytest.raises(SystemExit) as end:
        predict(monkeypatch, weights_folder, tmp_path / "a.jpg")
    assert end.value.code == 2 and "a.jpg is corrupt or truncated" in capsys.readouterr().err
