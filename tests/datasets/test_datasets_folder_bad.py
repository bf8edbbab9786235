"""Faulty folders of a user's images: wrong or misplaced tables, masks among the images, an incomplete split."""

from pathlib import Path

import pytest
from archives import write_images
from PIL import Image

from tljax import datasets
from tljax.core.errors import UserError


def load(task: str, data_dir: Path) -> datasets.Dataset:
    return datasets.load(task, data_dir, 16, cache_dir=data_dir.parent / "cache", progress=False)


def own_table(root: Path, header: str, *lines: str) -> None:
    (root / "labels.csv").write_text("\n".join([header, *lines]), encoding="utf-8")


ALL = [f"{label}/{number}.png,{label}" for label in ("cat", "dog") for number in range(6)]
BAD_TABLES = [
    ("file,class", ALL, "has no column label"),
    ("file,label", ["cat/0.png"], "line 2 does not have as many fields"),
    ("file,label", [*ALL, "cat/99.png,cat"], "line 14: there is no file 'cat/99.png'"),
    ("file,label", [*ALL, "../secret.png,cat"], "there is no file '../secret.png'"),
    ("file,label", ALL[:-1], r"1 image without a line in .*, such as .*dog/5.png"),
    ("file,label", [*ALL, ALL[0]], "line 14: cat/0.png is listed in line 2 already"),
    ("file,label", [*ALL[:-1], "dog/5.png,"], "dog/5.png has no label"),
    ("file,label,patient", [*(f"{line},p1" for line in ALL[:-1]), f"{ALL[-1]},"], "dog/5.png has no patient"),
    (
        "file,label,patient",
        [*(f"{line},p1" for line in ALL[:-1]), f"{ALL[-1]},NaN"],
        "dog/5.png has the patient 'NaN', which means unknown",
    ),
    ("file,label,split", [f"{line},holdout" for line in ALL], "the split 'holdout' is not one of"),
    ("file,label,split", [f"{line},train" for line in ALL], "images for train, but none for val, test"),
    ("file,label", [*ALL[:-1], "dog/5.PNG,dog"], "there is no file 'dog/5.PNG' in .*; did you mean 'dog/5.png'"),
    ("file,label,Label", [f"{line},x" for line in ALL], r"2 columns of the label \(label, Label\); keep one"),
    (
        "file,label,patient,Patient_ID",
        [f"{line},p,p" for line in ALL],
        r"2 columns of the patient \(patient, Patient_ID",
    ),
    ("file,label", [*ALL[:-1], "dog/5.png,Dog"], "the classes Dog and dog differ in case only; give them one name"),
    ("file,label", [line.replace(",dog", ",cat") for line in ALL], "holds only the class cat"),
]


@pytest.mark.parametrize(("header", "lines", "message"), BAD_TABLES)
def test_a_wrong_table_of_labels_is_refused(own, header, lines, message):
    own_table(own, header, *lines)
    with pytest.raises(UserError, match=message):
        load("folder", own)


def test_a_table_in_a_subfolder_or_twice_is_refused(own):
    own_table(own, "file,label", *ALL)
    (own.parent / "outer" / "export").mkdir(parents=True)
    for path in own.iterdir():
        path.rename(own.parent / "outer" / "export" / path.name)
    with pytest.raises(
        UserError, match=r"export/labels.csv is not in .*outer itself: give .*outer/export with --data-d"
    ):
        load("folder", own.parent / "outer")
    (own.parent / "outer" / "export" / "LABELS.CSV").touch()
    with pytest.raises(UserError, match=r"LABELS.CSV and labels.csv are both tables of labels; keep one"):
        load("folder", own.parent / "outer" / "export")


@pytest.mark.parametrize(
    "name",
    [
        "0_mask.png",
        "0_mask_1.png",
        "0-Segmentation.png",
        "../masks of cats/0 mask.png",
        "0_gt.png",
        "mask_0.png",
        "masks/0.png",
        "../Labels/0.png",
        "../cat_masks/0.png",
    ],
)
def test_masks_are_not_counted_as_images(own, name):
    write_images([own / "cat" / name])
    with pytest.raises(UserError, match=r"1 files of .*own are masks, such as .* of 0.png. Move them elsewhere"):
        load("folder", own)


