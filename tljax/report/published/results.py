"""The results that the paper published, as means and standard deviations over five folds.

Juodelyte, Jiménez-Sánchez & Cheplygina, "Revisiting Hidden Representations in Transfer Learning for Medical Imaging",
TMLR 2023, arXiv 2302.08272; computed from the result tables in github.com/DovileDo/revisiting-transfer by
`tests/golden/published_figures.py`, which made `published.csv`.

The published AUCs and prediction similarities are of all images held out in a fold, validation and test images
together. The validation images chose the epoch that was kept. Compare them with our figures over the same images.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from tljax.core.paper import LAYERS
from tljax.report.analysis.networks import ComparedNetwork, NetworkPair
from tljax.report.analysis.tasks import ArmResult
from tljax.report.wording.names import init_name

SOURCE = "Juodelyte et al., TMLR 2023, arXiv:2302.08272"
BACKBONE = "resnet50"


@dataclass(frozen=True)
class Published:
    """A published mean and standard deviation over folds."""

    mean: float
    sd: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.sd:.3f}"


@cache
def _table() -> dict[tuple[str, ...], Published]:
    text = files("tljax.report.published").joinpath("published.csv").read_text(encoding="utf-8")
    found = {}
    for row in csv.DictReader(text.splitlines()):
        models = (row["model1"].lower(), row["model2"].lower())
        key = (row["figure"], row["task"], *models, row["freeze"], row["layer"])
        found[key] = Published(float(row["mean"]), float(row["sd"]))
    return found


def comparable(arm: ArmResult) -> bool:
    """Returns whether the published results are of the same architecture (ResNet50) with all layers trained."""
    return arm.backbones <= {BACKBONE} and arm.condition.train == "all"


def auc_of(task: str, arm: ArmResult) -> Published | None:
    """Returns the published AUC to set next to that of an arm; None if there is none, or if it is not comparable."""
    return auc(task, arm.init, arm.condition.freeze) if comparable(arm) else None


def auc(task: str, init: str, freeze: bool) -> Published | None:
    """Returns the published AUC over validation and test images together; None if the paper has none."""
    return _table().get(("auc", task, init, "", "freeze" if freeze else "nofreeze", ""))


def prediction_similarity(task: str, freeze: bool) -> tuple[Published, Published] | None:
    """Returns the published similarity of ImageNet and RadImageNet, and the independence baseline of the authors."""
    key = (task, "imagenet", "radimagenet", "freeze" if freeze else "nofreeze", "")
    observed = _table().get(("agreement", *key))
    return (observed, _table()["agreement_authors_independent", *key]) if observed else None


def cca(task: str, model1: str, model2: str) -> dict[str, Published]:
    """Returns the published CCA by layer of two networks in either order; their names are the authors'."""
    for first, second in ((model1.lower(), model2.lower()), (model2.lower(), model1.lower())):
        layers = {layer: _table().get(("cca", task, first, second, "", layer)) for layer in LAYERS}
        found = {layer: figure for layer, figure in layers.items() if figure}
        if len(found) == len(LAYERS):
            return found
    return {}


def cca_of(task: str, pair: NetworkPair) -> dict[str, Published]:
    """Returns the published CCA by layer of two compared networks; empty if there is none."""
    return cca(task, published_name(pair.first, task), published_name(pair.second, task))


def published_name(network: ComparedNetwork, task: str) -> str:
    """Returns the name of a network in the authors' tables: `breast-ImageNet-freezeFalse`, `random`."""
    name = init_name(network.init.partition(":")[0])
    return f"{task}-{name}-freeze{network.freeze}" if network.tuned else name
