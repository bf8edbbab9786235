"""The audit finds the input normalisation with which a network was trained."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from PIL import Image
from weight_cards import CARD

from tljax import models
from tljax.core.errors import UserError
from tljax.models.normalisation import NORMALISATIONS, Normalisation
from tljax.weights import audit_command, audit_probe
from tljax.weights.audit import audit
from tljax.weights.audit_probe import audit_by_probe
from tljax.weights.networks import Network

COLOUR = [name for name, known in NORMALISATIONS.items() if known.channels in ("rgb", "bgr")]


def pictures(count: int, seed: int) -> np.ndarray:
    """Returns images of blurred colour noise, with bright red and dark blue."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal((170, 120, 70), (40, 50, 30), (count, 8, 8, 3))
    return np.clip(np.kron(coarse, np.ones((1, 4, 4, 1))), 0, 255).astype(np.uint8)


def trained_on(normalisation: Normalisation) -> Network:
    """Returns a small network whose running statistics are those of images with this input."""
    model = models.build("resnet_tiny", "torch_v1.5", 2, dropout=0.0)
    for _, module in nnx.iter_modules(model):
        if hasattr(module, "momentum"):
            module.momentum = 0.0
    model.train()
    x = normalisation(jnp.asarray(pictures(64, seed=0), jnp.float32))
    nnx.jit(lambda model, x: model.features(x)[0])(model, x)
    model.eval()
    return Network("small", model, dataclasses.replace(CARD, normalisation=NORMALISATIONS["imagenet"]))


@pytest.mark.parametrize("name", COLOUR)
def test_the_audit_finds_the_training_input(name):
    verdict = audit(trained_on(NORMALISATIONS[name]), pictures(32, seed=1))
    assert name in verdict.candidates[0].names and verdict.found, str(verdict)
    kinds = {name.split(",")[0] for candidate in verdict.found for name in candidate.names}
    first = {name.split(",")[0] for name in verdict.candidates[0].names}
    nearly = {"imagenet", "clip", "rad_dino", "the card's"}  # all near a mean of 0.5 and a deviation of 0.25
    assert kinds <= (nearly if name in nearly else first), str(verdict)


def test_grey_images_leave_the_channel_order_open():
    grey = np.repeat(pictures(16, seed=2)[..., :1], 3, axis=-1)
    verdict = audit(trained_on(NORMALISATIONS["radimagenet_torch"]), grey)
    names = {name for candidate in verdict.candidates for name in candidate.names}
    alike = next(c for c in verdict.candidates if "radimagenet_torch" in c.names)
    assert "radimagenet_torch, rgb order" in alike.names and names >= set(COLOUR)


def test_too_few_images_are_refused():
    with pytest.raises(UserError, match="at least four"):
        audit(trained_on(NORMALISATIONS["imagenet"]), pictures(3, seed=3))


def test_copies_and_images_of_one_colour_do_not_count():
    network = trained_on(NORMALISATIONS["imagenet"])
    plain = np.full((5, 32, 32, 3), (90, 40, 7), np.uint8)
    copies = np.repeat(pictures(3, seed=3), 4, axis=0)
    for images, count in ((plain, "0 of the 5"), (copies, "3 of the 12"), (np.concatenate([plain, copies]), "3 of")):
        with pytest.raises(UserError, match=count):
            audit(network, images)


def test_a_damaged_image_and_an_image_size_of_zero_are_refused(tmp_path):
    network = trained_on(NORMALISATIONS["imagenet"])
    (tmp_path / "b.png").write_text("no image")
    with pytest.raises(UserError, match=r"b\.png is not an image .*remove the file from --images"):
        audit_command.run(network, tmp_path, 32)
    with pytest.raises(UserError, match="--image-size 0"):
        audit_command.run(network, tmp_path, 0)


def transformer_with(normalisation: Normalisation) -> Network:
    """A network without batch normalisation."""
    model = models.build("vit_tiny", "timm", 2, dropout=0.0)
    model.eval()
    return Network("small", model, dataclasses.replace(CARD, normalisation=normalisation))


def test_a_network_without_statistics_is_judged_by_a_probe():
    images, labels = pictures(60, seed=4), np.arange(60) % 2
    images[labels == 1, :, :, 0] -= 8  # a class of slightly less red: hard for every input
    verdict = audit_by_probe(transformer_with(NORMALISATIONS["imagenet"]), images, labels)
    assert all(0 < candidate.distance < 1 for candidate in verdict.candidates)  # 1 - AUC
    assert not verdict.found and "cannot tell" in str(verdict)


def test_the_probe_finds_the_only_input_that_separates_the_classes(monkeypatch):
    labels = np.arange(80) % 2
    rng = np.random.default_rng(5)

    def features(network, normalisation, images):
        noise = rng.standard_normal((80, 4))
        return noise + 3 * labels[:, None] if normalisation == NORMALISATIONS["clip"] else noise

    monkeypatch.setattr(audit_probe, "_features", features)
    verdict = audit_by_probe(transformer_with(NORMALISATIONS["imagenet"]), pictures(80, seed=6), labels)
    assert verdict.candidates[0].names == ("clip",) and verdict.candidates[0].distance < 0.01 and verdict.found


def test_a_probe_needs_images_of_two_classes():
    network = transformer_with(NORMALISATIONS["imagenet"])
    for labels in (np.zeros(20, int), np.repeat([0, 1], (17, 3))):
        with pytest.raises(UserError, match="at least 5 images each"):
            audit_by_probe(network, pictures(20, seed=7), labels)
    with pytest.raises(UserError, match="folder of --images"):
        audit(network, pictures(20, seed=7))


def test_folders_of_images_are_read_as_classes(tmp_path, capsys):
    for number, picture in enumerate(pictures(12, seed=8)):
        folder = tmp_path / ("dark" if number % 2 else "bright")
        folder.mkdir(exist_ok=True)
        Image.fromarray(picture // (1 + number % 2)).save(folder / f"{number}.png")
    audit_command.run(transformer_with(NORMALISATIONS["imagenet"]), tmp_path, 32)
    assert "1 - AUC of a linear probe" in capsys.readouterr().out
    Image.fromarray(pictures(1, seed=9)[0]).save(tmp_path / "another.png")
    with pytest.raises(UserError, match="folder of --images"):  # an image without a class
        audit_command.run(transformer_with(NORMALISATIONS["imagenet"]), tmp_path, 32)
