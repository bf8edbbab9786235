"""Reads checkpoints that consist of several files, as transformers saves large ones: shards and an index."""

import json
import re
from collections.abc import Callable
from pathlib import Path

from tljax.core.errors import UserError
from tljax.weights.names import some

INDEX_BYTES = 1 << 26  # a larger file is not an index


def shards_of(path: Path) -> list[Path] | None:
    """Returns the files that an index names, in order; None if the file is not an index of shards.

    Raises UserError if a shard is not next to the index.
    """
    if path.stat().st_size > INDEX_BYTES:
        return None
    try:
        held = json.loads(path.read_bytes())["weight_map"]
        names = sorted({str(name) for name in held.values()})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    outside = [name for name in names if Path(name).name != name]
    missing = [name for name in names if not (path.parent / name).is_file()]
    if outside or missing or not names:
        what = f"{some(outside or missing)}, which must be next to it" if names else "no files"
        raise UserError(f"{path} is the index of a checkpoint in several files and names {what}")
    return [path.parent / name for name in names]


def read_shards(paths: list[Path], read: Callable[[Path], dict]) -> dict:
    """Returns the tensors of all shards together. Raises UserError for a tensor that is in two shards."""
    tensors = {}
    for path in paths:
        found = read(path)["tensors"]
        if twice := tensors.keys() & found.keys():
            raise UserError(f"{path} holds {some(sorted(twice))}, which another shard also holds")
        tensors |= found
    return {"tensors": tensors, "remarks": (f"read from {len(paths)} shards",)}


def lesson_for_one(path: Path) -> str | None:
    """Returns what to do with a file whose name is that of one shard of several; None for other names."""
    found = re.search(r"^(.*)-(\d{5})-of-(\d{5})(\.\w+)$", path.name)
    if found is None or int(found[3]) < 2:
        return None
    index = f"{found[1]}{found[4]}.index.json"
    return f"it is shard {int(found[2])} of {int(found[3])}: name {index}, which is next to the shards"
