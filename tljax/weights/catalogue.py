"""Lists the published checkpoints that tljax knows by name, and finds their converted folders."""

import csv
import importlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from tljax.core.cache import weights_home
from tljax.core.errors import UserError, did_you_mean
from tljax.weights.folder import is_whole
from tljax.weights.formats import formats

RADIMAGENET = "the form that https://github.com/BMEII-AI/RadImageNet links to"


@dataclass(frozen=True)
class Checkpoint:
    """One row of `checkpoints.csv`. Facts without a source are named in `unconfirmed`."""

    name: str
    backbone: str  # for a reader: 'ViT-S/14'
    architecture: str  # a name of `tljax.models.names()`, if tljax has it
    pretraining: str  # the data
    pretraining_images: int | None
    image_size: int  # in pixels, of the pre-training
    normalisation: str  # a key of NORMALISATIONS if the format implies another one; else ""
    licence: str
    gate: str  # "": free to download; "huggingface": accept the terms there; "form": ask the authors
    urls: tuple[str, ...]  # mirrors, the first one first
    hash: str  # "md5:...", "sha256:...", "sha256-starts:..." as the publisher states it, or ""
    unconfirmed: tuple[str, ...]  # columns that no source confirms
    citation: str

    @property
    def supported(self) -> bool:
        """Whether tljax has the backbone, and a format that reads its files."""
        families = {form.family for form in formats().values()}
        known = (importlib.import_module(f"tljax.models.{family}") for family in families)
        return any(self.architecture in family.ARCHITECTURES for family in known)

    @property
    def where(self) -> str:
        """Where a person can download the file."""
        return " or ".join(self.urls) or RADIMAGENET


@cache
def checkpoints() -> dict[str, Checkpoint]:
    """Returns every known checkpoint by name, in the order of the table."""
    text = resources.files("tljax.weights").joinpath("checkpoints.csv").read_text(encoding="utf-8")
    return {row["name"]: _read(row) for row in csv.DictReader(text.splitlines())}


def _read(row: dict[str, str]) -> Checkpoint:
    images = row["pretraining_images"]
    values: dict[str, Any] = row | {name: tuple(row[name].split()) for name in ("urls", "unconfirmed")}
    values |= {"image_size": int(row["image_size"]), "pretraining_images": int(images) if images else None}
    return Checkpoint(**values)


def checkpoint(name: str) -> Checkpoint:
    """Returns the checkpoint of a name. Raises UserError for an unknown name."""
    known = checkpoints()
    if name not in known:
        same = [each.name for each in known.values() if name.lower() == each.architecture]
        hint = f"; those of this architecture are {', '.join(same)}." if same else did_you_mean(name, known)
        raise UserError(f"there is no checkpoint {name!r}{hint or '.'} `tljax weights list` shows all {len(known)}")
    return known[name]


def is_known(name: str) -> bool:
    """Returns whether the table has a checkpoint of this name."""
    return name in checkpoints()


def present(weights_dir: Path | None = None) -> list[str]:
    """Returns the known checkpoints whose converted folder exists."""
    return [name for name in checkpoints() if is_whole(weights_home(weights_dir) / name)]


def find(name: str, weights_dir: Path | None = None) -> Path:
    """Returns the converted folder of a known checkpoint. Raises UserError with the command that downloads it."""
    known, folder = checkpoint(name), weights_home(weights_dir) / name
    if is_whole(folder):
        return folder
    option = f" --weights-dir {weights_dir}" if weights_dir else ""
    if known.gate == "form":
        raise UserError(
            f"there are no {name} weights at {folder}. Ask for the file with {known.where}, then run: "
            f"tljax weights get {name} --from FILE{option}"
        )
    raise UserError(f"there are no {name} weights at {folder}; get them with: tljax weights get {name}{option}")
