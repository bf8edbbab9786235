"""Names that count as the same or as unknown: in tables, in folders, in fold lists."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from archives import write_csv, write_images

from tljax import datasets
from tljax.core.errors import UserError
from tljax.datasets.dataset import Dataset
from tljax.datasets.foldlists import read_parts
from tljax.datasets.naming import comparable, first_clash, several_in_one
from tljax.datasets.tasks import folder as task

ROOT = Path(__file__).resolve().parents[2]

SAME = [
    ("1", "1.0"), ("1", "01"), ("7", "７"), ("0.5", ".50"), ("benign", "benign\u200b"), ("benign", "\ufeffbenign"),
    ("benign", "be\u00adnign"), ("benign", " Benign\u00a0"), ("two words", "two  words"), ("Käse", "Ka\u0308se"),
    ("straße", "STRASSE"),
    ("pre-op", "pre‑op"), ("a–b", "a-b"), ("cat", "c\u0430t"), ("Crohn’s", "Crohn's"),
    ("ﬁbroma", "fibroma"), ("\u202abenign\u202c", "benign"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_names_that_look_the_same_are_the_same_name(one, other):
    assert comparable(one) == comparable(other) and set(first_clash([one, "third", other])) == {one, other}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "10"), ("1.2", "1.2.0"), ("p1", "p01"), ("cat", "cats"), ("0", "O"),
        ("0e123456", "0e654321"), ("1e2", "100"), ("1e1234567", "2e1234567"),  # hashes, not numbers
        ("123456789012345678901234567890", "123456789012345678901234567891"),
    ],
)  # fmt: skip
def test_other_names_are_different(one, other):
    assert comparable(one) != comparable(other) and first_clash([one, other]) is None


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (("Edema|Effusion", "Normal"), "Edema|Effusion"),
        (("Edema;Effusion", "Edema"), "Edema;Effusion"),
        (("ER+", "ER-"), None),
        (("cat/dog", "bird"), None),
    ],
)
def test_a_label_that_looks_like_several_is_found(labels, found):
    assert several_in_one(labels) == found


def table(root, rows, header=("file", "label")):
    write_images(root / f"{number}.png" for number in range(len(rows)))
    write_csv(root / "labels.csv", header, [(f"{number}.png", *row) for number, row in enumerate(rows)])
    return list(task.examples(root))


@pytest.mark.parametrize("label", ["nan", "NaN", "NA", "n/a", "null", "-", "?", "N/A\u200b", "#N/A", "<NA>"])
def test_a_label_that_means_unknown_is_not_a_class(tmp_path, label):
    with pytest.raises(UserError, match=r"labels.csv, line 3: 1.png has the label .*, which means unknown"):
        table(tmp_path, [("cat",), (label,), ("dog",)])


def test_a_folder_whose_name_means_unknown_is_not_a_class(tmp_path):
    write_images(tmp_path / label / "0.png" for label in ("cat", "NA"))
    with pytest.raises(UserError, match="the class name 'NA' means unknown"):
        list(task.examples(tmp_path))


@pytest.mark.parametrize(
    ("one", "other", "how"),
    [
        ("1", "1.0", "how a number is written"),
        ("benign", "benign\u200b", "spaces, in invisible characters"),
        ("benign", "Benign", "case"),
    ],
)
def test_labels_and_patients_that_differ_only_in_spelling_are_refused(tmp_path, one, other, how):
    with pytest.raises(UserError, match=f"the classes .* differ in {how}.* only; give them one name") as error:
        table(tmp_path / "labels", [(one,), (other,), ("else",)])
    assert ascii(one)[1:-1] in str(error.value) and ascii(other)[1:-1] in str(error.value)
    rows = [("cat", one), ("dog", other), ("cat", "else")]
    with pytest.raises(UserError, match=f"the patients .* differ in {how}.* only; write each patient in one way"):
        table(tmp_path / "patients", rows, ("file", "label", "patient"))


def test_outer_spaces_make_no_difference(tmp_path):
    assert [example.label for example in table(tmp_path, [("cat ",), (" cat",), ("dog",)])] == ["cat", "cat", "dog"]


def test_a_label_that_looks_like_several_is_warned_of(tmp_path, capsys):
    table(tmp_path, [("Edema",), ("Edema|Effusion",)])
    assert "WARNING: the class Edema|Effusion looks like several labels of one image" in capsys.readouterr().err


# --- fold lists -------------------------------------------------------------------------------------------------------


def named(classes: tuple[str, ...]) -> Dataset:
    return Dataset(
        card=datasets.card("phantom").__class__(**vars(datasets.card("phantom")) | {"classes": classes}),
        images=np.zeros((3, 1, 1, 3), np.uint8),
        labels=np.array([0, 1, 0], np.int32),
        files=("a.png", "b.png", "ü.png"),
        patients=None,
        splits=None,
        fingerprint="",
    )


def lists(folder, train: bytes, val: bytes = b"path,class\nb.png,1\n", test: bytes = "path,class\nü.png,0\n".encode()):
    for part, content in (("train", train), ("val", val), ("test", test)):
        (folder / f"{part}_fold1.csv").write_bytes(content)
    return read_parts(folder, named(("0", "1")), 1)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "train",
    [
        b"path,class\na.png,0\n",
        b" path , class \n a.png , 0.0 \n",
        "path,class\na.png,0\u200b\n".encode(),
        "\ufeffpath;class\na.png;00\n".encode(),
        "path\tclass\r\na.png\t0\r\n".encode("utf-16"),
        b"sep=;\r\npath;class\r\na.png;0\r\n",
        b"path;class\ra.png;0\r",
        b",path,class\n7,a.png,0\n\n",
    ],
)
def test_fold_lists_may_be_written_in_many_ways(tmp_path, train):
    assert {part: rows.tolist() for part, rows in lists(tmp_path, train).items()} == {
        "train": [0], "val": [1], "test": [2],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ("path,class\nü.png,0\n".encode("latin-1"), r"train_fold1.csv is not UTF-8 text"),
        ("path,class\na.png,0\n".encode("utf-16-le"), r"train_fold1.csv is not text in UTF-8 \(it holds zero bytes"),
        (b"", r"train_fold1.csv is empty; a header with path is expected"),
        (b"\n\n", r"train_fold1.csv is empty"),
        (b"path,class\na.png,0,1\n", r"train_fold1.csv, line 2 does not have as many fields"),
        (b"sep=;\npath;class\na.png\n", r"train_fold1.csv, line 3 does not have as many fields"),
        (b"file,class\na.png,0\n", r"train_fold1.csv has no column path; it has file, class"),
        (b'path,class\n"a.png,0\n', r"train_fold1.csv, line .* not a CSV file"),
    ],
)
def test_fold_lists_that_cannot_be_read_are_refused_by_name(tmp_path, train, message):
    with pytest.raises(UserError, match=message):
        lists(tmp_path, train)


def test_the_commands_need_no_home_directory(tmp_path):
    """As in a container that runs under a user number without an account."""
    code = (
        "import pwd, runpy, sys\n"
        "def none(*_): raise KeyError('no account')\n"
        "pwd.getpwuid = none\n"
        "sys.argv = ['tljax.datasets']\n"
        "runpy.run_module('tljax.datasets', run_name='__main__')"
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "TLJAX_CACHE")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr and "folder-inner" in done.stdout