def test_images_of_similar_names_are_not_masks(tmp_path):
    """Nor are those that a table lists."""
    names = [
        "seg/0.png",
        "with_mask/0.png",
        "without_mask/0.png",
        "with_mask/mask_9.png",
        "masks/1.png",
        "gt_1/2_gt.png",
    ]
    write_images(tmp_path / "own" / name for name in names)
    assert len(load("folder", tmp_path / "own")) == len(names)
    write_images([tmp_path / "own" / "masks" / "0.png"])
    with pytest.raises(
        UserError, match=r"1 files of .* are masks, such as .*masks/0.png of 0.png. .* list all images in a la"
    ):
        load("folder", tmp_path / "own")
    own_table(tmp_path / "own", "file,label", *(f"{name},{name[0]}" for name in [*names, "masks/0.png"]))
    assert len(load("folder", tmp_path / "own")) == len(names) + 1


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("Cat", "cat"), "the classes Cat and cat differ in case only; give them one name"),
        (
            ("cat", "cat "),
            "the classes cat and cat  differ in spaces, in invisible characters or in how letters",
        ),
        (
            ("Kätzchen", "Ka\u0308tzchen"),
            "differ in spaces, in invisible characters or in how letters and dashes are",
        ),
        (("cat\nand dog",), r"the class 'cat\\nand dog' has a line break in its name"),
    ],
)
def test_classes_that_look_alike_are_refused(own, names, message):
    write_images(own / name / "0.png" for name in names)
    with pytest.raises(UserError, match=message):
        load("folder", own)


def test_a_table_that_is_not_utf8_is_refused(own):
    (own / "labels.csv").write_bytes("file,label\nhänd.png,cat".encode("latin-1"))
    with pytest.raises(UserError, match="is not UTF-8 text"):
        load("folder", own)


def test_images_outside_a_class_and_half_a_split_are_refused(own):
    write_images([own / "stray.png"])
    with pytest.raises(UserError, match=r"stray.png is not in the folder of a class"):
        load("folder", own)
    (own / "stray.png").unlink()
    for part in ("train", "test"):
        write_images(own.parent / "split" / part / label / "0.png" for label in ("cat", "dog"))
    with pytest.raises(UserError, match="has images for test, train, but none for val: move some"):
        load("folder", own.parent / "split")
    write_images([own.parent / "split" / "extra" / "0.png"])
    with pytest.raises(UserError, match=r"extra is next to test, train, so it is unclear whether"):
        load("folder", own.parent / "split")
    (own.parent / "split" / "extra").rename(own.parent / "split" / "val")
    with pytest.raises(UserError, match=r"0.png is not in the folder of a class in train, val or test"):
        load("folder", own.parent / "split")


def test_two_files_whose_names_show_the_same_letters_are_refused(own):
    """Both are `é.png`, once with the accent as a letter of its own; one of the two would be lost."""
    write_images([own / "cat" / "\u00e9.png", own / "cat" / "e\u0301.png"])
    own_table(own, "file,label", *ALL, "cat/\u00e9.png,cat")
    with pytest.raises(UserError, match="have the same name, which is stored in two Unicode forms"):
        load("folder", own)


@pytest.mark.parametrize("mark", [b"PK\3\4\x14", b"\xd0\xcf\x11\xe0"])
def test_a_spreadsheet_with_the_name_of_a_table_is_refused(own, mark):
    (own / "labels.csv").write_bytes(mark + bytes(100))
    with pytest.raises(UserError, match="is a spreadsheet file despite its name"):
        load("folder", own)


def test_the_sizes_of_large_images_are_shown_too(own, monkeypatch):
    """Pillow would warn from its own limit on, and stop at twice that."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert sum(datasets.original_sizes(load("folder", own)).values()) == 12
