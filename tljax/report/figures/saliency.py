"""Where a network looks: Grad-CAM over the test images it is most sure of, right and wrong."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from tljax.report.figures import INK, Figure, Gallery
from tljax.report.models import read_model

EACH = 3  # images a class, right and wrong
SIDE, GAP, TEXT = 128, 10, 38  # pixels


def grad_cam(gallery: Gallery, task: str, variant: str, arrays: Mapping[str, np.ndarray]) -> Figure | None:
    """Two rows a class: its most confident right images, then its most confident wrong ones, and their maps below.

    `arrays` holds `images` (n h w 3), `maps` (n h w, 0..1), `labels`, `predicted`, `probability` (n) and `classes` (k).
    """
    labels, predicted, probability = (arrays[key] for key in ("labels", "predicted", "probability"))
    classes = [str(name) for name in arrays["classes"]]
    rows = []
    for c in range(len(classes)):
        sides = [np.flatnonzero((labels == c) & right) for right in (predicted == labels, predicted != labels)]
        rows.append([side[np.argsort(-probability[side], kind="stable")][:EACH] for side in sides])
    rows = [(c, sides) for c, sides in enumerate(rows) if any(map(len, sides))]
    if not rows:
        return None
    widest = [max(len(sides[side]) for _, sides in rows) for side in (0, 1)]
    canvas = _Canvas(rows=len(rows), columns=sum(widest))
    for row, (c, sides) in enumerate(rows):
        for word, start, side in zip(("right", "wrong"), (0, widest[0]), sides, strict=True):
            for column, image in enumerate(side, start=start):
                told = f"{classes[c]}\n{word}: {classes[predicted[image]]} {probability[image]:.2f}"
                canvas.put(row, column, told, arrays["images"][image], arrays["maps"][image])
    model = read_model(variant, task)
    caption = (
        f"Grad-CAM of {model} on {task}: for each true class the test images classified most confidently, right ones "
        "first, then wrong ones, with the true class, the predicted one and its probability. Bright: what raised the "
        f"predicted class, on a grid of {' × '.join(map(str, arrays['maps'].shape[1:]))} cells. A saliency map shows "
        "where a network looked, not why."
    )
    pixels = canvas.pixels
    name, title = f"{task}-gradcam-{variant}", f"Grad-CAM: {task}, {model}"
    return gallery.keep_pixels(pixels, name, title, caption, least=round(0.85 * pixels.shape[1]))


class _Canvas:
    """Images in rows, each with two lines of text above and its map below."""

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
        """The line, cut short where it would run into the next image."""
        if self._font.getlength(line) <= SIDE:
            return line
        while line and self._font.getlength(line + "…") > SIDE:
            line = line[:-1]
        return line + "…"

    @property
    def pixels(self) -> UInt8[np.ndarray, "h w 3"]:
        """What was drawn."""
        return np.asarray(self._picture)
