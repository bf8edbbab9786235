"""Bad input: each kind is refused with its file and the reason."""

import os
from collections.abc import Callable
from pathlib import Path

import archives
import h5py
import numpy as np
import pydicom
import pytest
from archives import pixels, write_dicom, write_images
from PIL import Image

from tljax import datasets
from tljax.core.errors import UserError


def load(task: str, data_dir: Path, **options) -> datasets.Dataset:
    return datasets.load(task, data_dir, 16, cache_dir=data_dir.parent / "cache", progress=False, **options)


# --- single images -----------------------------------------------------------------------------------------------


def png(path: Path) -> bytes:
    write_images([path])
    return path.read_bytes()


def empty(path: Path) -> None:
    path.touch()


def text(path: Path) -> None:
    path.write_text("<html>404 not found</html>")


def truncated(path: Path) -> None:
    path.write_bytes(png(path)[:-120])


def corrupt(path: Path) -> None:
    content = bytearray(png(path))
    content[60:90] = b"\0" * 30
    path.write_bytes(bytes(content))


def animated(path: Path) -> None:
    frames = [Image.fromarray(pixels(seed)) for seed in range(3)]
    frames[0].save(path, format="TIFF", save_all=True, append_images=frames[1:])


def constant_16_bit(path: Path) -> None:
    Image.fromarray(np.full((20, 20), 900, np.uint16)).save(path)


def not_finite(path: Path) -> None:
    Image.fromarray(np.full((20, 20), np.nan, np.float32)).save(path, format="TIFF")


def dicom_frames(path: Path) -> None:
    write_dicom(path, pixels(0, (3, 20, 20)))


def dicom_without_pixels(path: Path) -> None:
    write_dicom(path, pixels(0))
    header = pydicom.dcmread(path)
    del header.PixelData
    header.save_as(path)


def dicom_cut_off(path: Path) -> None:
    write_dicom(path, pixels(0))
    path.write_bytes(path.read_bytes()[:-200])


BAD_IMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "zero bytes": (empty, "is empty"),
    "no image at all": (text, "is a web page, which is not read"),
    "truncated": (truncated, "corrupt or truncated"),
    "corrupt": (corrupt, "corrupt or truncated"),
    "several frames": (animated, "holds 3 frames"),
    "constant in 16 bits": (constant_16_bit, "all equal 900"),
    "not finite": (not_finite, "not finite"),
    "DICOM of several frames": (dicom_frames, "DICOM file of 3 frames"),
    "DICOM without pixels": (dicom_without_pixels, "DICOM file without pixels"),
    "DICOM cut off": (dicom_cut_off, "cannot be decoded"),
}


@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
@pytest.mark.parametrize("kind", BAD_IMAGES)
def test_a_bad_image_is_named_with_its_reason(own, kind):
    spoil, reason = BAD_IMAGES[kind]
    suffix = ".dcm" if "DICOM" in kind else ".png"
    spoil(own / "cat" / f"bad{suffix}")
    with pytest.raises(UserError, match="1 image of folder cannot be used") as error:
        load("folder", own)
    assert reason in str(error.value) and f"cat/bad{suffix}" in str(error.value) and "--skip-bad" in str(error.value)


def test_skip_bad_leaves_out_and_records(own, capsys):
    empty(own / "cat" / "bad.png")
    dataset = load("folder", own, skip_bad=True)
    assert len(dataset) == 12 and dataset.skipped == ("cat/bad.png",)
    assert "1 image left out" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"cat/bad.png: is empty"):
        load("folder", own)


def test_bad_slices_and_dicom_files_are_recorded_too(tmp_path):
    root = archives.mammograms_dicom(tmp_path / "cbis")
    bad = next(path for path in sorted(root.rglob("1-1.dcm")) if "full" in str(path))
    bad.write_bytes(b"")
    with pytest.raises(UserError, match=r"Calc-Test_P_00010_LEFT_CC.dcm: is empty"):
        load("mammograms", root)


def test_a_class_whose_every_image_is_bad_is_an_error(own):
    for path in (own / "cat").iterdir():
        path.write_bytes(b"")
    with pytest.raises(UserError, match="no readable image of the class cat is left"):
        load("folder", own, skip_bad=True)


