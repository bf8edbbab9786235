"""Work that lasts one second, in a module that a job imports quickly."""

import time
from pathlib import Path

from tljax.core.errors import Requeue


def work_a_second(folder: Path, number: int, is_stopped_once: bool) -> None:
    """Lasts one second; if `is_stopped_once`, it ends once like a training that was told to stop."""
    if (folder / f"done-{number}").exists():
        return
    time.sleep(1)
    if is_stopped_once and not (folder / f"stopped-{number}").exists():
        (folder / f"stopped-{number}").touch()
        raise Requeue("told to stop")
    (folder / f"done-{number}").touch()
