"""Finds the filters and saliency maps that a study saved under `explain/<task>/`."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tljax.report.analysis.networks import ComparedNetwork, read_name
from tljax.report.analysis.notes import Note, Unreadable

_KEYS = {
    "filters": {"before", "after"},
    "gradcam": {"images", "maps", "files", "labels", "predicted", "probability", "classes"},
}


@dataclass(frozen=True)
class Explanation:
    """One file `<kind>-<variant>.npz`. Its arrays are read only when they are drawn, to save memory."""

    kind: str
    task: str
    variant: str
    path: Path

    @property
    def network(self) -> ComparedNetwork:
        """The network of which the arrays are."""
        return read_name(self.variant, self.task)[0]

    def arrays(self) -> dict[str, np.ndarray]:
        """Reads the arrays, by name."""
        with np.load(self.path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}


def find_explanations(workdir: Path, tasks: Sequence[str]) -> tuple[tuple[Explanation, ...], list[Note]]:
    """Returns every readable file, in the order of `tasks` and by name, and a note for each that cannot be read."""
    found, notes = [], []
    for path in sorted(Path(workdir).glob("explain/*/*.npz")):
        kind, _, variant = path.stem.partition("-")
        if kind not in _KEYS:
            continue
        if problem := _problem(path, _KEYS[kind]):
            notes.append(Unreadable(problem))
        else:
            found.append(Explanation(kind, path.parent.name, variant, path))
    place = {name: number for number, name in enumerate(tasks)}
    return tuple(sorted(found, key=lambda each: place.get(each.task, len(tasks)))), notes


def _problem(path: Path, keys: set[str]) -> str:
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = keys - set(archive.files)
            for key in keys - missing:
                _ = archive[key]
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        return f"{path} cannot be read ({error})."
    return f"{path} lacks {', '.join(sorted(missing))}." if missing else ""
