"""What is drawn of single networks: filters before and after fine-tuning, and where they look."""

from pathlib import Path

from tljax.core import runs
from tljax.core.devices import use_compilation_cache
from tljax.datasets.folds import load
from tljax.study.cell import Cell
from tljax.study.comparing import State, network_of

FOLDER = "explain"


def paths(cell: Cell) -> tuple[Path, Path]:
    """The files of filters and of Grad-CAM."""
    folder = cell.config.workdir / FOLDER / cell.config.dataset
    return folder / f"filters-{cell.variant}.npz", folder / f"gradcam-{cell.variant}.npz"


def is_done(cell: Cell) -> bool:
    """Whether both were made since the run finished."""
    if not cell.finished or not all(path.exists() for path in paths(cell)):
        return False
    finished = (cell.folder / runs.RESULT).stat().st_mtime
    return all(path.stat().st_mtime >= finished for path in paths(cell))


def explain(cell: Cell) -> None:
    """Writes the arrays that the report draws."""
    from tljax.compare import saliency

    use_compilation_cache(cell.config.cache_dir)
    before = network_of(State(cell.label, cell.label, None, cell))
    after = network_of(State(cell.variant, cell.label, cell.config.freeze, cell))
    data, _ = load(cell.config)
    test = runs.read_run(cell.folder).predictions.of_split("test")
    filters, gradcam = paths(cell)
    saliency.save(filters, saliency.filters(before, after))
    saliency.save(gradcam, saliency.saliency(after, data, test))
