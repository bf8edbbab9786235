"""ResNets equal those of Keras and torchvision in outputs, activations and gradients."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx
from weight_files import BASIC, SMALL, TEN, in_format, outputs, random_tensors, sample, to_torch

from tljax import models
from tljax.core.errors import UserError
from tljax.models.convolution import convolve, depthwise, sides
from tljax.models.layers import BatchNorm
from tljax.models.normalisation import NORMALISATIONS
from tljax.models.pooling import average_of_neighbours, average_pool, max_pool
from tljax.models.resnet import ARCHITECTURES, VARIANTS
from tljax.weights import verify
from tljax.weights.resnet import reference_torch
from tljax.weights.verify import differences

GOLDEN = Path(__file__).parents[1] / "golden" / "keras_resnet50.npz"
FORMATS = {"keras_v1": "keras-port", "torch_v1.5": "torchvision"}  # with which names plain PyTorch holds a variant


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "small", SMALL)
    monkeypatch.setitem(ARCHITECTURES, "basic", BASIC)
    monkeypatch.setitem(ARCHITECTURES, "ten", TEN)
    return "small"


def plain_pytorch(tensors, variant, backbone):
    kind, architecture = VARIANTS[variant], ARCHITECTURES[backbone]
    network = reference_torch.ResNet(
        architecture.blocks,
        architecture.width,
        len(tensors["head.bias"]),
        bottleneck=architecture.bottleneck,
        stride_in_first=kind.stride_in_first,
        biases=kind.conv_bias,
        epsilon=kind.epsilon,
    )
    network.load_state_dict(to_torch(in_format(tensors, FORMATS[variant], backbone)), strict=False)
    return network


NETWORKS = [("resnet50", "torch_v1.5"), ("small", "keras_v1"), ("basic", "keras_v1")]


@pytest.mark.parametrize(("backbone", "variant"), NETWORKS)
def test_outputs_equal_plain_pytorch(backbone, variant, small):
    tensors = random_tensors(backbone, variant)
    images = verify.images(NORMALISATIONS["imagenet"])
    theirs = reference_torch.outputs(plain_pytorch(tensors, variant, backbone), images)
    found = differences(outputs(tensors, backbone, variant, images), theirs)
    assert found.keys() == {"conv1", "block1", "block2", "block3", "block4", "logits"}
    assert max(found.values()) < 1e-5, found


def test_outputs_equal_keras_applications():
    """Goldens by golden/make_keras_resnet50.py."""
    ours = outputs(
        random_tensors("resnet50", "keras_v1"), "resnet50", "keras_v1", verify.images(NORMALISATIONS["caffe"])
    )
    golden = np.load(GOLDEN)
    for layer, values in ours.items():
        assert np.abs(sample(values) - golden[layer]).max() < 1e-5 * np.abs(golden[layer]).max(), layer


@pytest.mark.parametrize(
    ("backbone", "source"), [("basic", "transformers"), ("small", "transformers"), ("ten", "timm")]
)
def test_layers_and_features_equal_other_libraries(backbone, source, small):
    """Goldens by golden/make_resnet_peers.py."""
    golden = np.load(GOLDEN.with_name("resnet_peers.npz"))
    tensors = random_tensors(backbone, "torch_v1.5")
    images = verify.images(NORMALISATIONS["imagenet"])
    ours = outputs(tensors, backbone, "torch_v1.5", images)
    del ours["logits"]
    ours["features"] = ours["block4"].mean(axis=(1, 2))
    layers = {name.rpartition(" ")[2] for name in golden if name.startswith(f"{source} {backbone} ")}
    assert layers == ours.keys()
    for layer, values in ours.items():
        wanted = golden[f"{source} {backbone} {layer}"]
        assert np.abs(sample(values) - wanted).max() < 1e-5 * np.abs(wanted).max(), layer


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("variant", list(VARIANTS))
def test_gradients_equal_plain_pytorch_in_float64(variant, training, small):
    tensors = {name: value.astype(np.float64) for name, value in random_tensors(small, variant).items()}
    x, weight = np.random.default_rng(1).normal(size=(4, 32, 40, 3)), np.random.default_rng(2).normal(size=(4, 3))

    network = plain_pytorch(tensors, variant, small).double().train(training)
    network.load_state_dict(to_torch(in_format(tensors, FORMATS[variant])), strict=False)
    (network(torch.from_numpy(x).permute(0, 3, 1, 2))["logits"] * torch.from_numpy(weight)).sum().backward()
    theirs = {name: parameter.grad.numpy() for name, parameter in network.named_parameters()}

    with jax.enable_x64(True):
        model = models.build(small, variant, 3, dropout=0.0, dtype=jnp.float64)
        models.load_flat(model, tensors)
        model.train() if training else model.eval()
        graph, parameters, rest = nnx.split(model, nnx.Param, ...)

        def loss(parameters):
            return jnp.sum(nnx.merge(graph, parameters, rest, copy=True)(jnp.asarray(x)).logits * jnp.asarray(weight))

        gradients = nnx.to_flat_state(jax.jit(jax.grad(loss), compiler_options=verify.RUN_ONCE)(parameters))
        ours = {".".join(map(str, path)): np.asarray(value[...]) for path, value in gradients}
    ours = in_format(ours, FORMATS[variant])
    assert ours.keys() == theirs.keys()
    largest = max(np.abs(gradient).max() for gradient in theirs.values())
    for name, gradient in theirs.items():
        assert np.abs(ours[name] - gradient).max() < 1e-6 * max(np.abs(gradient).max(), 1e-6 * largest), name


def test_a_masked_row_does_not_change_the_batch_statistics():
    x = jnp.asarray(np.random.default_rng(0).normal(3, 2, size=(3, 4, 5, 6)).astype(np.float32))
    junk = jnp.concatenate([x, jnp.full_like(x[:1], 100)])
    alone, masked = (BatchNorm(6, 0.9, 1e-5, jnp.float32) for _ in range(2))
    expected = alone(x)
    found = masked(junk, jnp.asarray([True, True, True, False]))
    np.testing.assert_allclose(found[:3], expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(masked.mean[...], 0.1 * np.mean(x, (0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(masked.var[...], 0.9 + 0.1 * np.var(x, (0, 1, 2), ddof=1), rtol=1e-5)


def test_running_statistics_equal_pytorch():
    x = np.random.default_rng(0).normal(3, 2, size=(2, 3, 1, 6)).astype(np.float32)
    ours, theirs = BatchNorm(6, 0.9, 1e-5, jnp.float32), torch.nn.BatchNorm2d(6)
    for batch in (x, 2 * x):
        ours(jnp.asarray(batch))
        theirs(torch.from_numpy(batch).permute(0, 3, 1, 2))
    np.testing.assert_allclose(ours.mean[...], theirs.running_mean.numpy(), rtol=1e-5)
    np.testing.assert_allclose(ours.var[...], theirs.running_var.numpy(), rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "size", "stride", "padding", "outputs"),
    [
        ((2, 13, 16, 3), (7, 7), 2, 3, 5),
        ((2, 12, 15, 6), (3, 3), 2, ((0, 0), (0, 0)), 5),
        ((2, 13, 16, 6), (1, 1), 2, 0, 8),
        ((2, 13, 16, 8), (1, 1), 1, 0, 6),
        ((2, 9, 8, 6), (1, 7), 1, ((0, 0), (3, 3)), 5),
        ((2, 9, 8, 6), (3, 3), 1, ((1, 2), (0, 1)), 5),
        ((2, 2, 2, 4), (3, 3), 1, 1, 5),
        ((2, 2, 2, 4), (3, 3), 1, 1, 9),
        ((2, 4, 4, 4), (3, 3), 2, 1, 9),
        ((2, 13, 15, 3), (4, 4), 4, 0, 6),
        ((2, 8, 11, 4), (2, 2), 2, 0, 5),
        ((2, 8, 8, 4), (2, 2), 3, 0, 5),
    ],
)
def test_convolution_and_its_gradients_equal_xla(shape, size, stride, padding, outputs):
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        x, kernel = (jnp.asarray(rng.normal(size=s)) for s in (shape, (*size, shape[-1], outputs)))

        def plain(x, kernel):
            return jax.lax.conv_general_dilated(
                x, kernel, (stride, stride), sides(padding), dimension_numbers=("NHWC", "HWIO", "NHWC")
            )

        expected, gradient = jax.vjp(plain, x, kernel)
        found, own_gradient = jax.vjp(lambda x, kernel: convolve(x, kernel, stride, padding), x, kernel)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
        sent = jnp.asarray(rng.normal(size=expected.shape))
        for ours, theirs in zip(own_gradient(sent), gradient(sent), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("places", "size"), [((9, 12), (7, 7)), ((2, 3), (7, 7)), ((5, 4), (3, 5))])
def test_depthwise_convolution_and_its_gradients_equal_xla(places, size):
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        x, kernel = (jnp.asarray(rng.normal(size=s)) for s in ((3, *places, 5), (*size, 1, 5)))

        def plain(x, kernel):
            pads = [(side // 2, side // 2) for side in size]
            layout = ("NHWC", "HWIO", "NHWC")
            return jax.lax.conv_general_dilated(
                x, kernel, (1, 1), pads, dimension_numbers=layout, feature_group_count=5
            )

        expected, gradient = jax.vjp(plain, x, kernel)
        found, own_gradient = jax.vjp(depthwise, x, kernel)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
        sent = jnp.asarray(rng.normal(size=expected.shape))
        for ours, theirs in zip(own_gradient(sent), gradient(sent), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


def test_depthwise_convolution_is_the_same_on_an_accelerator(monkeypatch):
    rng = np.random.default_rng(0)
    x, kernel = (jnp.asarray(rng.normal(size=s), jnp.float32) for s in ((2, 9, 8, 4), (7, 7, 1, 4)))
    on_cpu = depthwise(x, kernel)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")  # its form also runs here
    np.testing.assert_allclose(depthwise(x, kernel), on_cpu, atol=1e-4)


def test_depthwise_convolution_in_bfloat16_adds_in_float32():
    rng = np.random.default_rng(0)
    x, kernel = (jnp.asarray(rng.normal(size=s), jnp.bfloat16) for s in ((2, 9, 9, 4), (7, 7, 1, 4)))
    found, gradient = jax.vjp(depthwise, x, kernel)
    wide, wide_gradient = jax.vjp(depthwise, x.astype(jnp.float32), kernel.astype(jnp.float32))
    pairs = [(found, wide), *zip(gradient(found), wide_gradient(found.astype(jnp.float32)), strict=True)]
    for half, full in pairs:
        assert half.dtype == jnp.bfloat16
        np.testing.assert_allclose(half.astype(jnp.float32), full, rtol=2**-8, atol=1e-6)  # rounded once


@pytest.mark.parametrize("size", [(8, 8), (9, 7), (2, 3)])
def test_pooling_and_its_gradient_equal_pytorch(size):
    x = np.random.default_rng(0).normal(size=(2, *size, 3))
    functional = torch.nn.functional
    kinds = [
        (max_pool, lambda x: functional.max_pool2d(x, 3, 2, padding=1)),
        (average_pool, lambda x: functional.avg_pool2d(x, 2)),
        (partial(average_of_neighbours, count_padding=True), lambda x: functional.avg_pool2d(x, 3, 1, padding=1)),
        (
            partial(average_of_neighbours, count_padding=False),
            lambda x: functional.avg_pool2d(x, 3, 1, padding=1, count_include_pad=False),
        ),
    ]
    kinds += [(partial(max_pool, padding=0), lambda x: functional.max_pool2d(x, 3, 2))] if min(size) > 2 else []
    for ours, theirs in kinds:
        image = torch.from_numpy(np.abs(x)).permute(0, 3, 1, 2).requires_grad_()
        expected = theirs(image)
        sent = torch.from_numpy(np.random.default_rng(1).normal(size=expected.shape))
        expected.backward(sent)
        with jax.enable_x64(True):
            found, gradient = jax.vjp(ours, jnp.asarray(np.abs(x)))
            (dx,) = gradient(jnp.asarray(sent.permute(0, 2, 3, 1).numpy()))
        np.testing.assert_allclose(found, expected.detach().permute(0, 2, 3, 1), rtol=1e-9)
        np.testing.assert_allclose(dx, image.grad.permute(0, 2, 3, 1), rtol=1e-9)


def test_known_moments_replace_those_of_the_first_channels():
    """Output, running statistics and gradients of a BatchNorm do not depend on which layer computed the moments."""
    x = jnp.asarray(np.random.default_rng(0).normal(3, 2, size=(2, 4, 5, 6)).astype(np.float32))
    weight = jnp.asarray(np.random.default_rng(1).normal(size=x.shape).astype(np.float32))
    mask = jnp.asarray([True, False])

    def outcome(x, is_shared):
        norm, first = BatchNorm(6, 0.9, 1e-5, jnp.float32), BatchNorm(4, 0.9, 1e-5, jnp.float32)
        _, known = first.normalise(x[..., :4], mask)
        y, _ = norm.normalise(x, mask, known if is_shared else None)
        return jnp.sum(y * weight), (y, norm.mean[...], norm.var[...])

    (_, alone), gradient_alone = jax.value_and_grad(outcome, has_aux=True)(x, False)
    (_, shared), gradient_shared = jax.value_and_grad(outcome, has_aux=True)(x, True)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), alone, shared)
    np.testing.assert_allclose(gradient_shared, gradient_alone, rtol=1e-4, atol=1e-5)


def test_the_same_seed_gives_the_same_network(small):
    first, second, other = (models.flatten(models.build(small, "keras_v1", 3, seed=seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["conv1.kernel"], other["conv1.kernel"])


def test_without_a_seed_nothing_is_drawn(small):
    undrawn, drawn = (models.flatten(models.build(small, "keras_v1", 3, seed=seed)) for seed in (None, 1))
    for name, tensor in undrawn.items():
        assert tensor.shape == drawn[name].shape and tensor.dtype == drawn[name].dtype
        assert not (name.endswith("kernel") and tensor.any())


def test_keras_kernels_are_drawn_glorot_uniform(small):
    kernel = models.flatten(models.build(small, "keras_v1", 3))["stages.3.0.conv2.kernel"]
    limit = np.sqrt(6 / (9 * 64 + 9 * 64))
    assert 0.99 * limit < kernel.max() <= limit and -limit <= kernel.min() < -0.99 * limit
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.01)


def test_missing_unknown_and_misshapen_tensors_are_named(small):
    model = models.build(small, "torch_v1.5", 3)
    tensors = models.flatten(model)
    tensors["stages.9.0.conv1.kernel"] = tensors.pop("bn1.mean")
    tensors["head.bias"] = np.zeros(4, np.float32)
    with pytest.raises(UserError) as refusal:
        models.load_flat(model, tensors)
    for fault in ("'bn1.mean' is missing", "'stages.9.0.conv1.kernel' has no place", "'head.bias' is (4,)"):
        assert fault in str(refusal.value)


@pytest.mark.parametrize(("backbone", "variant"), [("resnet51", "keras_v1"), ("resnet50", "keras_v2")])
def test_the_message_on_an_unknown_network_lists_the_known_ones(backbone, variant):
    with pytest.raises(UserError, match=r"known are .*(resnet50|torch_v1.5)"):
        models.build(backbone, variant, 2)
