"""`python -m tljax.features`: the arrays for image files and for tasks."""

import sys

import jax.numpy as jnp
import numpy as np
import pytest

from tljax.core.errors import UserError
from tljax.datasets.imagefiles import read_image
from tljax.screen import features
from tljax.weights import networks

RANDOM = ("--backbone", "resnet_tiny", "--variant", "torch_v1.5", "--image-size", "32")


def run(monkeypatch, tmp_path, *arguments) -> dict[str, np.ndarray]:
    """The arrays that the command writes."""
    monkeypatch.setattr(sys, "argv", ["features", *map(str, arguments), "--out", str(tmp_path / "f.npz")])
    features.main()
    with np.load(tmp_path / "f.npz") as stored:
        return {name: stored[name] for name in stored}


def test_features_of_files_are_in_their_order(own, tmp_path, monkeypatch, capsys):
    found = run(monkeypatch, tmp_path, "random", own, *RANDOM, "--layers", "conv1,block2", "--batch-size", "5")
    assert found["features"].shape == (12, 512) and found["features"].dtype == np.float32
    assert found["layer:conv1"].shape == (12, 16) and found["layer:block2"].shape == (12, 128)
    assert "12 images, 512 features each" in capsys.readouterr().out
    network = networks.resolve("random", backbone="resnet_tiny", variant="torch_v1.5")
    pixels = read_image(own / "dog" / "3.png", 32, "crop")
    place = list(found["files"]).index(str(own / "dog" / "3.png"))
    expected, _ = network.model.features(network.normalisation(jnp.asarray(pixels[None], jnp.float32)))
    np.testing.assert_allclose(found["features"][place], expected[0], rtol=1e-4, atol=1e-6)


def test_features_of_a_task_have_labels(tmp_path, monkeypatch):
    found = run(monkeypatch, tmp_path, "random", "--dataset", "phantom", *RANDOM)
    assert len(found["files"]) == len(found["labels"]) == len(found["features"])
    assert found["features"].dtype == np.float32 and set(found["labels"]) == {0, 1}


def test_files_that_cannot_be_read_are_named_or_left_out(own, tmp_path, monkeypatch, capsys):
    (own / "cat" / "broken.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"broken.png.*--skip-bad"):
        run(monkeypatch, tmp_path, "random", own, *RANDOM)
    assert not (tmp_path / "f.npz").exists()
    found = run(monkeypatch, tmp_path, "random", own, *RANDOM, "--skip-bad")
    assert len(found["files"]) == 12 and "left out 1 of 13" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("random",), "name either images"),
        (("random", "a.png", "--dataset", "phantom"), "name either images"),
        (("random", "nowhere.png"), "nowhere.png"),
        (("imagnet", "--dataset", "phantom"), "imagnet"),
        (("random", "--dataset", "phantom", *RANDOM, "--layers", "block9"), "block9"),
        (("random", "--dataset", "phantom", "--batch-size", "0"), "--batch-size 0"),
    ],
)
def test_a_mistake_is_one_message(tmp_path, monkeypatch, arguments, said):
    with pytest.raises(UserError, match=said):
        run(monkeypatch, tmp_path, *arguments)