def test_an_archive_whose_every_image_is_bad_is_an_error(tmp_path):
    for label in ("cat", "dog"):
        (tmp_path / "own" / label).mkdir(parents=True)
        (tmp_path / "own" / label / "scan.dcm").write_bytes(b"")
    with pytest.raises(UserError, match=r"none of the 2 images of folder can be used:\n  cat/scan.dcm: is empty"):
        load("folder", tmp_path / "own", skip_bad=True)


# --- folders ------------------------------------------------------------------------------------------------------


def remove(name: str) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        for path in sorted(root.rglob(name)):
            path.unlink()

    return spoil


def rename(old: str, new: str) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        path = next(iter(sorted(root.rglob(old))))
        path.rename(path.with_name(new))

    return spoil


def rewrite(name: str, old: str, new: str) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        path = next(iter(sorted(root.rglob(name))))
        content = path.read_text(encoding="utf-8")
        assert old in content
        path.write_text(content.replace(old, new, 1), encoding="utf-8")

    return spoil


def cut_off(name: str) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        path = next(iter(sorted(root.rglob(name))))
        path.write_bytes(path.read_bytes()[:40])

    return spoil


def mismatched_pcam(root: Path) -> None:
    with h5py.File(root / "camelyonpatch_level_2_split_valid_y.h5", "w") as file:
        file["y"] = np.zeros((3, 1, 1, 1), np.uint8)


def flat_volume(root: Path) -> None:
    np.save(next(iter(sorted(root.rglob("*.npy")))), pixels(0))


def second_mammogram(root: Path) -> None:
    path = next(path for path in sorted(root.rglob("1-1.dcm")) if "full" in str(path))
    path.with_name("1-2.dcm").write_bytes(path.read_bytes())


TRUTH = "ISIC2018_Task3_Training_GroundTruth.csv"
BAD_ARCHIVES: list[tuple[str, Callable[[Path], None], str]] = [
    ("breast", remove("malignant*.png"), "malignant holds no .png file. Is the archive completely unpacked"),
    ("breast", remove("normal*.png"), "normal holds no .png file. Is the archive completely unpacked"),
    ("chest", remove("*IM-002[1-4]-0001.jpeg"), "val/NORMAL holds no .jpeg file. Is the archive completely unpacked"),
    ("breast", rename("malignant", "malign"), "not the complete archive of breast: there is no malignant"),
    ("thyroid", remove("7.xml"), r"7_1.jpg has no 7.xml next to it"),
    ("thyroid", remove("8_*.jpg"), r"8.xml describes a case, but there is no image"),
    ("thyroid", rename("9_1.jpg", "copy.jpg"), r"copy.jpg is not named <patient>_<number>.jpg"),
    ("thyroid", rewrite("1.xml", "</case>", ""), r"1.xml is not the XML of a case"),
    ("thyroid", rewrite("5.xml", "<tirads />", "<tirads>9</tirads>"), "unknown TI-RADS grade '9'"),
    ("thyroid", rewrite("1.xml", "<mark>", "<tirads>2</tirads><mark>"), r"1.xml has several TI-RADS grades \(2, 4a\)"),
    ("chest", rename("person1_*.jpeg", "someone.jpeg"), "someone.jpeg is not named as in the archive"),
    ("isic", rewrite(TRUTH, "MEL", "MELA"), "has no column MEL"),
    ("isic", rewrite(TRUTH, "0.0,1.0", "1.0,1.0"), "has 2 classes marked"),
    ("isic", remove("ISIC_0024306.jpg"), "names ISIC_0024306, but there is no ISIC_0024306.jpg"),
    ("isic", rename("ISIC_0024306.jpg", "ISIC_9.jpg"), "names ISIC_0024306, but there is no"),
    ("isic", rewrite(TRUTH, "ISIC_0024306,0.0", "ISIC_0024306"), "line 2 does not have as many fields"),
    ("isic", remove(TRUTH), f"{TRUTH} is missing"),
    ("isic", rewrite(TRUTH, "ISIC_0024307,", "ISIC_0024306,"), "ISIC_0024306 is in an earlier line already"),
    ("kimia", rename("A1.tif", "Z1.tif"), "Z1.tif is not named"),
    ("knee volumes", remove("0003.npy"), r"labels for 0003 but no sagittal/0003.npy"),
    ("knee volumes", rewrite("train-abnormal.csv", "0007,", "9999,"), "labels for 9999 but no sagittal/9999.npy"),
    ("knee volumes", rewrite("train-abnormal.csv", "0007,", "0008,"), "0007.npy has no line in train-abnormal.csv"),
    ("knee volumes", remove("valid-abnormal.csv"), "no table valid-abnormal.csv"),
    ("knee volumes", rewrite("train-acl.csv", "0001,", "0001;"), "is not of the form 0000,1"),
    ("knee volumes", rewrite("train-acl.csv", "0001,", "0000,1\n0000,0\n0001,"), "0000 has the other label"),
    ("knee volumes", cut_off("0002.npy"), "0002.npy is not a NumPy volume"),
    ("knee volumes", flat_volume, r"has the shape \(20, 20\)"),
    (
        "mammograms png",
        rewrite("calc_case_description_train_set.csv", "BENIGN", "BENINE"),
        "unknown pathology 'BENINE'",
    ),
    ("mammograms png", remove("Mass-Test_P_00031_LEFT_CC.png"), "names Mass-Test_P_00031_LEFT_CC, but there is no"),
    ("mammograms dicom", second_mammogram, "has 2 images"),
    ("pcam-small", remove("*test_y.h5"), "there is no camelyonpatch_level_2_split_test_y.h5"),
    ("pcam-small", cut_off("*train_x.h5"), "not the HDF5 files of PatchCamelyon"),
    ("pcam-small", mismatched_pcam, "holds 3 labels"),
]


