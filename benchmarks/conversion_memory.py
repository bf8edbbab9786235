"""Measures the time and the peak of memory of converting weights files.

    python -m benchmarks.conversion_memory FILE...

Each file is converted without and with --verify, each time by a separate command, into a temporary folder.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOOL = Path(__file__).resolve().parents[1] / "tools" / "convert_weights.py"
MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, KiB on Linux


def main() -> None:
    print("| file | MB | seconds, CPU seconds | peak GB | with --verify | |", "|---|---|---|---|---|---|", sep="\n")
    for path in map(Path, sys.argv[1:]):
        cells = [cell for options in ([], ["--verify"]) for cell in _measured(path, options)]
        print(f"| {path.name} | {path.stat().st_size / 1e6:.0f} | {' | '.join(cells)} |", flush=True)


def _measured(path: Path, options: list[str]) -> tuple[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(TOOL), str(path), "--out", str(Path(folder) / "weights"), *options]
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        if status:
            sys.exit(f"{path}: the conversion failed")
    cpu = used.ru_utime + used.ru_stime
    return f"{time.perf_counter() - start:.0f}, {cpu:.0f}", f"{used.ru_maxrss * MAXRSS_BYTES / 1e9:.2f}"


if __name__ == "__main__":
    main()
