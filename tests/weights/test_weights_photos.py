"""The real ImageNet weights classify real photographs after conversion."""

import csv
from importlib import resources

import numpy as np
import pytest

from tljax import weights
from tljax.predict.probabilities import predict
from tljax.weights import networks


@pytest.mark.parametrize(("backbone", "least"), [("resnet50", 15), ("resnet18", 15)])
def test_the_real_weights_classify_photographs(backbone, least, shared, tmp_path):
    """Plain PyTorch classifies 16 of the 20 correctly. The names of the photographs begin with their WordNet ids."""
    conversion = weights.convert(shared / "weights" / f"imagenet_{backbone}_torchvision.pth")
    assert (conversion.card.backbone, conversion.card.variant) == (backbone, "torch_v1.5")
    weights.save(tmp_path / "imagenet", conversion.tensors, conversion.card)

    network = networks.resolve("imagenet", tmp_path)
    photos = sorted((shared / "data" / "photos").iterdir())
    files, probabilities, bad = predict(network, photos, size=224, resize="crop", batch_size=10)
    assert files == photos and not bad
    found = probabilities.argmax(axis=1)

    text = resources.files("tljax.weights").joinpath("imagenet_classes.csv").read_text()
    wordnet = [row["wordnet"] for row in csv.DictReader(text.splitlines())]
    right = [wordnet[index] == file.name.partition("_")[0] for file, index in zip(files, found, strict=True)]
    assert np.sum(right) >= least
    named = {file.name: network.card.classes[index] for file, index in zip(files, found, strict=True)}
    assert named["n01491361_tiger_shark.JPEG"] == "tiger shark"
    assert named["n07753275_pineapple.JPEG"] == "pineapple"
