"""The filters of the first layer before and after fine-tuning."""

import numpy as np
from jaxtyping import Float

from tljax.report.analysis.explanations import Explanation
from tljax.report.drawing.gallery import Gallery
from tljax.report.elements import Drawing
from tljax.report.wording.names import init_name, network_name

SHOWN = 64  # filters at most
ACROSS = 8
WIDTH = 384  # pixels of one half, about


def draw(gallery: Gallery, found: Explanation) -> Drawing:
    """Draws the filters before (left) and after fine-tuning (right), each scaled to its own range."""
    arrays = found.arrays()
    before, after = (np.asarray(arrays[key], dtype=float) for key in ("before", "after"))
    change = np.linalg.norm(after - before) / np.linalg.norm(before)
    left, right = (tiles(kernels[..., :SHOWN]) for kernels in (before, after))
    picture = np.concatenate([left, np.ones((left.shape[0], 24, 3)), right], axis=1)
    name, init, count = network_name(found.network), init_name(found.network.init), before.shape[-1]
    some = f"{SHOWN} of the {count} filters" if count > SHOWN else "The filters"
    caption = (
        f"{some} of the first layer of {init}, before (left) and after fine-tuning on {found.task} (right). Each "
        f"filter is scaled to its own range. Fine-tuning changed the filters by {100 * change:.1f} % of their norm."
    )
    pixels = np.round(255 * picture).astype(np.uint8)
    return gallery.keep_pixels(
        pixels, f"{found.task}-filters-{found.variant}", f"First layer: {found.task}, {name}", caption
    )


def tiles(kernels: Float[np.ndarray, "h w c n"], across: int = ACROSS, zoom: int | None = None) -> np.ndarray:
    """Returns the filters side by side as an RGB picture in 0..1; filters of other than 3 channels are grey."""
    if kernels.shape[2] != 3:
        kernels = kernels.mean(axis=2, keepdims=True).repeat(3, axis=2)
    low, high = kernels.min(axis=(0, 1, 2)), kernels.max(axis=(0, 1, 2))
    scaled = (kernels - low) / np.maximum(high - low, 1e-12)
    height, width, channels, count = scaled.shape
    down = -(-count // across)
    canvas = np.ones((down * (height + 1) - 1, across * (width + 1) - 1, channels))
    for number in range(count):
        y, x = number // across * (height + 1), number % across * (width + 1)
        canvas[y : y + height, x : x + width] = scaled[..., number]
    zoom = zoom or max(1, round(WIDTH / canvas.shape[1]))
    return canvas.repeat(zoom, axis=0).repeat(zoom, axis=1)
