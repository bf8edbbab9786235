"""Makes augment_keras.npz: images warped by Keras 3's apply_affine_transform.

KERAS_BACKEND=jax python tests/golden/augment_keras.py
"""

from pathlib import Path

import numpy as np
from keras.src.legacy.preprocessing.image import apply_affine_transform

SIZE = 24
PARAMETERS = {  # degrees, pixels, pixels, degrees, factor, factor: in the paper's ranges, at their ends, beyond
    "theta": [7.3, -10.0, 10.0, 0.0, 2.1, -33.0],
    "tx": [1.7, 2.4, -2.4, 0.0, -0.6, 9.5],
    "ty": [-2.2, -2.4, 2.4, 1.0, 0.9, -11.2],
    "shear": [0.05, 0.1, -0.1, 0.0, 0.02, 12.0],
    "zx": [0.93, 0.9, 1.1, 1.0, 1.04, 1.4],
    "zy": [1.08, 1.1, 0.9, 1.0, 0.97, 0.7],
}

if __name__ == "__main__":
    count = len(PARAMETERS["theta"])
    images = np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)
    warped = [
        apply_affine_transform(
            image.astype(np.float64),
            **{name: values[number] for name, values in PARAMETERS.items()},
            row_axis=0,
            col_axis=1,
            channel_axis=2,
            fill_mode="nearest",
            order=1,
        )
        for number, image in enumerate(images)
    ]
    parameters = {name: np.array(values) for name, values in PARAMETERS.items()}
    golden = Path(__file__).with_suffix(".npz")
    np.savez_compressed(golden, images=images, warped=np.array(warped, np.float32), **parameters)
