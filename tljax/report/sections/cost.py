"""What the runs cost."""

from collections.abc import Sequence

import numpy as np

from tljax.report.analysis.study import Study, Task
from tljax.report.analysis.tasks import ArmResult
from tljax.report.drawing.gallery import Gallery
from tljax.report.elements import Section, Table, section
from tljax.report.wording.names import NONE, condition_name, init_name

ORDER = 110


def make(study: Study, gallery: Gallery) -> Section:
    """Returns the section."""
    return section("cost", "What did the runs cost?", [cost_table(study)])


def cost_table(study: Study) -> Table:
    """Returns time, speed and memory by initialisation and condition."""
    columns = (
        "task", "start from", "condition", "device", "epochs", "seconds per run", "images per second",
        "device memory, GiB",
    )  # fmt: skip
    caption = "Medians over runs. Images per second leave out the first epoch of each run, which includes compilation."
    rows = [_row(task, arm) for task in study.tasks for arm in task.arms]
    return Table("cost", caption, columns, rows, words=4)


def _row(task: Task, arm: ArmResult) -> list[str]:
    devices = sorted({str(trial.run.facts.get("devices", NONE)) for trial in arm.trials})
    rates = [rate for trial in arm.trials for rate in trial.epochs.curves["images_per_second"][1:]]
    memory = [size / 2**30 for trial in arm.trials for size in trial.epochs.curves["device_memory_bytes"]]
    return [
        task.name, init_name(arm.init), condition_name(arm.condition), ", ".join(devices),
        _median([float(len(trial.epochs.phases)) for trial in arm.trials], "{:.0f}"),
        _median([trial.seconds for trial in arm.trials], "{:.0f}"), _median(rates, "{:.0f}"), _median(memory, "{:.2f}"),
    ]  # fmt: skip


def _median(values: Sequence[float], pattern: str) -> str:
    known = [value for value in values if np.isfinite(value)]
    return pattern.format(np.median(known)) if known else NONE
