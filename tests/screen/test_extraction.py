"""Features are exact, saved on disk, and computed again only if necessary."""

import dataclasses
import errno

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toynets
from flax import nnx
from screening import dataset

from tljax.core.errors import UserError
from tljax.models.backbone import BackboneModule
from tljax.screen import cache, extract, extraction
from tljax.screen.forward import AveragedForward

DATA = dataset(40)
NETWORK = toynets.network(0)
BOTH = ("conv1", "block1")


@pytest.fixture
def passes(monkeypatch) -> list[list[int]]:
    """The rows that were computed during the test, by block of 16 images."""
    ran = []
    run = extraction._run

    def counted(forward, data, rows, names):
        ran.append(list(rows))
        return run(forward, data, rows, names)

    monkeypatch.setattr(extraction, "BLOCK", 16)
    monkeypatch.setattr(extraction, "_run", counted)
    return ran


def plain(images: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Returns the features of all images in one batch, without the tested code."""
    pooled, found = NETWORK.model.features(NETWORK.normalisation(jnp.asarray(images, jnp.float32)), BOTH)
    return np.asarray(pooled), {name: np.asarray(found[name]).mean((1, 2)) for name in BOTH}


def test_features_are_those_of_one_batch_of_all_images(tmp_path, passes):
    found = extract(NETWORK, DATA, layers=None, batch_size=6, cache_dir=tmp_path)
    pooled, layers = plain(DATA.images)
    np.testing.assert_allclose(found.pooled, pooled, rtol=1e-5)
    assert found.layers.keys() == layers.keys()
    for name, expected in layers.items():
        np.testing.assert_allclose(found.layers[name], expected, rtol=1e-5)
    assert found.facts["images"] == 40 and found.facts["images_per_second"] > 0
    assert [len(rows) for rows in passes] == [16, 16, 8]


def test_rows_are_in_the_requested_order(tmp_path):
    rows = np.array([7, 3, 39, 0])
    alone = extract(NETWORK, DATA, rows, BOTH, cache_dir=tmp_path)
    pooled, layers = plain(DATA.images[rows])
    np.testing.assert_allclose(alone.pooled, pooled, rtol=1e-5)
    np.testing.assert_allclose(alone.layers["conv1"], layers["conv1"], rtol=1e-5)


def test_a_second_call_runs_nothing_and_a_further_layer_runs_once(tmp_path, passes):
    first = extract(NETWORK, DATA, layers=("conv1",), cache_dir=tmp_path)
    assert len(passes) == 3
    again = extract(NETWORK, DATA, layers=("conv1",), cache_dir=tmp_path)
    part = extract(NETWORK, DATA, np.array([5, 2]), ("conv1",), cache_dir=tmp_path)  # of those of all images
    assert len(passes) == 3
    assert np.array_equal(first.pooled, again.pooled) and np.array_equal(first.pooled[[5, 2]], part.pooled)
    extract(NETWORK, DATA, layers=BOTH, cache_dir=tmp_path)
    assert len(passes) == 6


def test_settings_that_change_the_features_have_separate_cache_entries(tmp_path, passes):
    extract(NETWORK, DATA, cache_dir=tmp_path)
    same_name = toynets.network(1)
    other_input = dataclasses.replace(NETWORK.card.normalisation, mean=(0.0, 0.0, 0.0))
    renormalised = dataclasses.replace(NETWORK, card=dataclasses.replace(NETWORK.card, normalisation=other_input))
    variant = dataclasses.replace(NETWORK, card=dataclasses.replace(NETWORK.card, variant="other"))
    for network, data in ((same_name, DATA), (renormalised, DATA), (variant, DATA), (NETWORK, dataset(40, 1))):
        before = len(passes)
        extract(network, data, cache_dir=tmp_path)
        assert len(passes) == before + 3


def test_an_interrupted_pass_continues_without_repetition(tmp_path, passes, monkeypatch):
    run = extraction._run

    def interrupted(*arguments):
        if len(passes) == 2:
            raise KeyboardInterrupt
        return run(*arguments)

    monkeypatch.setattr(extraction, "_run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        extract(NETWORK, DATA, layers=None, cache_dir=tmp_path)
    monkeypatch.setattr(extraction, "_run", run)
    found = extract(NETWORK, DATA, layers=None, cache_dir=tmp_path)
    assert sorted(row for rows in passes for row in rows) == list(range(40))
    np.testing.assert_allclose(found.pooled, plain(DATA.images)[0], rtol=1e-5)
    assert not list(tmp_path.rglob("blocks"))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_features_are_never_without_their_facts(number, tmp_path, monkeypatch):
    """The process is stopped before one of the files of facts and arrays is written."""
    count = 0

    def stopping(write):
        def written(path, *content):
            nonlocal count
            count += 1
            if count == number:
                raise KeyboardInterrupt
            write(path, *content)

        return written

    for name in ("write_text", "write_arrays"):
        monkeypatch.setattr(cache, name, stopping(getattr(cache, name)))
    with pytest.raises(KeyboardInterrupt):
        extract(NETWORK, DATA, layers=("conv1",), cache_dir=tmp_path)
    assert extract(NETWORK, DATA, layers=("conv1",), cache_dir=tmp_path).facts["multiply_adds"] > 0


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "other"])
def test_a_damaged_file_is_named_and_computed_again(tmp_path, passes, damage):
    whole = extract(NETWORK, DATA, layers=("conv1",), cache_dir=tmp_path)
    file = next(tmp_path.rglob("features.npz"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    changed = {"cut": bytes(content[:200]), "flipped": bytes(content), "emptied": b""}
    if damage == "other":
        np.savez(file, features=np.zeros((3, 5), np.float32))
    else:
        file.write_bytes(changed[damage])
    with pytest.warns(UserWarning, match="features.npz are damaged"):
        again = extract(NETWORK, DATA, layers=("conv1",), cache_dir=tmp_path)
    assert np.array_equal(whole.pooled, again.pooled)
    assert len(passes) == 6


def test_features_are_float32_where_the_network_computes_in_bfloat16(tmp_path):
    class Half(toynets.ToyNet):
        def features(self, x, layers=(), mask=None, rngs=None):
            pooled, found = super().features(x, layers, mask)
            return pooled.astype(jnp.bfloat16), {name: layer.astype(jnp.bfloat16) for name, layer in found.items()}

    half = dataclasses.replace(NETWORK, model=Half(0))
    found = extract(half, DATA, layers=None, cache_dir=tmp_path)
    assert found.pooled.dtype == np.float32 and {layer.dtype for layer in found.layers.values()} == {
        np.dtype("float32")
    }
    pooled, layers = plain(DATA.images)
    np.testing.assert_allclose(found.pooled, pooled, rtol=1e-2)
    # averaged after the cast to float32: bfloat16 would lose the low bits of a mean over positions
    np.testing.assert_allclose(found.layers["conv1"], layers["conv1"], rtol=5e-3, atol=5e-3)
    full = extract(NETWORK, DATA, layers=None, cache_dir=tmp_path)
    assert not np.array_equal(full.pooled, found.pooled)  # never found in the place of the others


def test_the_image_with_features_that_are_not_finite_is_named(tmp_path):
    broken = toynets.network(0)
    broken.model.second[...] = broken.model.second[...].at[0, 0].set(np.nan)
    with pytest.raises(UserError, match=r"features of toy:0 hold NaN .* of 40 images, the first of which is \d+.png"):
        extract(broken, DATA, cache_dir=tmp_path)
    assert not list(tmp_path.rglob("*.npz"))


def test_a_full_disk_says_what_to_do(tmp_path, monkeypatch):
    def full(*_args, **_kw):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache.np, "savez", full)
    with pytest.raises(UserError, match=r"No space left on device.*--cache-dir"):
        extract(NETWORK, DATA, cache_dir=tmp_path)
    monkeypatch.undo()
    assert len(extract(NETWORK, DATA, cache_dir=tmp_path).pooled) == 40


def test_the_message_on_an_unknown_layer_lists_the_layers(tmp_path):
    with pytest.raises(UserError, match=r"no layer block9; it has conv1, block1"):
        extract(NETWORK, DATA, layers=("block9",), cache_dir=tmp_path)


def test_the_cost_is_that_of_the_convolutions():
    class Conv(BackboneModule):
        named_layers = all_layers = ("conv",)

        def __init__(self):
            self.kernel = nnx.Param(jnp.ones((3, 3, 3, 7)))

        def features(self, x, layers=(), mask=None, rngs=None):
            layout = ("NHWC", "HWIO", "NHWC")
            y = jax.lax.conv_general_dilated(x, self.kernel[...], (2, 2), "SAME", dimension_numbers=layout)
            return y.mean((1, 2)), {"conv": y}

    forward = AveragedForward(dataclasses.replace(NETWORK, model=Conv()), (), 4, 32)
    exact = 16 * 16 * 7 * 27
    assert exact * 0.9 < forward.multiply_adds < exact * 1.2  # borders have fewer; normalisation and mean have some
    assert forward.bytes > 4 * 32 * 32 * 3
