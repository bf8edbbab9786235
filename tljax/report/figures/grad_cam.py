"""Grad-CAM maps of the test images that a network classifies most confidently, right and wrong."""

from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from tljax.report.analysis.explanations import Explanation
from tljax.report.drawing.gallery import Gallery
from tljax.report.drawing.style import INK
from tljax.report.elements import Drawing
from tljax.report.wording.names import network_name

EACH = 3  # images of a class, right and wrong
SIDE, GAP, TEXT = 128, 10, 38  # pixels


def draw(gallery: Gallery, found: Explanation) -> Drawing | None:
    """Draws one row per class: the most confident right images, then the most confident wrong ones, with their maps."""
    arrays = found.arrays()
    labels, predicted, probability = (arrays[key] for key in ("labels", "predicted", "probability"))
    classes = [str(name) for name in arrays["classes"]]
    rows = []
    for c in range(len(classes)):
        sides = [np.flatnonzero((labels == c) & right) for right in (predicted == labels, predicted != labels)]
        chosen = [side[np.argsort(-probability[side], kind="stable")][:EACH] for side in sides]
        if any(map(len, chosen)):
            rows.append((c, chosen))
    if not rows:
        return None
    widest = [max(len(sides[side]) for _, sides in rows) for side in (0, 1)]
    canvas = _Canvas(rows=len(rows), columns=sum(widest))
    for row, (c, sides) in enumerate(rows):
        for word, start, side in zip(("right", "wrong"), (0, widest[0]), sides, strict=True):
            for column, image in enumerate(side, start=start):
                text = f"{classes[c]}\n{word}: {classes[predicted[image]]} {probability[image]:.2f}"
                canvas.put(row, column, text, arrays["images"][image], arrays["maps"][image])
    name = network_name(found.network)
    caption = (
        f"Grad-CAM of {name} on {found.task}: the test images of each class that were classified most confidently, "
        "first right, then wrong. Above each image: its class, the predicted class and the predicted probability. "
        "Bright: what raised the score of the predicted class, on a grid of "
        f"{' × '.join(map(str, arrays['maps'].shape[1:]))} cells. A saliency map shows where a network looks, not why."
    )
    pixels = canvas.pixels
    return gallery.keep_pixels(
        pixels, f"{found.task}-gradcam-{found.variant}", f"Grad-CAM: {found.task}, {name}", caption,
        least=round(0.85 * pixels.shape[1]),
    )  # fmt: skip


class _Canvas:
    """Images in rows, each with two lines of text above it and its map below it."""

    def __init__(self, rows: int, columns: int):
        import matplotlib
        from PIL import Image, ImageDraw, ImageFont

        self._step = TEXT + 2 * SIDE + 2 * GAP
        self._picture = Image.new("RGB", (columns * (SIDE + GAP) - GAP, rows * self._step - GAP), "white")
        self._draw = ImageDraw.Draw(self._picture)
        self._font = ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", 11)
        self._colours = matplotlib.colormaps["inferno"]

    def put(
        self, row: int, column: int, text: str, image: UInt8[np.ndarray, "h w 3"], heat: Float[np.ndarray, "y x"]
    ) -> None:
        """Draws one image."""
        from PIL import Image

        x, y = column * (SIDE + GAP), row * self._step
        for number, line in enumerate(text.splitlines()):
            self._draw.text((x, y + 16 * number), self._fitted(line), fill=INK, font=self._font)
        shown = Image.fromarray(image).resize((SIDE, SIDE))
        small = Image.fromarray(np.round(255 * np.clip(heat, 0, 1)).astype(np.uint8))
        heat = np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BILINEAR)) / 255
        coloured = Image.fromarray(self._colours(heat, bytes=True)[..., :3])
        self._picture.paste(shown, (x, y + TEXT))
        overlaid = Image.blend(shown.convert("L").convert("RGB"), coloured, 0.5)
        self._picture.paste(overlaid, (x, y + TEXT + SIDE + GAP // 2))

    def _fitted(self, line: str) -> str:
        """Returns the line, shortened so that it does not reach the next image."""
        if self._font.getlength(line) <= SIDE:
            return line
        while line and self._font.getlength(line + "…") > SIDE:
            line = line[:-1]
        return line + "…"

    @property
    def pixels(self) -> UInt8[np.ndarray, "h w 3"]:
        """What was drawn."""
        return np.asarray(self._picture)
