"""Step 1: the chip and the versions; a ResNet50 on the device against the same network on the CPU."""

import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from benchmarks.gpu.record import Record, arguments
from tljax import models

QUERY = "name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,power.limit,memory.total"


def main() -> None:
    options = arguments(__doc__)
    record = Record(options.out, "smoke")
    device = jax.devices()[0]
    found = {name: _version(name) for name in ("jax", "jaxlib", "flax", "optax", "torch", "timm", "numpy")}
    record.say(f"{device.device_kind}; " + ", ".join(f"{name} {number}" for name, number in found.items()), **found)
    if shutil.which("nvidia-smi"):
        told = subprocess.run(["nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader"], capture_output=True)
        record.say(f"{QUERY}: {told.stdout.decode().strip()}")
    backbone, size = ("resnet_tiny", 32) if options.toy else ("resnet50", 224)
    images = np.random.default_rng(0).normal(size=(8, size, size, 3)).astype(np.float32)
    reference = _features(backbone, images, jnp.float32, jax.devices("cpu")[0])
    exact = _difference(_features(backbone, images, jnp.float32, device), reference)
    rounded = _difference(_features(backbone, images, jnp.bfloat16, device), reference)
    verdict = "as it should be" if exact < 1e-5 else "MORE than 1e-5"
    record.say(
        f"{backbone}, {size} px, pooled features: float32 differs from the CPU by {exact:.1e} of the largest value "
        f"({verdict}); bfloat16 by {rounded:.1e}",
        float32=exact,
        bfloat16=rounded,
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _features(backbone: str, images: np.ndarray, dtype: jnp.dtype, device: jax.Device) -> np.ndarray:
    """Pooled features `b c`, in inference mode, with running statistics away from 0 and 1."""
    with jax.default_device(device):
        model = models.build(backbone, "torch_v1.5", 2, dtype=dtype)
        rng = np.random.default_rng(1)
        tensors = models.flatten(model)
        for name, tensor in tensors.items():
            if name.endswith((".bias", ".mean", ".var")):
                spread = 1.0 if name.endswith(".bias") else 0.2
                tensors[name] = (tensor + rng.uniform(0, spread, tensor.shape)).astype(np.float32)
        models.load_flat(model, tensors)
        model.eval()
        graph, state = nnx.split(model)
        run = jax.jit(lambda state, x: nnx.merge(graph, state, copy=True).features(x)[0])
        return np.asarray(run(state, jax.device_put(images, device)))


def _difference(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


if __name__ == "__main__":
    main()
