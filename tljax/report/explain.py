"""The arrays under `explain/<task>/` that the study left to be drawn."""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_KEYS = {
    "filters": {"before", "after"},
    "gradcam": {"images", "maps", "files", "labels", "predicted", "probability", "classes"},
}


@dataclass(frozen=True)
class Explanation:
    """The arrays of one `<kind>-<variant>.npz`."""

    kind: str
    task: str
    variant: str
    arrays: dict[str, np.ndarray]


def find_explanations(workdir: Path, remarks: list[str]) -> Iterator[Explanation]:
    """Every readable file, by task and name; those that cannot be read go into `remarks`."""
    for path in sorted(Path(workdir).glob("explain/*/*.npz")):
        kind, _, variant = path.stem.partition("-")
        if kind not in _KEYS:
            continue
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = {key: archive[key] for key in archive.files}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            remarks.append(f"{path} cannot be read ({error}).")
            continue
        if missing := _KEYS[kind] - arrays.keys():
            remarks.append(f"{path} lacks {', '.join(sorted(missing))}.")
            continue
        yield Explanation(kind, path.parent.name, variant, arrays)
