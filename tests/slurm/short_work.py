"""Work of a second, in a module that a job imports in no time."""

import time
from pathlib import Path

from tljax.core.errors import Requeue


def work_a_second(folder: Path, number: int, is_stopped_once: bool) -> None:
    """Lasts a second, and ends once as a training that was told to stop: with its state saved."""
    if (folder / f"done-{number}").exists():
        return
    time.sleep(1)
    if is_stopped_once and not (folder / f"stopped-{number}").exists():
        (folder / f"stopped-{number}").touch()
        raise Requeue("told to stop")
    (folder / f"done-{number}").touch()
