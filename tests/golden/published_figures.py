"""Writes tljax/report/published/published.csv from the authors' tables (github.com/DovileDo/revisiting-transfer, MIT).

    python tests/golden/published_figures.py RESULTS_FOLDER tljax/report/published/published.csv

Means and standard deviations over the five folds: AUC by task, initialisation and freezing; CCA by task, pair of models
and layer; prediction similarity of ImageNet and RadImageNet. Four decimals.
"""

import sys
from pathlib import Path

import pandas as pd

COLUMNS = ["figure", "task", "model1", "model2", "freeze", "layer", "mean", "sd", "folds"]
LAYERS = ["conv1", "block1", "block2", "block3", "block4"]


def summarise(results: Path) -> pd.DataFrame:
    """The table, rows in the order of figure, task, models, freezing and layer."""
    auc = pd.read_csv(results / "AUC.csv").rename(columns={"target": "task", "source": "model1", "AUC": "value"})
    cca = pd.concat(pd.read_csv(path) for path in sorted(results.glob("CCA_*.csv")))
    cca = cca.melt(["model1", "model2", "stimuli"], LAYERS, var_name="layer").rename(columns={"stimuli": "task"})
    agreement = pd.read_csv(results / "similarity.csv").rename(columns={"target": "task"})
    agreement["figure"] = agreement["prob"].map({"real": "agreement", "rand": "agreement_authors_independent"})
    table = pd.concat([auc.assign(figure="auc"), cca.assign(figure="cca"), agreement]).fillna("")
    table["freeze"] = table["freeze"].map({"freezeTrue": "freeze", "freezeFalse": "nofreeze", "": ""})
    table["layer"] = pd.Categorical(table["layer"], ["", *LAYERS])
    groups = table.groupby(COLUMNS[:6], observed=True)["value"]
    return groups.agg(mean="mean", sd="std", folds="count").round(4).reset_index()[COLUMNS]


if __name__ == "__main__":
    summarise(Path(sys.argv[1])).to_csv(sys.argv[2], index=False, lineterminator="\n")
