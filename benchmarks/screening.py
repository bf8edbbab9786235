"""Which rule finds a good pre-training? Evaluates every score and shortlist size, and chance, on published results.

    python -m benchmarks.screening [FOLDER]

FOLDER (default ../shared/reference/transferability) holds the tables of github.com/DovileDo/transferability-in-medical-
imaging (commit 7e308c4, MIT): fine-tuned test AUC of 15 sources (ResNet18) and of 9 architectures (ImageNet) on 11
MedMNIST targets, and the scores of eight methods for the same pairs. A target's own source is left out.

Regret at k: the best AUC of all candidates minus the best AUC of the k candidates that are ranked first. In brackets:
95 % intervals by a bootstrap over targets. There are only 11 targets, and the default rule was chosen after seeing
them.

The ceiling is a score that knows the AUCs apart from the sampling noise of their test images, like a second fine-tuning
that is tested on other images (Hanley & McNeil 1982; half of the noise is shared, because all are tested on the same
images). The noise of the training is not included. It is not known, because each AUC is of one run.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import kendalltau, weightedtau

from tljax.screen.rule import RANKED_BY, mean_ranks

SCORES = {"linear_probe": "lp", "nleep": "nleep", "leep": "leep", "logme": "logme", "sfda": "sfda", "parc": "parc",
          "ncti": "ncti", "feature uniqueness": "fu"}  # fmt: skip
SIZES = (1, 2, 3, 4, 5)
# MedMNIST: training images, test images, classes
MEDMNIST = {
    "bloodmnist": (11959, 3421, 8), "breastmnist": (546, 156, 2), "chestmnist": (78468, 22433, 2),
    "dermamnist": (7007, 2005, 7), "octmnist": (97477, 1000, 4), "organamnist": (34561, 17778, 11),
    "organcmnist": (12975, 8216, 11), "organsmnist": (13932, 8827, 11), "pathmnist": (89996, 7180, 9),
    "pneumoniamnist": (4708, 624, 2), "retinamnist": (1080, 400, 5), "tissuemnist": (165466, 47280, 8),
}  # fmt: skip
PRETRAINING = {name: images for name, (images, _, _) in MEDMNIST.items()} | {
    "imagenet": 1_281_167, "radimagenet": 1_350_000, "medmnist": 518_175,
}  # fmt: skip
# torchvision's cards: ImageNet top-1 accuracy in percent, multiply-adds in billions
ARCHITECTURES = {
    "densenet": (74.4, 2.83), "efficientnet": (84.2, 8.37), "googlenet": (69.8, 1.50), "mnasnet": (73.5, 0.31),
    "mobilenet": (67.7, 0.06), "vgg": (69.0, 7.61), "convnext": (82.5, 4.46), "shufflenet": (60.6, 0.04),
    "resnet": (69.8, 1.81),
}  # fmt: skip

Rule = Callable[[str, list[str]], np.ndarray]  # target, candidates -> values, higher for the better


def read(folder: Path, name: str, kind: str) -> pd.DataFrame:
    """Reads one of the tables: sources by targets."""
    return pd.read_csv(folder / f"{name}_{kind}.csv", index_col=1).drop(columns="Unnamed: 0")


def rules(folder: Path, kind: str) -> dict[str, Rule]:
    """Returns every rule by its name. Random rules draw again at each call."""
    tables = {name: read(folder, short, kind) for name, short in SCORES.items()}
    found: dict[str, Rule] = {
        name: lambda target, sources, table=table: table.loc[sources, target].to_numpy()
        for name, table in tables.items()
    }
    default = "probe, NLEEP, LogME" + (" (default)" if kind == "dataset" else "")
    found[default] = lambda target, sources: -mean_ranks([tables[name].loc[sources, target] for name in RANKED_BY])
    if kind == "dataset":
        found["pre-training size"] = lambda target, sources: np.array([PRETRAINING[name] for name in sources], float)
    else:
        found["ImageNet accuracy"] = lambda target, sources: np.array([ARCHITECTURES[name][0] for name in sources])
        found["multiply-adds (default)"] = lambda target, sources: np.array(
            [ARCHITECTURES[name][1] for name in sources]
        )
    rng = np.random.default_rng(0)
    found["chance"] = lambda target, sources: rng.random(len(sources))
    aucs = read(folder, "AUCs", kind)
    found["ceiling"] = lambda target, sources: noisy(_as_share(aucs.loc[sources, target].to_numpy()), target, rng)
    return found


def noisy(aucs: np.ndarray, target: str, rng: np.random.Generator) -> np.ndarray:
    """Returns AUCs with the sampling noise of a test set of the target's size."""
    _, images, classes = MEDMNIST[target]
    positives = images / classes
    first, second = aucs / (2 - aucs), 2 * aucs**2 / (1 + aucs)
    variance = aucs * (1 - aucs) + (positives - 1) * (first - aucs**2) + (images - positives - 1) * (second - aucs**2)
    error = np.sqrt(variance / (positives * (images - positives)) / (1 if classes == 2 else classes))
    return aucs + error * np.sqrt(0.5) * rng.normal(size=len(aucs))  # the shared half changes all AUCs equally


