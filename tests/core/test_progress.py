"""Text is printed unchanged, and characters that the terminal lacks are escaped."""

import os
import subprocess
import sys
from pathlib import Path

CODE = """
from rich.table import Table
from tljax.core.errors import run_command
from tljax.core.progress import output

def main():
    output.print("[b] :warning: \\N{SNOWMAN} " + "x" * 300)
    table = Table("class")
    table.add_row(":skull: [red]")
    output.print(table, soft_wrap=False)

run_command(main)
"""


def test_names_are_printed_unchanged_or_escaped():
    env = os.environ | {"PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=env, cwd=Path(__file__).parents[2], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    first, *others = done.stdout.splitlines()
    assert first == r"[b] :warning: \u2603 " + "x" * 300
    assert any(":skull: [red]" in line for line in others)
