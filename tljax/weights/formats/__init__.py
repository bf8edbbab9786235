"""The formats of weights files: each module here is one, and declares it in `FORMAT`."""

import importlib
import pkgutil
import re
from dataclasses import dataclass
from functools import cache

from tljax.weights.names import NameMap

COUNTERS = r"num_batches_tracked$|^n_averaged$"  # of BatchNorm and of averaged models
CONTRASTIVE = r"project(ion|or)|proj_head"  # the heads of contrastive training: no classes


@dataclass(frozen=True)
class Format:
    title: str
    names: NameMap
    biases: bool  # whether the convolutions carry biases; with the names, what a file is recognised by
    variant: str  # of our backbone
    normalisation: str  # a key of NORMALISATIONS
    rule: str  # what the tensors cannot tell, and what was therefore assumed: printed, and noted in the card
    licence: str = "not known: that of whoever made the file"
    aside: tuple[str, ...] = ()  # patterns of tensors that belonged to the training, not to the network
    own_head: str | None = None  # pattern of the layers that a user puts in the head's place
    bare: bool = False  # only files that hold the backbone and nothing else but `own_head`
    saved_model: bool | None = None  # only whole Keras models in HDF5 (True)
    epsilon: float | None = None  # of the original's BatchNorm, where it is not the variant's

    def is_own_head(self, name: str) -> bool:
        return self.own_head is not None and re.search(self.own_head, name) is not None


@cache
def formats() -> dict[str, Format]:
    """Format name (its module's, with '-' for '_') -> format."""
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    return {name.replace("_", "-"): importlib.import_module(f"{__name__}.{name}").FORMAT for name in names}
