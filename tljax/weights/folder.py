"""Reads and writes weights folders: `card.json` and `state/`, the tensors by name. A folder is always complete."""

import errno
import glob
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tljax.core.checkpoint import load_tensors, save_tensors
from tljax.core.errors import UserError
from tljax.weights.card import WeightsCard

CARD, STATE = "card.json", "state"


def save(folder: Path, tensors: Mapping[str, np.ndarray], card: WeightsCard, *, overwrite: bool = False) -> None:
    """Writes a weights folder under a temporary name and renames it at the end, so `folder` is never half-written.

    Raises UserError if `folder` exists and `overwrite` is false, or if a tensor holds NaN or infinity. Raises OSError
    or an error of orbax if the disk cannot be written.
    """
    folder = Path(folder)
    if folder.exists() and not overwrite:
        raise UserError(f"{folder} exists already; remove it or name another folder")
    _refuse_non_finite(tensors, str(folder))
    partial = folder.with_name(f".{folder.name}.{platform.node()}.{os.getpid()}.partial")
    _clear_abandoned(partial, folder)
    partial.mkdir(parents=True)
    try:
        if shutil.disk_usage(partial).free < sum(tensor.nbytes for tensor in tensors.values()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))  # the message of orbax is very long
        save_tensors(partial / STATE, tensors)
        (partial / CARD).write_text(card.to_json())
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _clear_abandoned(partial: Path, folder: Path) -> None:
    """Removes what killed processes of this machine left next to `folder`; those of other machines may still run."""
    for left in folder.parent.glob(glob.escape(f".{folder.name}.{platform.node()}.") + "*.partial"):
        process = left.name.split(".")[-2]
        if left == partial or not (process.isdigit() and _is_alive(int(process))):
            shutil.rmtree(left, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        pass
    return True


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Raises UserError if the disk is full or `place` cannot be written."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # orbax, tensorstore, torch and safetensors each raise errors of their own types
        reason = getattr(error, "strerror", None) or _first_line(error)
        raise UserError(f"cannot write {place} ({reason}); free some space or name another place") from error


def is_whole(folder: Path) -> bool:
    """Returns whether `folder` is a complete weights folder. `load` also checks the content."""
    return (folder / CARD).is_file() and (folder / STATE).is_dir()


def load(folder: Path) -> tuple[dict[str, np.ndarray], WeightsCard]:
    """Returns the tensors by flat name, and the card. Raises UserError if `folder` is not a complete weights folder."""
    folder = Path(folder)
    if not is_whole(folder):
        raise UserError(
            f"{folder} is not a weights folder (card.json and state/); "
            "convert a weights file with: tljax weights convert FILE --out FOLDER"
        )
    card = read_card(folder)
    try:
        tensors = load_tensors(folder / STATE)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{folder / STATE} is damaged ({_first_line(error)}); convert the weights again") from error
    _refuse_non_finite(tensors, str(folder))
    return tensors, card


def read_card(folder: Path) -> WeightsCard:
    """Returns the card, without the tensors. Raises UserError if it is missing or not a card."""
    path = Path(folder) / CARD
    try:
        return WeightsCard.from_json(path.read_text())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not the card of a weights folder: {_first_line(error)}") from error


def _refuse_non_finite(tensors: Mapping[str, np.ndarray], where: str) -> None:
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise UserError(f"tensor '{name}' of {where} holds NaN or infinity; these weights are broken")


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0] or type(error).__name__
