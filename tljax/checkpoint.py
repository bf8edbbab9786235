"""Orbax behind one thin wrapper."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np


def _checkpointer():
    import orbax.checkpoint as ocp

    return ocp.Checkpointer(ocp.PyTreeCheckpointHandler())


def save_tensors(folder: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Writes a flat dict of arrays, to the bit; `folder` must not exist yet and appears whole or not at all."""
    with _checkpointer() as checkpointer:
        checkpointer.save(folder.resolve(), dict(tensors))


def load_tensors(folder: Path) -> dict[str, np.ndarray]:
    """What `save_tensors` wrote; raises OSError, ValueError or KeyError (whatever orbax meets) where it is damaged."""
    with _checkpointer() as checkpointer:
        return checkpointer.restore(folder.resolve())
