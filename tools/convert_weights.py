"""Converts a weights file made elsewhere: `python tools/convert_weights.py SOURCE --out DIR`, and `--help`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this clone's tljax, installed or not

from tljax.core.errors import run_command
from tljax.weights.convert_command import main

if __name__ == "__main__":
    run_command(main)
