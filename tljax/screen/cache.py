"""Keeps features on disk, one file per layer. A file is complete or absent, and its checksum is tested on reading.

A pass over many images is saved in blocks until it is complete, so that an interrupted pass continues where it stopped.
"""

import json
import shutil
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import numpy as np
from jaxtyping import Float

from tljax.core.errors import UserError
from tljax.core.files import write_arrays, write_text

Arrays = dict[str, Float[np.ndarray, "_n _c"]]  # by name: `features`, `layer:<name>`
DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


class FeatureFolder:
    """The folder of the features that one network computes from one list of images."""

    def __init__(self, path: Path):
        self.path = path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lets only one process at a time compute these features; the others wait and then read them."""
        with explained(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(self.path / ".lock"):
            yield

    def read(self, names: Iterable[str], rows: int) -> Arrays:
        """Returns the arrays that exist, of `rows` images each. Warns of a damaged file, and removes it."""
        return {name: array for name in names if (array := self._read(self._file(name), name, rows)) is not None}

    def write(self, arrays: Mapping[str, Float[np.ndarray, "_n _c"]], facts: Mapping[str, Any]) -> None:
        """Writes finished arrays and facts about them, and removes the blocks from which they were made."""
        with explained(self.path):
            write_text(self.path / "facts.json", json.dumps(facts, indent=1) + "\n")  # first: arrays are never without
            for name, array in arrays.items():
                write_arrays(self._file(name), {name: array})
        shutil.rmtree(self.path / "blocks", ignore_errors=True)

    def facts(self) -> dict[str, Any]:
        """Returns the facts that `write` wrote last; empty if there are none."""
        try:
            return json.loads((self.path / "facts.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}

    def read_block(self, start: int, names: Iterable[str], rows: int) -> Arrays | None:
        """Returns the block that begins at image `start`; None if it is absent or lacks one of the names."""
        file = self._block(start)
        found = {name: self._read(file, name, rows, absent_is_damage=False) for name in names}
        known = {name: array for name, array in found.items() if array is not None}
        return known if len(known) == len(found) else None

    def write_block(self, start: int, arrays: Mapping[str, Float[np.ndarray, "_n _c"]]) -> None:
        """Writes one block of a pass that is not complete yet."""
        with explained(self.path):
            write_arrays(self._block(start), arrays)

    def _file(self, name: str) -> Path:
        return self.path / f"{name.replace(':', '-')}.npz"

    def _block(self, start: int) -> Path:
        return self.path / "blocks" / f"{start:08d}.npz"

    @staticmethod
    def _read(file: Path, name: str, rows: int, *, absent_is_damage: bool = True) -> np.ndarray | None:
        if not file.is_file():
            return None
        try:
            with open(file, "rb") as stream, np.load(stream) as stored:
                if name not in stored and not absent_is_damage:
                    return None
                array = stored[name]  # this also tests the checksum
            if array.dtype != np.float32 or array.ndim != 2 or len(array) != rows:
                raise ValueError(f"it holds {array.dtype} of shape {array.shape}")
            return array
        except DAMAGE as error:
            warnings.warn(f"the saved features {file} are damaged ({error}); they are computed again", stacklevel=2)
            file.unlink(missing_ok=True)
            return None


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Raises UserError that says what to do if features cannot be written."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot write features to {folder} ({error.strerror or error}); free some space or name another folder "
            "with --cache-dir, and run the same command again: finished parts are kept"
        ) from error
