"""The stage that explains single networks: the first filters before and after fine-tuning, and Grad-CAM maps."""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

from tljax.core import runs
from tljax.core.devices import use_compilation_cache
from tljax.core.files import write_arrays
from tljax.datasets.folds import load
from tljax.study.plan import Plan
from tljax.study.planned import PlannedRun
from tljax.study.stages.compare import after_tuning, before_tuning, network_of
from tljax.study.work import WorkItem

ORDER = 60

FOLDER = "explain"


def work(plan: Plan, earlier: Sequence[WorkItem]) -> Iterator[WorkItem]:
    """Yields one item for each run of the first fold whose arrays are missing."""
    training = {item.folder: item.name for item in earlier if item.folder}
    for group in plan.groups:
        if group[0].config.fold != plan.config.folds[0]:
            continue
        for run in group:
            if not is_done(run):
                needs = frozenset([training[run.folder]] if run.folder in training else [])
                yield WorkItem(f"explain {run}", functools.partial(explain, run), needs=needs, place=run.place)


def paths(run: PlannedRun) -> tuple[Path, Path]:
    """Returns the file of filters and the file of Grad-CAM maps."""
    folder = run.config.workdir / FOLDER / run.config.dataset
    return folder / f"filters-{run.variant}.npz", folder / f"gradcam-{run.variant}.npz"


def is_done(run: PlannedRun) -> bool:
    """Returns whether both files were written after the run finished."""
    if not run.finished or not all(path.exists() for path in paths(run)):
        return False
    finished = (run.folder / runs.RESULT).stat().st_mtime
    return all(path.stat().st_mtime >= finished for path in paths(run))


def explain(run: PlannedRun) -> None:
    """Writes the filters and Grad-CAM maps of a run, which the report draws."""
    from tljax.compare import saliency

    use_compilation_cache(run.config.cache_dir)
    before, after = network_of(before_tuning(run)), network_of(after_tuning(run))
    data, _ = load(run.config)
    test = runs.read_run(run.folder).predictions.of_split("test")
    filters, gradcam = paths(run)
    write_arrays(filters, saliency.filters(before, after), compressed=True)
    write_arrays(gradcam, saliency.saliency(after, data, test), compressed=True)


def write_tables(plan: Plan) -> None:
    """Writes nothing: this stage has no tables."""
