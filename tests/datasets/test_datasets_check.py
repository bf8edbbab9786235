"""`python -m tljax.datasets`: changed duplicates, leaks between the parts of a fold, and the command."""

import csv
import io
import sys
import tracemalloc
from pathlib import Path

import archives
import numpy as np
import pytest
from archives import write_csv
from PIL import Image

from tljax import datasets
from tljax.core.errors import UserError
from tljax.datasets import Dataset, duplicate_images
from tljax.datasets.__main__ import main
from tljax.datasets.duplicate_images import IDENTICAL, DuplicatePair, find_duplicates
from tljax.datasets.folds import Fold
from tljax.datasets.leakage import COLUMNS, Leak, find_leaks, leak_rows, patients_in_several_classes
from tljax.datasets.signatures import SIGNATURE, signature_of
from tljax.datasets.tasks import phantom

SIZE = 96


@pytest.fixture(scope="module")
def originals() -> list[Image.Image]:
    return [Image.fromarray(example.image()) for example, _ in zip(phantom.examples(SIZE), range(24), strict=False)]


def jpeg(image: Image.Image) -> Image.Image:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=50)
    return Image.open(content)


def pairs_of(images: list[Image.Image]) -> list[DuplicatePair]:
    signatures = np.array([signature_of(image) for image in images], SIGNATURE)
    return find_duplicates(signatures["thumbnail"], signatures["digest"])


CHANGES = {
    "as it is": lambda image: jpeg(image.resize((150, 120), Image.Resampling.BICUBIC)),
    "mirrored": lambda image: jpeg(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    "upside down": lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM).resize((64, 64)),
    "turned by 180 degrees": lambda image: image.transpose(Image.Transpose.ROTATE_180),
}


@pytest.mark.parametrize("how", CHANGES)
def test_a_changed_copy_is_found_and_nothing_else(originals, how):
    assert pairs_of([*originals, CHANGES[how](originals[5])]) == [DuplicatePair(5, len(originals), how)]


def test_identical_images_are_distinguished_from_similar_ones_and_found_in_every_colour(originals):
    """In a picture of one colour there is nothing that a perceptual hash could see."""
    black, grey, large = (Image.new("L", (side, side), value) for side, value in ((9, 0), (9, 7), (600, 0)))
    pairs = pairs_of([black, grey, originals[5], black, originals[5], black, large])
    assert pairs == [DuplicatePair(*rows, IDENTICAL) for rows in ((0, 3), (0, 5), (2, 4), (3, 5))]


def test_duplicates_are_found_across_the_parts_that_are_compared_at_a_time(originals, monkeypatch):
    images = [*originals, *(change(originals[row]) for row, change in enumerate(CHANGES.values()))]
    found = pairs_of(images)
    monkeypatch.setattr(duplicate_images, "BLOCK", 5)
    monkeypatch.setattr(duplicate_images, "WIDTH", 3)
    assert (
        pairs_of(images) == found == [DuplicatePair(row, len(originals) + row, how) for row, how in enumerate(CHANGES)]
    )


def test_hashes_of_many_images_are_compared_in_little_memory():
    hashes = np.random.default_rng(0).integers(0, 2**63, (4, 4, 20_000), np.int64).astype(np.uint64)
    tracemalloc.start()
    assert list(duplicate_images._candidates(hashes, 0)) == []
    assert tracemalloc.get_traced_memory()[1] < 32 << 20
    tracemalloc.stop()


def test_duplicates_are_the_same_at_every_image_size(originals, tmp_path):
    for number, image in enumerate([*originals, *(change(originals[5]) for change in CHANGES.values())]):
        path = tmp_path / "own" / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    found = [
        datasets.duplicates(datasets.load("folder", tmp_path / "own", size, cache_dir=tmp_path, progress=False))
        for size in (8, 32, 128)
    ]
    assert len(found[0]) == 10 and found[0] == found[1] == found[2]  # five of one picture


def test_a_generated_set_has_duplicates_to_look_for_too(tmp_path):
    assert datasets.duplicates(datasets.load("phantom", None, 32, cache_dir=tmp_path, progress=False)) == []


@pytest.fixture
def leaky() -> Dataset:
    return Dataset(
        card=datasets.card("phantom"),
        images=np.zeros((6, 1, 1, 3), np.uint8),
        labels=np.array([0, 0, 1, 1, 0, 1], np.int32),
        files=tuple("abcdef"),
        patients=("p", "q", "r", "s", "t", "p"),
        splits=None,
        fingerprint="",
    )


def test_leaks_are_pictures_and_patients_in_two_parts(leaky):
    fold = Fold(np.array([0, 1]), np.array([2, 3]), np.array([4, 5]))
    within, across = DuplicatePair(0, 1, "as it is"), DuplicatePair(1, 4, "mirrored")
    assert find_leaks(leaky, [fold], [within, across]) == [Leak(1, ("train", "test"), (across,), ("p",))]
    clean = Fold(np.array([0, 5]), np.array([2, 3]), np.array([4]))
    assert find_leaks(leaky, [clean], [within]) == []


def test_every_pair_and_every_leak_is_listed(leaky):
    fold = Fold(np.array([0, 1]), np.array([2, 3]), np.array([4, 5]))
    pairs = [DuplicatePair(0, 1, "as it is"), DuplicatePair(1, 4, "mirrored")]
    leaks = {"some folds": find_leaks(leaky, [fold, fold], pairs)}
    assert list(leak_rows(leaky, pairs, leaks)) == [
        ("a", "b", "as it is", "benign", "benign", "", "", "", ""),
        ("b", "e", "mirrored", "benign", "benign", "", "some folds", 1, "train-test"),
        ("b", "e", "mirrored", "benign", "benign", "", "some folds", 2, "train-test"),
        ("", "", "same patient", "", "", "p", "some folds", 1, "train-test"),
        ("", "", "same patient", "", "", "p", "some folds", 2, "train-test"),
    ]


