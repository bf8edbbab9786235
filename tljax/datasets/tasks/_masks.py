"""Refuses masks among the images, because a mask in the folder of a class is not an image of that class."""

import re
from collections.abc import Sequence
from pathlib import Path

from tljax.core.errors import UserError

DRAWN = r"(?:mask|seg|segmentation|annotation|label|gt|ground[ _-]?truth)s?"
MASK = re.compile(rf"{DRAWN}[ _-](?P<after>.+)|(?P<before>.+?)[ _-]{DRAWN}(?:[ _-]?\d+)?", re.IGNORECASE)
MASKS = re.compile(DRAWN.replace("seg|", ""), re.IGNORECASE)  # seg is a class of blood cells, too


def refuse_masks(archive: Path, images: Sequence[Path], table: str) -> None:
    """Raises `UserError` if the name or the folder of a file says that it is the mask of another file.

    table: the name of the table in which a user can list files as images in spite of their names.
    """
    apart = {path for path in images if any(map(_holds_masks, _folders(path, archive)))}
    image_of = {path.stem: path for path in images if path not in apart}
    stems = ((path, path.stem if path in apart else _masked(path.stem)) for path in images)
    if found := [(path, stem) for path, stem in stems if stem in image_of]:
        mask, stem = found[0]
        raise UserError(
            f"{len(found)} files of {archive} are masks, such as {mask} of {image_of[stem].name}. Move them elsewhere, "
            f"because they would count as images of their class (the task breast leaves out the masks of BUSI). If "
            f"they are not masks, list all images in a {table}"
        )


def _folders(path: Path, archive: Path) -> list[Path]:
    """Returns the folders below `archive` that contain `path`."""
    return [archive / folder for folder in path.relative_to(archive).parents[:-1]]


def _holds_masks(folder: Path) -> bool:
    """Returns whether a folder is called `masks`, or `cat_masks` next to `cat`."""
    name = _masked(folder.name)
    return bool(MASKS.fullmatch(folder.name)) or (name is not None and (folder.parent / name).is_dir())


def _masked(name: str) -> str | None:
    """Returns the image to which a mask of that name belongs."""
    found = MASK.fullmatch(name)
    return found and (found["after"] or found["before"])
