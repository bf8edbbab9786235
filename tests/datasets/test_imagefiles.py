"""Finds image files that a user names one by one."""

import os
from pathlib import Path

import pytest
from archives import write_images

from tljax.core.errors import UserError
from tljax.datasets.imagefiles import find_images


def test_files_are_taken_as_they_are_and_folders_are_searched(tmp_path):
    write_images(tmp_path / name for name in ("b.png", "a/1.png", "a/inner/0.png"))
    (tmp_path / "a" / "notes.txt").touch()
    found = find_images([tmp_path / "b.png", tmp_path / "a"])
    assert found == [tmp_path / name for name in ("b.png", "a/1.png", "a/inner/0.png")]


def test_a_file_whose_name_no_table_could_hold_is_refused(tmp_path):
    path = tmp_path / os.fsdecode(b"k\xe4tzchen.png")
    try:
        path.touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(UserError, match="has a name that is not UTF-8"):
        find_images([path])


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path):
    path: Path = tmp_path / "pipe.png"
    os.mkfifo(path)
    with pytest.raises(UserError, match=r"pipe.png is neither a file nor a folder"):
        find_images([path])
