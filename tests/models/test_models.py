"""Our ResNet is Keras' and torchvision's: outputs, every activation, and gradients."""

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
from tljax.models.layers import BatchNorm, conv_as_matmul
from tljax.models.normalisation import NORMALISATIONS
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


def test_a_masked_row_has_no_part_in_the_batch_statistics():
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


@pytest.mark.parametrize(("size", "stride", "channels"), [(7, 2, 3), (3, 2, 20), (1, 2, 20)])
def test_convolution_as_matrix_products_is_the_convolution(size, stride, channels):
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(2, 13, 16, channels)).astype(np.float32))
    kernel = jnp.asarray(rng.normal(size=(size, size, channels, 5)).astype(np.float32))
    padding = size // 2
    expected = jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), [(padding, padding)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(conv_as_matmul(x, kernel, stride, padding), expected, rtol=1e-4, atol=1e-4)


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


def test_every_fault_of_the_tensors_is_named(small):
    model = models.build(small, "torch_v1.5", 3)
    tensors = models.flatten(model)
    tensors["stages.9.0.conv1.kernel"] = tensors.pop("bn1.mean")
    tensors["head.bias"] = np.zeros(4, np.float32)
    with pytest.raises(UserError) as refusal:
        models.load_flat(model, tensors)
    for fault in ("'bn1.mean' is missing", "'stages.9.0.conv1.kernel' has no place", "'head.bias' is (4,)"):
        assert fault in str(refusal.value)


@pytest.mark.parametrize(("backbone", "variant"), [("resnet51", "keras_v1"), ("resnet50", "keras_v2")])
def test_unknown_networks_are_refused_with_the_known(backbone, variant):
    with pytest.raises(UserError, match=r"known are .*(resnet50|torch_v1.5)"):
        models.build(backbone, variant, 2)
