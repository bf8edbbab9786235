"""Finds out how much memory is free for a comparison."""

from pathlib import Path

import jax

MEMINFO = Path("/proc/meminfo")
LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container or a job


def free_bytes() -> int | None:
    """Returns the free bytes of the first device, or of the machine if it has no memory of its own; None if unknown."""
    stats = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in stats:
        return stats["bytes_limit"] - stats.get("bytes_in_use", 0)
    known = [amount for amount in (_available(), _limit()) if amount is not None]
    return min(known, default=None)


def _available() -> int | None:
    try:
        lines = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):  # not Linux
        return None


def _limit() -> int | None:
    try:
        return int(LIMIT.read_text())
    except (OSError, ValueError):  # no cgroup, or "max"
        return None