def _as_share(aucs: np.ndarray) -> np.ndarray:
    return aucs / 100 if np.nanmax(aucs) > 1 else aucs


def evaluate(rule: Rule, aucs: pd.DataFrame, targets: list[str], repeats: int) -> dict[str, np.ndarray]:
    """Returns taus and the regret at each size for each target, averaged over repeats."""
    found: dict[str, list] = {"tau": [], "weighted": [], **{f"regret{k}": [] for k in SIZES}}
    for target in targets:
        sources = [name for name in aucs.index if name != target and not np.isnan(aucs.loc[name, target])]
        truth = _as_share(aucs.loc[sources, target].to_numpy())
        rows = []
        for _ in range(repeats):
            values = rule(target, sources)
            values = np.where(np.isnan(values), np.nanmin(values) - 1, values)  # no value: ranked last
            order = np.argsort(-values, kind="stable")
            regrets = [truth.max() - truth[order[:k]].max() for k in SIZES]
            taus = [kendalltau(values, truth)[0], weightedtau(values, truth)[0]] if np.ptp(values) else [0, 0]
            rows.append([*taus, *regrets])
        for name, value in zip(found, np.mean(rows, axis=0), strict=True):
            found[name].append(value)
    return {name: np.array(values) for name, values in found.items()}


def interval(values: np.ndarray, rng: np.random.Generator) -> str:
    """Returns the mean over targets with its bootstrap interval, as text."""
    means = values[rng.integers(0, len(values), (2000, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    digits = 4 if np.abs(values).max() < 0.2 else 2
    return f"{values.mean():.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def main() -> None:
    """Prints both tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    usual = Path(__file__).resolve().parents[2] / "shared" / "reference" / "transferability"
    parser.add_argument("folder", type=Path, nargs="?", default=usual)
    folder = parser.parse_args().folder
    for kind, title in (("dataset", "Sources, one architecture"), ("model", "Architectures, one source")):
        aucs = read(folder, "AUCs", kind)
        targets = list(read(folder, "lp", kind).columns)
        print(f"\n{title}: {len(aucs)} candidates, {len(targets)} targets\n")
        columns = ["rule", "Kendall's tau", "weighted tau", "regret at 1", "worst", "regret at 3", "worst"]
        columns += [f"at {k}" for k in SIZES if k not in (1, 3)]
        print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
        for name, rule in rules(folder, kind).items():
            found = evaluate(rule, aucs, targets, 200 if name in ("chance", "ceiling") else 1)
            rng = np.random.default_rng(1)
            cells = [name, interval(found["tau"], rng), interval(found["weighted"], rng)]
            for k in (1, 3):
                cells += [interval(found[f"regret{k}"], rng), f"{found[f'regret{k}'].max():.4f}"]
            cells += [f"{found[f'regret{k}'].mean():.4f}" for k in SIZES if k not in (1, 3)]
            print("| " + " | ".join(cells) + " |", flush=True)
    print("\nNo score chooses between architectures; the size of the architecture orders them better than any.")


if __name__ == "__main__":
    main()
