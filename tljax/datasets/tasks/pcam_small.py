"""PatchCamelyon, 10,000 patches drawn at random."""

from functools import partial

from tljax.datasets.tasks import _patches as patches

IMAGES = 10_000
CARD = patches.card("pcam-small", IMAGES)
examples = partial(patches.draw, count=IMAGES)