@pytest.mark.parametrize(("name", "spoil", "message"), BAD_ARCHIVES)
def test_a_faulty_archive_is_refused(tmp_path, name, spoil, message):
    task, make = archives.ARCHIVES[name]
    root = make(tmp_path / "archive")
    spoil(root)
    with pytest.raises(UserError, match=message):
        load(task, root)


def test_an_empty_folder_and_a_missing_one_are_refused(tmp_path):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(UserError, match=r"holds no image of a kind that is read .*; it is empty"):
        load("folder", tmp_path / "nothing")
    with pytest.raises(UserError, match="there is no such file or folder"):
        load("folder", tmp_path / "missing")
    with pytest.raises(UserError, match="breast is not prepared yet"):
        datasets.load("breast", cache_dir=tmp_path)
    with pytest.raises(UserError, match="there is no data set 'brest'"):
        datasets.load("brest")
    for size in (-1, 0, 100_000):
        with pytest.raises(UserError, match=f"image size of {size} pixels"):
            datasets.load("phantom", None, size)


def test_links_in_a_users_folder_are_followed(own, tmp_path):
    """Links to files and to folders, in any place."""
    write_images([tmp_path / "elsewhere.png", *(tmp_path / "foxes" / f"{number}.png" for number in range(6))])
    (own / "cat" / "link.png").symlink_to(tmp_path / "elsewhere.png")
    (own / "fox").symlink_to(tmp_path / "foxes")
    dataset = load("folder", own)
    assert dataset.card.classes == ("cat", "dog", "fox") and len(dataset) == 19
    (tmp_path / "elsewhere.png").unlink()
    with pytest.raises(UserError, match=r"link.png is a link to a file that is not there"):
        load("folder", own)


@pytest.mark.parametrize("target", ["cat", "../own", "."])
def test_a_link_that_makes_a_folder_appear_twice_is_refused(own, target):
    (own / "fox").symlink_to(target)
    with pytest.raises(UserError, match=r"fox is a link to .*, which is also in the data: .* twice; remove the link"):
        load("folder", own)


def test_a_pipe_and_a_file_without_permission_are_refused(own):
    os.mkfifo(own / "cat" / "pipe.png")
    with pytest.raises(UserError, match=r"pipe.png is neither a file nor a folder"):
        load("folder", own)
    (own / "cat" / "pipe.png").unlink()
    (own / "cat" / "0.png").chmod(0)
    if os.access(own / "cat" / "0.png", os.R_OK):
        pytest.skip("root may read everything")
    with pytest.raises(UserError, match=r"0.png cannot be read: you have no permission"):
        load("folder", own)
    (own / "cat").chmod(0)
    with pytest.raises(UserError, match=r"cat cannot be read \(Permission denied\)"):
        load("folder", own)


def test_a_name_that_is_not_utf8_is_refused(own):
    try:
        (own / "cat" / os.fsdecode(b"k\xe4tzchen.png")).touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    with pytest.raises(UserError, match="has a name that is not UTF-8"):
        load("folder", own)
