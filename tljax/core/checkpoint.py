"""Saves and restores arrays with orbax."""

import hashlib
import logging
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tljax.core.errors import UserError

REFUSALS = (OSError, ValueError, RuntimeError)  # errors of orbax and tensorstore if a disk is full or missing
LAYOUT = "layout"  # key in the saved facts: a hash of the names, shapes and types of the arrays
FILE_BYTES = 8192  # disk space of a tensor in addition to its own bytes
_ADVICE = "the last complete checkpoint is kept: free some space and run the same command again"


@contextmanager
def _refused(folder: Path) -> Iterator[None]:
    """Raises UserError if the disk cannot be written. Silences the log, where orbax repeats such an error."""
    log = logging.getLogger("absl")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    except jax.errors.JaxRuntimeError:
        raise  # a device or another process failed, not the disk
    except REFUSALS as error:
        several = ", unless another process of the run has ended" if jax.process_count() > 1 else ""
        raise UserError(f"could not write {folder} ({error}); {_ADVICE}{several}") from error
    finally:
        log.setLevel(level)


def _refuse_full_disk(folder: Path, arrays: Any) -> None:
    """Raises UserError if there is no room for a save. Otherwise each thread of orbax would report the error."""
    wanted = sum(leaf.nbytes + FILE_BYTES for leaf in jax.tree.leaves(arrays))
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise UserError(
            f"no room to write {folder}: it needs {wanted / 1e3:,.0f} kB and {free / 1e3:,.0f} kB are free; {_ADVICE}"
        )


def _checkpointer():
    """Returns a checkpointer that does not wait for other processes."""
    import orbax.checkpoint as ocp

    me = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(
        primary_host=me, active_processes={me}, barrier_sync_key_prefix=f"process{me}"
    )
    return ocp.Checkpointer(ocp.PyTreeCheckpointHandler(multiprocessing_options=alone), multiprocessing_options=alone)


def save_tensors(folder: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Writes arrays by name to a new folder, which is never half-written. The values are kept exactly.

    Raises UserError if the disk cannot be written.
    """
    _refuse_full_disk(folder.parent, tensors)
    with _refused(folder), _checkpointer() as checkpointer:
        checkpointer.save(folder.resolve(), dict(tensors))


def load_tensors(folder: Path) -> dict[str, np.ndarray]:
    """Reads what `save_tensors` wrote. Raises OSError, ValueError or KeyError (those of orbax) if it is damaged."""
    with _checkpointer() as checkpointer:
        return checkpointer.restore(folder.resolve())


class ResumePoint:
    """The state of an unfinished training, saved in the background. If the process is killed, the last save is kept.

    seconds: shortest time between two saves, so that saving costs little time if epochs are short.
    """

    def __init__(self, folder: Path, seconds: float = 0.0):
        import orbax.checkpoint as ocp

        self._seconds, self._saved = seconds, time.monotonic()
        self._ocp, self._folder, self._layout = ocp, folder, None
        options = ocp.CheckpointManagerOptions(max_to_keep=1, create=True, cleanup_tmp_directories=True)
        self._manager = ocp.CheckpointManager(folder.resolve(), options=options)

    def __enter__(self) -> "ResumePoint":
        return self

    def __exit__(self, kind: type | None, *_: Any) -> None:
        if kind is None:
            with _refused(self._folder):
                self._manager.close()  # waits for a save in flight
        elif jax.process_count() == 1:  # with several processes, a save could wait for one that has ended
            with suppress(UserError), _refused(self._folder):
                self._manager.close()

    def facts(self) -> dict[str, Any] | None:
        """Returns the JSON facts of the last complete save; None if there is none."""
        step = self._manager.latest_step()
        if step is None:
            return None
        items = self._ocp.args.Composite(facts=self._ocp.args.JsonRestore())
        found = dict(self._manager.restore(step, args=items)["facts"])
        self._layout = found.pop(LAYOUT, None)
        return found

    def arrays(self, like: Any) -> Any:
        """Returns the arrays of the last complete save, in the structure of `like` and on its devices.

        Raises UserError if they belong to another network or version.
        """
        if self._layout != _layout(like):
            raise UserError(
                f"{self._folder} holds the state of another network or version of tljax; "
                f"remove {self._folder.parent} to train it from the beginning"
            )
        items = self._ocp.args.Composite(arrays=self._ocp.args.StandardRestore(_numbered(like)))
        found = self._manager.restore(self._manager.latest_step(), args=items)["arrays"]
        return jax.tree.unflatten(jax.tree.structure(like), [found[key] for key in sorted(found)])

    def is_due(self) -> bool:
        """Returns whether it is time for the next save."""
        return time.monotonic() - self._saved >= self._seconds

    def save(self, step: int, arrays: Any, facts: Mapping[str, Any], *, wait: bool = False) -> None:
        """Saves a tree of arrays and JSON facts. Without `wait`, it does nothing while an earlier save is written.

        Raises UserError if the disk cannot be written.
        """
        if not wait and jax.process_count() == 1 and self._manager.is_saving_in_progress():
            return
        self._saved = time.monotonic()
        _refuse_full_disk(self._folder, arrays)
        facts = {**facts, LAYOUT: _layout(arrays)}
        arrays = jax.tree.map(jnp.copy, _numbered(arrays))  # the originals are donated to the next epoch
        items = self._ocp.args.Composite(
            arrays=self._ocp.args.StandardSave(arrays), facts=self._ocp.args.JsonSave(facts)
        )
        with _refused(self._folder):
            self._manager.save(step, args=items)
            if wait:
                self._manager.wait_until_finished()


def _layout(tree: Any) -> str:
    """Returns a hash of the names, shapes and types of a tree's leaves, as arrays are restored by number only."""
    named = [f"{jax.tree_util.keystr(path)} {x.shape} {x.dtype}" for path, x in jax.tree.leaves_with_path(tree)]
    return hashlib.sha256("\n".join(named).encode()).hexdigest()


def _numbered(tree: Any) -> dict[str, Any]:
    """Returns the leaves by number, so that orbax does not need to know the types of the tree."""
    return {f"{number:05d}": leaf for number, leaf in enumerate(jax.tree.leaves(tree))}
