"""The names of models in `representations.csv`, taken apart."""

import re
from dataclasses import dataclass

from tljax.core.runs import SEED_TAG
from tljax.report.names import init_name

_TUNED = re.compile(r"(?P<init>.+?)-(?P<freeze>freezeTrue|freezeFalse|freeze|nofreeze)(?:-(?P<tag>.+))?")


def pooled(tag: str) -> str:
    """The condition that a tag names, but for what is pooled or goes without saying: `paper-seed1` as `paper`."""
    return "-".join(part for part in tag.split("-") if part and part != "native" and not SEED_TAG.fullmatch(part))


@dataclass(frozen=True)
class Model:
    """A network as compared: an initialisation, before or after fine-tuning."""

    init: str
    tuned: bool
    freeze: bool = False
    tag: str = ""

    def __str__(self) -> str:
        if not self.tuned:
            return init_name(self.init)
        details = ", ".join(["frozen first"] * self.freeze + [self.tag] * bool(self.tag))
        return f"{init_name(self.init)} tuned" + (f" ({details})" if details else "")

    @property
    def published_name(self) -> str:
        """As the authors' tables write it, less the task that they put before a tuned model."""
        name = init_name(self.init.partition(":")[0])
        return f"{name}-freeze{self.freeze}" if self.tuned else name


def read_model(name: str, task: str) -> Model:
    """`imagenet`, `imagenet-nofreeze`, `breast-ImageNet-freezeFalse`, `breast/imagenet-freeze/fold1`: as a `Model`."""
    bare = re.sub(r"/fold\d+$", "", name).removeprefix(f"{task}/")
    if bare.endswith(("-freezeTrue", "-freezeFalse")):
        bare = bare.removeprefix(f"{task}-")
    if found := _TUNED.fullmatch(bare):
        frozen = found["freeze"] in ("freeze", "freezeTrue")
        return Model(found["init"].lower(), True, frozen, pooled(found["tag"] or ""))
    return Model(bare.lower() if bare.lower() in ("imagenet", "radimagenet", "random") else bare, False)
