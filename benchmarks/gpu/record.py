"""Writes what the steps measure: a sentence in `gpu.md`, and its values in `gpu.json`."""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from tljax.core.files import write_text


class Record:
    """The findings of one step. Each is on disk as soon as it is known."""

    def __init__(self, out: Path, step: str):
        self._out, self._step = out, step
        out.mkdir(parents=True, exist_ok=True)
        self._append(f"\n## {step}\n\n")

    def say(self, text: str, **figures: Any) -> None:
        """Writes one finding: a sentence for a reader, and its values by name."""
        self._append(f"* {text}\n")
        path = self._out / "gpu.json"
        known = json.loads(path.read_text()) if path.exists() else []
        known.append({"step": self._step, "text": text, "time": time.strftime("%H:%M:%S"), **figures})
        write_text(path, json.dumps(known, indent=1, default=str) + "\n")
        print(text, flush=True)

    def _append(self, text: str) -> None:
        with open(self._out / "gpu.md", "a", encoding="utf-8") as file:
            file.write(text)


def arguments(about: str | None) -> argparse.Namespace:
    """The options of every step: `out`, and `toy` for sizes that a CPU computes in seconds."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--out", type=Path, required=True, help="folder of gpu.md and gpu.json")
    parser.add_argument("--toy", action="store_true", help="tiny networks and images, to try the step on a CPU")
    return parser.parse_args()
