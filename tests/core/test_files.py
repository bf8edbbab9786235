"""Files are complete or absent, and a lock is held by one process at a time."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tljax.core import files, locks

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import sys, time
from pathlib import Path
from tljax.core import locks

with locks.exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_file_whose_writing_fails_is_left_as_it_was(tmp_path):
    path = tmp_path / "new folder" / "table.csv"
    files.write_csv(path, ("a", "b"), [(1, 'x, "y"\n')])
    before = path.read_bytes()
    assert before == b'a,b\n1,"x, ""y""\n"\n'

    def rows():
        yield 2, "z"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        files.write_csv(path, ("a", "b"), rows())
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


def test_arrays_are_written_under_exactly_this_name(tmp_path):
    """NumPy itself would add `.npz` to a name."""
    for compressed in (False, True):
        files.write_arrays(tmp_path / "features.tmp", {"layer:block1": np.arange(3)}, compressed=compressed)
        assert [path.name for path in tmp_path.iterdir()] == ["features.tmp"]
        with np.load(tmp_path / "features.tmp") as stored:
            assert stored["layer:block1"].tolist() == [0, 1, 2]


def test_a_held_lock_names_its_holder_and_is_free_afterwards(tmp_path):
    path = tmp_path / ".lock"
    refused = pytest.raises(locks.Held, match=f"process {os.getpid()} on ")
    with locks.exclusive(path), refused, locks.exclusive(path):
        pass
    with locks.exclusive(path):
        pass


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    path = tmp_path / ".lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(locks.Held, match=f"process {holder.pid} on "), locks.exclusive(path):
            pass
        holder.kill()
        holder.wait()
    with locks.exclusive(path):
        pass
