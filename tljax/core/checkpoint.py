"""Orbax behind one thin wrapper."""

import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tljax.core.errors import UserError

REFUSALS = (OSError, ValueError, RuntimeError)  # what orbax and tensorstore raise where a disk is full or gone
FILE_BYTES = 8192  # of disk, that a tensor may take beside its own bytes
_MEND = "what was whole before is kept: make room and run the same command again"


@contextmanager
def _refused(folder: Path) -> Iterator[None]:
    """Raises UserError where the disk refuses. Orbax logs such an error before it raises it; once is enough."""
    log = logging.getLogger("absl")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    except jax.errors.JaxRuntimeError:
        raise  # of a device or of another process, not of the disk
    except REFUSALS as error:
        several = ", unless another process of the run is gone" if jax.process_count() > 1 else ""
        raise UserError(f"could not write {folder} ({error}); {_MEND}{several}") from error
    finally:
        log.setLevel(level)


def _refuse_full_disk(folder: Path, arrays: Any) -> None:
    """Raises UserError before orbax begins what it cannot end; its threads would each report the full disk."""
    wanted = sum(leaf.nbytes + FILE_BYTES for leaf in jax.tree.leaves(arrays))
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise UserError(
            f"no room to write {folder}: it takes {wanted / 1e3:,.0f} kB and {free / 1e3:,.0f} kB are free; {_MEND}"
        )


def _checkpointer():
    """One that waits for no other process: whoever calls it works alone."""
    import orbax.checkpoint as ocp

    me = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"process{me}"
    )
    return ocp.Checkpointer(ocp.PyTreeCheckpointHandler(multiprocessing_options=alone), multiprocessing_options=alone)


def save_tensors(folder: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Writes a flat dict of arrays, to the bit; `folder` must not exist yet and appears whole or not at all.

    Raises UserError where the disk refuses.
    """
    _refuse_full_disk(folder.parent, tensors)
    with _refused(folder), _checkpointer() as checkpointer:
        checkpointer.save(folder.resolve(), dict(tensors))


def load_tensors(folder: Path) -> dict[str, np.ndarray]:
    """What `save_tensors` wrote; raises OSError, ValueError or KeyError (whatever orbax meets) where it is damaged."""
    with _checkpointer() as checkpointer:
        return checkpointer.restore(folder.resolve())


class ResumePoint:
    """The state of an unfinished training, saved in the background; a kill at any moment leaves the last whole one."""

    def __init__(self, folder: Path):
        import orbax.checkpoint as ocp

        self._ocp, self._folder = ocp, folder
        options = ocp.CheckpointManagerOptions(max_to_keep=1, create=True, cleanup_tmp_directories=True)
        self._manager = ocp.CheckpointManager(folder.resolve(), options=options)

    def __enter__(self) -> "ResumePoint":
        return self

    def __exit__(self, kind: type | None, *_: Any) -> None:
        if kind is None:
            with _refused(self._folder):
                self._manager.close()  # waits for a save in flight
        elif jax.process_count() == 1:  # among several processes the others may be gone, and a save waits for them
            with suppress(UserError), _refused(self._folder):
                self._manager.close()

    def facts(self) -> dict[str, Any] | None:
        """The JSON facts of the last whole save; None where there is none."""
        step = self._manager.latest_step()
        if step is None:
            return None
        items = self._ocp.args.Composite(facts=self._ocp.args.JsonRestore())
        return self._manager.restore(step, args=items).facts

    def arrays(self, like: Any) -> Any:
        """The arrays of the last whole save, as a tree like `like` and on its devices."""
        items = self._ocp.args.Composite(arrays=self._ocp.args.StandardRestore(_numbered(like)))
        found = self._manager.restore(self._manager.latest_step(), args=items).arrays
        return jax.tree.unflatten(jax.tree.structure(like), [found[key] for key in sorted(found)])

    def save(self, step: int, arrays: Any, facts: Mapping[str, Any], *, wait: bool = False) -> None:
        """Saves a tree of arrays and JSON facts. While the disk is busy with the one before it does not, unless `wait`.

        Raises UserError where the disk refuses.
        """
        if not wait and jax.process_count() == 1 and self._manager.is_saving_in_progress():
            return
        _refuse_full_disk(self._folder, arrays)
        arrays = jax.tree.map(jnp.copy, _numbered(arrays))  # the originals are donated to the next epoch
        items = self._ocp.args.Composite(
            arrays=self._ocp.args.StandardSave(arrays), facts=self._ocp.args.JsonSave(dict(facts))
        )
        with _refused(self._folder):
            self._manager.save(step, args=items)
            if wait:
                self._manager.wait_until_finished()


def _numbered(tree: Any) -> dict[str, Any]:
    """Leaves by number: orbax then needs to know nothing of the tree's types."""
    return {f"{number:05d}": leaf for number, leaf in enumerate(jax.tree.leaves(tree))}
