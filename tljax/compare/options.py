"""The options of a comparison, and their checks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tljax.core.errors import UserError, require_known
from tljax.similarity import measures as known_measures
from tljax.similarity import named


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a comparison computes, and how; `tljax.compare.compare` explains each field."""

    protocol: Literal["paper", "full"]
    measures: tuple[str, ...]
    layers: Literal["named", "all"]
    pool: Literal["none", "gap"]
    patients: Sequence[str] | None
    batch_size: int
    seed: int
    progress: bool

    def __post_init__(self) -> None:
        """Raises `UserError` if an option is unknown or out of range, or if options contradict each other."""
        require_known("protocol", self.protocol, ("paper", "full"))
        require_known("layers", self.layers, ("named", "all"))
        require_known("pool", self.pool, ("none", "gap"))
        if not self.measures:
            raise UserError(f"name at least one measure of {', '.join(known_measures())}")
        named(self.measures)
        if self.protocol == "paper" and (self.layers == "all" or self.pool == "gap"):
            raise UserError("the paper's protocol uses positions of the named layers: leave out --layers and --pool")
        if self.layers == "all" and self.pool == "none":
            raise UserError("layers of different sizes can only be compared when pooled: add --pool gap")
        if self.batch_size < 1:
            raise UserError(f"--batch-size {self.batch_size}: a batch has at least one image")
        if self.seed < 0:
            raise UserError(f"--seed {self.seed}: it must be a whole number of at least 0")

    def groups(self, images: int) -> Sequence[str]:
        """Returns the group of each image: its patient, or the image itself if patients are unknown."""
        return self.patients or [str(row) for row in range(images)]
