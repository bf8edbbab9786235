"""A backbone of another family goes through every command without a change to any file of the package."""

import csv
import json
import sys
from functools import partial
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from studies import Inline, phantom_study, rows_of
from torch import nn

from tljax import models, weights
from tljax.compare.__main__ import main as compare_command
from tljax.core import runs
from tljax.core.config import TrainConfig
from tljax.core.errors import UserError
from tljax.models.normalisation import NORMALISATIONS
from tljax.predict.__main__ import main as predict_command
from tljax.report.__main__ import main as report_command
from tljax.study.run import run_study
from tljax.train.loop import train
from tljax.weights import convert_command, networks, verify

LAYERS = ["encoder00", "encoder01", "encoder02", "encoder03"]
TRAIN = TrainConfig(backbone="toy_transformer", image_size=32, epochs=1, augment="none", learning_rate=1e-2)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln, self.gate, self.value = nn.LayerNorm(12, 1e-6), nn.Linear(12, 12), nn.Linear(12, 12)

    def forward(self, tokens):
        value = self.value(self.ln(tokens))
        return tokens + torch.sigmoid(self.gate(self.ln(tokens))) * (value + value.mean(1, keepdim=True))


class Original(nn.Module):
    """The toy in PyTorch, whose gate and value are two layers."""

    def __init__(self):
        super().__init__()
        self.embed, self.shift = nn.Linear(3 * 64, 12), nn.Parameter(torch.randn(12))
        self.layers, self.norm, self.classifier = nn.ModuleList(Block() for _ in LAYERS), nn.LayerNorm(12, 1e-6), None
        self.classifier = nn.Linear(12, 3)

    def forward(self, x):
        """Logits and the grids of all layers, of images `b h w c`."""
        b, h, w, _ = x.shape
        patches = x.reshape(b, h // 8, 8, w // 8, 8, 3).transpose(2, 3).reshape(b, h * w // 64, -1)
        tokens, grids = self.embed(patches) + self.shift, {}
        for name, layer in zip(LAYERS, self.layers, strict=True):
            tokens = layer(tokens)
            grids[name] = tokens.reshape(b, h // 8, w // 8, 12)
        return grids | {"logits": self.classifier(self.norm(tokens).mean(1))}


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory):
    """Installs a package with these entry points, as far as Python can see."""
    place = tmp_path_factory.mktemp("site")
    (place / "toy-1.0.dist-info").mkdir()
    points = "".join(
        f"[{group}]\ntoy_transformer = toy_transformer\n" for group in ("tljax.models", "tljax.weights.formats")
    )
    (place / "toy-1.0.dist-info" / "entry_points.txt").write_text(points)
    (place / "toy-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(place)
        yield


@pytest.fixture(scope="module")
def original() -> Original:
    torch.manual_seed(0)
    network = Original()
    with torch.no_grad():
        for parameter in network.parameters():  # no tensor is trivial
            parameter += 0.1 * torch.randn(parameter.shape)
    return network


@pytest.fixture(scope="module")
def converted(original, tmp_path_factory) -> Path:
    """Its file, converted by the command."""
    folder = tmp_path_factory.mktemp("toy")
    torch.save({"state_dict": {f"module.{name}": value for name, value in original.state_dict().items()}}, folder / "t")
    call(convert_command.main, folder / "t", "--out", folder / "toy")
    return folder / "toy"


def call(main, *arguments):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["tljax", *map(str, arguments)])
        main()


def test_it_is_converted_exactly(converted, original):
    images = verify.images(NORMALISATIONS["imagenet"])
    ours = networks.resolve(str(converted)).model(jnp.asarray(images))
    with torch.no_grad():
        theirs = {name: value.numpy() for name, value in original(torch.from_numpy(images)).items()}
    arrays = {name: np.asarray(values) for name, values in (ours.activations | {"logits": ours.logits}).items()}
    found = verify.differences(arrays, theirs)
    assert found.keys() == {*LAYERS, "logits"} and max(found.values()) < 1e-5, found


def test_faults_are_named_and_an_export_equals_the_original(converted, original, tmp_path):
    call(convert_command.main, converted, "--to", "torch", "--out", tmp_path / "back.pt")
    state = torch.load(tmp_path / "back.pt", weights_only=True)
    assert state.keys() == original.state_dict().keys()
    assert all(torch.equal(state[name], value) for name, value in original.state_dict().items())
    for change, fault in (
        (lambda s: s.pop("layers.2.gate.bias"), r"lacks 'layers\.2\.gate\.bias'"),
        (lambda s: s.update(extra=torch.ones(2)), r"no place in the network: 'extra'"),
        (lambda s: s.update({"layers.1.value.weight": torch.ones(12, 11)}), r"'layers\.1\.value\.weight'.*\(12, 11\)"),
    ):
        changed = dict(state)
        change(changed)
        torch.save(changed, tmp_path / "changed.pt")
        with pytest.raises(UserError, match=fault):
            weights.convert(tmp_path / "changed.pt")
    with pytest.raises(UserError, match=r"holds a toy_transformer .*, not a resnet50"):
        weights.convert(tmp_path / "back.pt", backbone="resnet50")
    with pytest.raises(UserError, match="unknown variant 'keras_v1' of toy_transformer; known are toy"):
        weights.convert(tmp_path / "back.pt", variant="keras_v1")


@pytest.fixture(scope="module")
def run(converted, tmp_path_factory) -> Path:
    """Fine-tuned on the embedded images, its head first."""
    workdir = tmp_path_factory.mktemp("runs")
    config = {
        **vars(TRAIN),
        "init": str(converted),
        "freeze": True,
        "head_epochs": 1,
        "workdir": workdir,
        "quiet": True,
    }
    return train(TrainConfig(**config))


def test_training_moves_what_its_phase_says_and_records_the_layers(run, converted):
    described = json.loads((run / runs.CONFIG).read_text())
    assert described["layers"] == described["all_layers"] == LAYERS
    before, after = weights.load(converted)[0], weights.load(run / runs.CHECKPOINT)[0]
    assert before.keys() == after.keys()
    moved = {name for name in before if before[name].shape != after[name].shape or (before[name] != after[name]).any()}
    assert moved == before.keys()
    with pytest.raises(UserError, match="--train last10: this backbone has no such part"):
        train(TrainConfig(**{**vars(TRAIN), "train": "last10", "workdir": run / "other"}))


def test_a_frozen_backbone_stays_as_it_is(converted, tmp_path):
    config = {**vars(TRAIN), "init": str(converted), "train": "head", "workdir": tmp_path, "quiet": True}
    before, after = weights.load(converted)[0], weights.load(train(TrainConfig(**config)) / runs.CHECKPOINT)[0]
    same = {name for name in before if before[name].shape == after[name].shape and (before[name] == after[name]).all()}
    assert same == {name for name in before if not name.startswith(models.HEAD)}


def test_predict_and_compare(run, converted, tmp_path):
    from archives import write_images

    write_images([tmp_path / "image.png"])
    call(predict_command, run, tmp_path / "image.png", "--out", tmp_path / "predicted.csv")
    with (tmp_path / "predicted.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert sum(float(value) for name, value in row.items() if name != "file") == pytest.approx(1)
    arguments = (run, converted, "random", "--dataset", "phantom", "--image-size", 32)
    call(partial(compare_command), *arguments, "--out", tmp_path / "table.csv", "--protocol", "paper")
    rows = rows_of(tmp_path / "table.csv")
    assert [row["layer1"] for row in rows if row["measure"] == "cca"][::3] == LAYERS
    assert not (tmp_path / "CCA_phantom.csv").exists()  # the paper's table has other layers


def test_a_study_and_its_report(converted, tmp_path, monkeypatch):
    monkeypatch.setattr("tljax.study.run.LocalLauncher", lambda per_device: Inline())
    config = phantom_study(
        tmp_path / "study",
        inits=(str(converted), "random"),
        folds=(1,),
        train=TRAIN,
        protocols=("paper",),
        measures=("cca",),
    )
    run_study(config)
    layers = {row["layer1"] for row in rows_of(tmp_path / "study" / "results" / "representations.csv")}
    assert layers == set(LAYERS)
    call(report_command, tmp_path / "study")
    page = (tmp_path / "study" / "report" / "index.html").read_text()
    assert "encoder03" in page and "conv1" not in page
    maps = np.load(next((tmp_path / "study").glob("explain/phantom/gradcam-*.npz")))["maps"]
    assert maps.shape[1:] == (4, 4) and (maps.max(axis=(1, 2)) <= 1).all() and (maps > 0).any()
