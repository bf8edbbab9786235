"""The figures that the paper published, to stand beside one's own.

Juodelyte, Jiménez-Sánchez & Cheplygina, "Revisiting Hidden Representations in Transfer Learning for Medical Imaging",
TMLR 2023, arXiv 2302.08272: means and standard deviations over five folds of the result tables in
github.com/DovileDo/revisiting-transfer. `tests/golden/published_figures.py` made `published.csv` from them.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from tljax.core.paper import LAYERS

SOURCE = "Juodelyte et al., TMLR 2023, arXiv:2302.08272"


@dataclass(frozen=True)
class Published:
    """A published mean and standard deviation over folds."""

    mean: float
    sd: float


@cache
def _table() -> dict[tuple[str, ...], Published]:
    text = files(__package__).joinpath("published.csv").read_text(encoding="utf-8")
    return {
        (
            row["figure"],
            row["task"],
            row["model1"].lower(),
            row["model2"].lower(),
            row["freeze"],
            row["layer"],
        ): Published(float(row["mean"]), float(row["sd"]))
        for row in csv.DictReader(text.splitlines())
    }


def auc(task: str, init: str, freeze: bool) -> Published | None:
    """The published test AUC, where the paper has it."""
    return _table().get(("auc", task, init, "", "freeze" if freeze else "nofreeze", ""))


def prediction_similarity(task: str, freeze: bool) -> tuple[Published, Published] | None:
    """Published agreement of ImageNet and RadImageNet (on validation folds), and the authors' independence baseline."""
    key = (task, "imagenet", "radimagenet", "freeze" if freeze else "nofreeze", "")
    observed = _table().get(("agreement", *key))
    return (observed, _table()["agreement_authors_independent", *key]) if observed else None


def cca(task: str, model1: str, model2: str) -> dict[str, Published]:
    """Published CCA by layer of a pair in either order, models named as the authors do; empty where there is none."""
    for first, second in ((model1.lower(), model2.lower()), (model2.lower(), model1.lower())):
        found = {layer: _table().get(("cca", task, first, second, "", layer)) for layer in LAYERS}
        if all(found.values()):
            return found
    return {}
