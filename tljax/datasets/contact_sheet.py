"""Draws a contact sheet: a few images of each class."""

from pathlib import Path

import numpy as np

from tljax.core.errors import UserError
from tljax.core.files import replacing
from tljax.datasets.dataset import Dataset

IMAGES = 8  # images per class, one inch each
ROW = 1.25  # inches: an image below the line that names its class


def draw_sheet(dataset: Dataset, path: Path) -> None:
    """Draws a PNG file with one row of images per class, evenly picked. Raises `UserError` if it cannot be written."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    classes = dataset.card.classes
    height = ROW * len(classes)
    places = {"left": 0.01, "right": 0.99, "bottom": 0.05 / height, "top": 1 - (ROW - 1) / height, "hspace": ROW - 1}
    figure, axes = pyplot.subplots(
        len(classes), IMAGES, figsize=(IMAGES, height), squeeze=False, gridspec_kw=places | {"wspace": 0.05}
    )
    for index, name in enumerate(classes):
        rows = np.flatnonzero(dataset.labels == index)
        rows = rows[np.linspace(0, len(rows) - 1, min(IMAGES, len(rows))).astype(int)]
        for axis in axes[index]:
            axis.set_axis_off()
        for axis, row in zip(axes[index], rows, strict=False):
            axis.imshow(dataset.images[row])
        title = f"{name} ({int((dataset.labels == index).sum())})"
        axes[index, 0].set_title(title, fontsize=8, loc="left", parse_math=False)
    try:
        with replacing(path) as partial:
            figure.savefig(partial, dpi=150, format="png")
    except OSError as error:
        raise UserError(f"cannot write the contact sheet {path} ({error})") from error
    finally:
        pyplot.close(figure)
