"""PatchCamelyon, 100,000 patches drawn at random."""

from functools import partial

from tljax.datasets.tasks import _patches as patches

IMAGES = 100_000
CARD = patches.card("pcam-middle", IMAGES)
examples = partial(patches.draw, count=IMAGES)
