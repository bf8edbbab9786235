"""Reads the names that networks have in `representations.csv`."""

import re
from dataclasses import dataclass

from tljax.report.analysis.conditions import recipe_of, without_seed

_TUNED = re.compile(r"(?P<init>.+?)-(?P<freeze>freezeTrue|freezeFalse|freeze|nofreeze)(?:-(?P<tag>.+))?")
_PAPERS = ("imagenet", "radimagenet", "random")


@dataclass(frozen=True)
class ComparedNetwork:
    """A network whose representations were compared: an initialisation, before or after fine-tuning."""

    init: str
    tuned: bool
    freeze: bool = False


@dataclass(frozen=True)
class NetworkPair:
    """Two compared networks; where one of them is fine-tuned and the other is not, the fine-tuned one is first."""

    first: ComparedNetwork
    second: ComparedNetwork

    @property
    def before_and_after(self) -> bool:
        """Whether they are one initialisation after and before fine-tuning."""
        return self.first.tuned and not self.second.tuned and self.first.init == self.second.init

    @property
    def same_stage(self) -> bool:
        """Whether both are fine-tuned, or neither."""
        return self.first.tuned == self.second.tuned

    @property
    def freeze(self) -> bool:
        """Whether either was fine-tuned with its backbone frozen first."""
        return self.first.freeze or self.second.freeze


def read_name(name: str, task: str) -> tuple[ComparedNetwork, str]:
    """Returns the network and its tag from `imagenet`, `imagenet-nofreeze-paper`, `breast-ImageNet-freezeFalse`, ..."""
    bare = re.sub(r"/fold\d+$", "", name).removeprefix(f"{task}/")
    if bare.endswith(("-freezeTrue", "-freezeFalse")):
        bare = bare.removeprefix(f"{task}-")
    if found := _TUNED.fullmatch(bare):
        frozen = found["freeze"] in ("freeze", "freezeTrue")
        return ComparedNetwork(found["init"].lower(), True, frozen), found["tag"] or ""
    return ComparedNetwork(bare.lower() if bare.lower() in _PAPERS else bare, False), ""


def preprocessing_and_recipe(tag: str) -> tuple[str, str]:
    """Returns what a tag alone says other than the seed: `paper-mine-seed1` as ("paper", "mine").

    If a study has one preprocessing, the tag does not name it. It is then taken for native.
    """
    preprocessing = "paper" if "paper" in without_seed(tag) else "native"
    return preprocessing, recipe_of(tag, preprocessing)
