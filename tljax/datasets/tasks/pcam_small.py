"""PatchCamelyon, 10,000 patches drawn at random."""

from functools import partial

from tljax.datasets.tasks import _patches as patches

CARD = patches.card("pcam-small", 10_000)
examples = partial(patches.draw, count=CARD.images)
