"""What `representations.csv` holds of a task, by protocol, measure and condition, and by pair of networks."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tljax.report.gather import Study
from tljax.report.models import Model, pooled, read_model
from tljax.report.names import listed
from tljax.report.task import Task

Rows = list[dict[str, str]]
Pair = tuple[Model, Model]


@dataclass(frozen=True)
class Comparisons:
    """The similarities of a task by one protocol and one measure, of networks trained under one condition."""

    task: str
    protocol: str
    measure: str
    condition: str
    """Recipe and preprocessing, as in run folders; empty for native and no recipe, or where the study has one."""
    rows: Rows
    """Those without a flag."""
    flagged: Rows
    others: frozenset[str]
    """The other conditions of the task."""

    @property
    def measure_name(self) -> str:
        """For an axis."""
        return {"cca": "mean CCA"}.get(self.measure, self.measure.replace("_cka", " CKA").replace("_", " "))

    @property
    def told(self) -> str:
        """The condition for a reader; empty where the task has no other."""
        kinds = [_taken_apart(condition) for condition in (self.condition, *self.others)]
        preprocessing, recipe = kinds[0]
        parts = [f"{preprocessing} preprocessing"] * (len({kind for kind, _ in kinds}) > 1)
        return ", ".join([*parts, recipe] if recipe else parts)

    @property
    def like_published(self) -> bool:
        """Whether it is the paper's condition, or as near to it as the study comes."""
        kinds = {_taken_apart(condition)[0] for condition in (self.condition, *self.others)}
        preprocessing, recipe = _taken_apart(self.condition)
        return self.protocol == "paper" and not recipe and (preprocessing == "paper" or "paper" not in kinds)

    @property
    def note(self) -> str:
        """What figures leave out, and why; empty where nothing."""
        left_out = sorted({f"{row.get('layer1')} ({row['flag']})" for row in self.flagged})
        return f" Left out: {listed(left_out)}." if left_out else ""

    def pairs(self, diagonal: bool = False) -> dict[Pair, Rows]:
        """Rows by the two models compared, the untuned one second; `diagonal`: of each layer with its like only."""
        pairs: dict[Pair, Rows] = defaultdict(list)
        for row in self.rows:
            first, second = (self.model(row.get(side, "")) for side in ("model1", "model2"))
            if not diagonal or row.get("layer1") == row.get("layer2"):
                pairs[(second, first) if second.tuned and not first.tuned else (first, second)].append(row)
        return dict(pairs)

    def model(self, name: str) -> Model:
        """A model without its tag, which the condition repeats."""
        return replace(read_model(name, self.task), tag="")


def _taken_apart(condition: str) -> tuple[str, str]:
    """Preprocessing and recipe."""
    parts = condition.split("-")
    return "paper" if "paper" in parts else "native", "-".join(part for part in parts if part not in ("paper", ""))


def comparisons(study: Study, task: str) -> list[Comparisons]:
    """All of a task, the paper's protocol and CCA first."""
    found: dict[tuple[str, str, str], tuple[Rows, Rows]] = defaultdict(lambda: ([], []))
    for row in study.tables.get("representations", []):
        if row.get("task") == task:
            key = row.get("protocol", ""), row.get("measure", ""), _condition(row, task)
            found[key][bool(row.get("flag"))].append(row)
    conditions = {condition for _, _, condition in found}
    ordered = sorted(found.items(), key=lambda item: (item[0][0] != "paper", item[0][1] != "cca", item[0]))
    return [Comparisons(task, *key, *of_key, others=frozenset(conditions - {key[2]})) for key, of_key in ordered]


def _condition(row: Mapping[str, str], task: str) -> str:
    """Its column, or in tables that have none the tag of a tuned network."""
    tags = [read_model(row.get(side, ""), task).tag for side in ("model1", "model2")]
    return pooled(row["condition"] if "condition" in row else next(filter(None, tags), ""))


def main(study: Study, task: Task) -> Comparisons | None:
    """Those of the condition of the task's verdict, by the first protocol and measure; None where there are none."""
    known = comparisons(study, task.name)
    parts = [task.condition.tag, "paper" * (task.condition.preprocessing == "paper")]
    of_verdict = [found for found in known if found.condition == "-".join(filter(None, parts)) or not found.others]
    return next(iter(of_verdict), None)


def figure_of(row: Mapping[str, str], key: str) -> float:
    """A cell as a number; NaN where it is none."""
    try:
        return float(row.get(key) or "nan")
    except ValueError:
        return float("nan")


def by_fold(rows: Sequence[Mapping[str, str]]) -> dict[str, float]:
    """The value of each fold, averaged over seeds."""
    values: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        values[row.get("fold", "").removeprefix("fold")].append(figure_of(row, "value"))
    return {fold: float(np.mean(of_fold)) for fold, of_fold in values.items()}
