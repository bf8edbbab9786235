"""Finds out how much memory is free for a comparison."""

from pathlib import Path

import jax
import psutil

LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container or a job


def free_bytes() -> int:
    """Returns the free bytes of the first device, or of the machine if the device has no memory of its own."""
    stats = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    available, limit = psutil.virtual_memory().available, _limit()
    return available if limit is None else min(available, limit)


def _limit() -> int | None:
    """Returns the limit of the control group in bytes; None if there is none."""
    try:
        return int(LIMIT.read_text())
    except (OSError, ValueError):  # no control group, or "max"
        return None