def test_patients_of_two_classes_are_named(leaky):
    assert patients_in_several_classes(leaky) == ["p"]


def run(monkeypatch, capsys, *arguments: str) -> str:
    monkeypatch.setattr(sys, "argv", ["tljax.datasets", *arguments])
    main()
    return capsys.readouterr().out


def test_the_list_shows_every_task(monkeypatch, capsys, tmp_path):
    listing = run(monkeypatch, capsys, "--cache-dir", str(tmp_path))
    for name in datasets.names():
        assert f"{name}  {datasets.card(name).title}  (not prepared)" in listing


def test_a_check_reports_counts_sizes_duplicates_and_leaks(monkeypatch, capsys, tmp_path):
    """One cat is there again, as a dog, in the test part: the archive's own split leaks, and a label is wrong."""
    root = tmp_path / "own"
    lines = []
    for number, example in zip(range(24), phantom.examples(64), strict=False):
        split = ("train", "train", "val", "test")[number % 4]
        (root / split).mkdir(parents=True, exist_ok=True)
        Image.fromarray(example.image()).save(root / split / f"{number}.png")
        lines.append((f"{split}/{number}.png", ("cat", "dog")[number // 4 % 2], split))
    with Image.open(root / "train" / "0.png") as first:
        first.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(root / "test" / "again.png")
    write_csv(root / "labels.csv", ("file", "label", "split"), [*lines, ("test/again.png", "dog", "test")])
    sheet, cache = tmp_path / "sheet.png", str(tmp_path / "cache")
    options = ("--data-dir", str(root), "--image-size", "64", "--cache-dir", cache, "--figure", str(sheet))
    options += ("--out", str(tmp_path / "pairs.csv"))
    report = run(monkeypatch, capsys, "folder", *options)
    assert "sizes: 1, most often 64 x 64 (25)" in report and "grey: 25, colour: 0" in report
    assert "duplicate images: 1 pair (1 mirrored)" in report
    assert "of different classes: 1 pair" in report and "0.png (cat) = again.png (dog), mirrored" in report
    assert "leak in fold 1 between train and test: 1 pair of duplicates" in report
    assert "the archive's own split" in report
    with open(tmp_path / "pairs.csv", newline="") as file:
        header, row = csv.reader(file)
    assert header == list(COLUMNS)
    assert row == ["0.png", "again.png", "mirrored", "cat", "dog", "", "the archive's own split", "1", "train-test"]
    with Image.open(sheet) as drawn:
        assert drawn.size[0] > 500


def test_a_contact_sheet_that_cannot_be_written_is_a_clear_error(monkeypatch, capsys, tmp_path):
    archives.folder(tmp_path / "own")
    options = ("--data-dir", str(tmp_path / "own"), "--image-size", "16", "--cache-dir", str(tmp_path / "cache"))
    with pytest.raises(UserError, match="cannot write the contact sheet"):
        run(monkeypatch, capsys, "folder", *options, "--figure", str(tmp_path / "own" / "cat" / "0.png" / "sheet.png"))
    with pytest.raises(UserError, match=r"sheet: the contact sheet is a PNG file"):
        run(monkeypatch, capsys, "folder", *options, "--figure", str(tmp_path / "sheet"))


def test_the_report_names_lesions_instead_of_patients(monkeypatch, capsys, tmp_path):
    archives.isic_with_lesions(tmp_path / "isic")
    options = ("--data-dir", str(tmp_path / "isic"), "--image-size", "16", "--cache-dir", str(tmp_path / "cache"))
    with pytest.warns(UserWarning, match="validation AUC is undefined"):
        report = run(monkeypatch, capsys, "isic", *options)
    assert "lesions (HAM_" in report and "patient" not in report


def write_phantoms(root: Path, patients: int | None) -> tuple[str, ...]:
    """Twelve images of each of two classes, of so many patients; returns the options of a check."""
    lines = []
    root.mkdir()
    for number, example in zip(range(24), phantom.examples(32), strict=False):
        Image.fromarray(example.image()).save(root / f"{number}.png")
        lines.append((f"{number}.png", ("cat", "dog")[number // 2 % 2], f"p{number // 2 % (patients or 1)}"))
    header = ("file", "label", "patient") if patients else ("file", "label")
    write_csv(root / "labels.csv", header, [line[: len(header)] for line in lines])
    return ("folder", "--data-dir", str(root), "--image-size", "16", "--cache-dir", str(root.parent / "cache"))


@pytest.mark.filterwarnings("ignore:.*its validation AUC is undefined")
@pytest.mark.parametrize(
    ("patients", "reason"),
    [
        (12, "no folds by the paper rule: the paper's rule needs at least 20 patients, 4 to hold out in every fold"),
        (None, "no folds by the paper rule: 24 images, 12 of them of the class cat, are too few"),
    ],
)
def test_a_set_too_small_for_one_rule_is_checked_by_the_other(monkeypatch, capsys, tmp_path, patients, reason):
    report = run(monkeypatch, capsys, *write_phantoms(tmp_path / "own", patients))
    assert reason in report and "folds by the grouped rule" in report.replace(reason, "")
    assert "no image and no known patient is in two parts" in report


def test_a_set_too_small_for_any_rule_is_refused_with_both_reasons(monkeypatch, capsys, tmp_path):
    with pytest.raises(UserError, match=r"(?s)by the paper rule: 3 patients are too few .* by the grouped rule"):
        run(monkeypatch, capsys, *write_phantoms(tmp_path / "own", 3))
