"""Runs that would repeat another bit for bit: `native` and `paper` input are one for weights that knew the paper's."""

import dataclasses
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from tljax import weights
from tljax.core import runs
from tljax.core.errors import UserError
from tljax.core.files import write_text
from tljax.models.normalisation import NORMALISATIONS
from tljax.study.cell import Cell
from tljax.weights import networks


def twins(cells: Sequence[Cell]) -> dict[Path, Cell]:
    """By run folder: the earlier run of the grid that differs in nothing but how the input is normalised."""
    first: dict[tuple, Cell] = {}
    found = {}
    for cell in cells:
        key = (cell.label, dataclasses.replace(cell.config, preprocessing="native", tag=""))
        other = first.setdefault(key, cell)
        if other.config.preprocessing != cell.config.preprocessing:
            found[cell.folder] = other
    return found


def sees_the_same(cell: Cell) -> bool:
    """Whether the native input of its initialisation is the paper's; False as well where that is not yet known."""
    if networks.is_random(cell.config.init):
        return True
    try:
        card = weights.read_card(networks.locate(cell.config.init, cell.config.weights_dir))
    except UserError:
        return False
    return card.normalisation == NORMALISATIONS["caffe"]


def copy(cell: Cell, twin: Cell) -> bool:
    """Makes a run that is not begun a finished copy of its twin, which its config names; False where it cannot be."""
    whole = twin.finished and (twin.folder / runs.CHECKPOINT).is_dir()
    if cell.folder.exists() or not whole or not sees_the_same(cell):
        return False
    partial = cell.folder.with_name(f".{cell.folder.name}.{os.getpid()}.partial")
    try:
        shutil.copytree(twin.folder, partial, ignore=shutil.ignore_patterns(runs.LOCK, runs.TENSORBOARD, "profile"))
        facts = runs.read_json(partial / runs.CONFIG)
        own = {"preprocessing": cell.config.preprocessing, "tag": cell.config.tag}
        facts |= {part: facts[part] | own for part in ("must_match", "config")}
        facts["copy_of"] = str(twin.folder.relative_to(twin.config.workdir))
        write_text(partial / runs.CONFIG, json.dumps(facts, indent=1) + "\n")
        partial.rename(cell.folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return True
