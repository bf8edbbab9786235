"""Finds the example configs, which the wheel contains, and copies them for a user to edit."""

import shutil
from pathlib import Path

import tljax
from tljax.core.errors import UserError

_PACKAGE = Path(tljax.__file__).parent
FOLDERS = (_PACKAGE / "configs", _PACKAGE.parent / "configs")  # in a wheel, in a clone


def names() -> list[str]:
    """Returns the names of the example configs."""
    return sorted(path.stem for path in _folder().glob("*.py"))


def find(given: str) -> Path:
    """Returns the config file at a path, or the example of that name. Raises UserError if there is neither."""
    path = Path(given).expanduser()
    if path.is_file():
        return path
    if given in names():
        return _folder() / f"{given}.py"
    raise UserError(f"there is no config file {given}, and no example of that name; examples are {', '.join(names())}")


def copy(name: str, folder: Path) -> Path:
    """Copies an example into a folder, and returns the new file.

    Raises UserError for an unknown name, and if the file exists.
    """
    if name not in names():
        raise UserError(f"there is no example config {name!r}; known are {', '.join(names())}")
    target = folder / f"{name}.py"
    if target.exists():
        raise UserError(f"{target} exists; move it away, or edit it and run: tljax study --config {target}")
    return Path(shutil.copyfile(_folder() / f"{name}.py", target))


def _folder() -> Path:
    return next((folder for folder in FOLDERS if folder.is_dir()), FOLDERS[0])
