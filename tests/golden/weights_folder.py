"""Makes `weights_0.1.0.tar.gz`: a weights folder as tljax 0.1.0 wrote it, and what its network computed.

    git worktree add old 4b39fc3 && PYTHONPATH=old python tests/golden/weights_folder.py

It holds `old/` (`card.json` and `state/`) and `outputs.npz` (`images`, normalised, `logits` and `block1`).
"""

import tarfile
import tempfile
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from tljax import models, weights
from tljax.models import resnet

OUT = Path(__file__).with_name("weights_0.1.0.tar.gz")


def main() -> None:
    resnet.ARCHITECTURES["resnet_micro"] = resnet.Architecture((1,), 8)
    model = models.build("resnet_micro", "keras_v1", 3, seed=1)
    rng = np.random.default_rng(0)
    tensors = {
        name: value if name.endswith("kernel") else rng.uniform(0.5, 1.5, value.shape).astype(np.float32)
        for name, value in models.flatten(model).items()
    }
    models.load_flat(model, tensors)
    model.eval()
    images = rng.normal(size=(2, 32, 32, 3)).astype(np.float32)
    found = model(jnp.asarray(images))
    card = weights.WeightsCard(
        name="old",
        format="keras",
        backbone="resnet_micro",
        variant="keras_v1",
        normalisation=weights.NORMALISATIONS["radimagenet"],
        classes=("a", "b", "c"),
        source="old.h5",
        sha256="00",
        licence="CC0",
        note="made by 0.1.0",
    )
    with tempfile.TemporaryDirectory() as folder:
        weights.save(Path(folder) / "old", tensors, card)
        np.savez(Path(folder) / "outputs.npz", images=images, logits=found.logits, block1=found.activations["block1"])
        with tarfile.open(OUT, "w:gz") as archive:
            for name in ("old", "outputs.npz"):
                archive.add(Path(folder) / name, name)


if __name__ == "__main__":
    main()
