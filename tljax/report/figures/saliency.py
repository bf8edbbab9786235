"""Where a network looks: Grad-CAM over the test images it is most sure of, right and wrong."""

from collections.abc import Mapping

import numpy as np

from tljax.report.figures import Figure, Gallery, new
from tljax.report.models import read_model

EACH = 3  # images a class, right and wrong


def grad_cam(gallery: Gallery, task: str, variant: str, arrays: Mapping[str, np.ndarray]) -> Figure | None:
    """A row a class: its most confident right images, then its most confident wrong ones, each with its map over it.

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
    columns = sum(widest)
    figure, panels = new(
        1.12 * columns + 0.3, 2.35 * len(rows) + 0.2, rows=2 * len(rows), columns=columns, squeeze=False
    )
    for axes in panels.flat:
        axes.set_axis_off()
    for row, (c, sides) in enumerate(rows):
        for side, start, word in ((0, 0, "right"), (1, widest[0], "wrong")):
            for column, image in enumerate(sides[side], start=start):
                plain, overlaid = panels[2 * row, column], panels[2 * row + 1, column]
                plain.imshow(arrays["images"][image])
                overlaid.imshow(arrays["images"][image].mean(axis=-1), cmap="gray", vmin=0, vmax=255)
                height, width = arrays["images"][image].shape[:2]
                overlaid.imshow(
                    arrays["maps"][image], cmap="inferno", alpha=0.5, vmin=0, vmax=1, interpolation="bilinear",
                    extent=(-0.5, width - 0.5, height - 0.5, -0.5),
                )  # fmt: skip
                shown = classes[predicted[image]]
                plain.set_title(
                    f"{classes[c]}\n{word}: {shown} {probability[image]:.2f}", fontsize=6, fontweight="normal"
                )
    model = read_model(variant, task)
    caption = (
        f"Grad-CAM of {model} on {task}: for each true class the test images classified most confidently, right ones "
        "first, then wrong ones, with the true class, the predicted one and its probability. Bright: what raised the "
        "predicted class. A saliency map shows where a network looked, not why."
    )
    return gallery.keep(figure, f"{task}-gradcam-{variant}", f"Grad-CAM: {model}", caption, photographs=True)
