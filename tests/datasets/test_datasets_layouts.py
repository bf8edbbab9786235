"""The archives as other sites offer them: other folders, other names, the same images."""

import shutil
from collections import Counter
from pathlib import Path

import archives
import pytest
from archives import CBIS_COLUMNS, pixels, write_csv, write_dicom, write_images

from tljax import datasets
from tljax.core.errors import UserError


def load(task: str, data_dir: Path, image_size: int = 16) -> datasets.Dataset:
    return datasets.load(task, data_dir, image_size, cache_dir=data_dir.parent / "cache", progress=False)


# --- mammograms -------------------------------------------------------------------------------------------------------


@pytest.fixture
def cbis(tmp_path) -> Path:
    """The four tables alone, two patients each; a path is view/study/series/file."""
    for table, name in enumerate(("calc train", "calc test", "mass train", "mass test")):
        kind, part = name.split()
        rows = []
        for number in (2 * table, 2 * table + 1):
            view = f"{kind.title()}-{'Training' if part == 'train' else 'Test'}_P_{number:05d}_LEFT_CC"
            pathology = ("MALIGNANT", "BENIGN")[number % 2]
            crop = f"{view}_1/1.3.6.{number}.3/1.3.6.{number}.4/000001.dcm\n"
            place = f"{view}/1.3.6.{number}.1/1.3.6.{number}.2/000000.dcm"
            rows.append((f"P_{number:05d}", "CC", 1, pathology, place, crop))
        write_csv(tmp_path / "cbis" / f"{kind}_case_description_{part}_set.csv", CBIS_COLUMNS, rows)
    return tmp_path / "cbis"


def places(root: Path) -> list[str]:
    """The column `image file path` of all tables, without the file."""
    lines = [line for path in sorted(root.glob("*.csv")) for line in path.read_text().split(",")]
    return [line.rsplit("/", 1)[0] for line in lines if line.endswith("/000000.dcm")]


def test_mammograms_of_kaggle_are_in_folders_of_the_series(cbis):
    names = {f"{place.split('/')[0]}.jpg" for place in places(cbis)}
    write_images(cbis / "jpeg" / place.split("/")[-1] / "1-263.jpg" for place in places(cbis))
    write_images(cbis / "jpeg" / f"1.3.6.{number}.4" / f"{part}-072.jpg" for number in range(8) for part in (1, 2))
    write_csv(cbis / "csv" / "dicom_info.csv", ("file_path", "image_path"), [("CBIS-DDSM/dicom/1", "CBIS-DDSM/jpeg/1")])
    for path in cbis.glob("*.csv"):
        path.rename(cbis / "csv" / path.name)
    dataset = load("mammograms", cbis)
    assert set(dataset.files) == names and len(dataset) == 8
    assert Counter(dataset.labels.tolist()) == {0: 4, 1: 4} and len(set(dataset.patients)) == 8


def test_mammograms_may_be_png_files_instead_of_dicom_files_or_next_to_them(cbis):
    write_images(cbis / place / "000000.png" for place in places(cbis))
    png = load("mammograms", cbis)
    assert all(file.endswith("CC.png") for file in png.files) and len(png) == 8
    for seed, place in enumerate(places(cbis)):
        write_dicom(cbis / place / "000000.dcm", pixels(seed))
    assert {Path(file).suffix for file in load("mammograms", cbis).files} == {".dcm"}


def test_tables_of_mammograms_that_are_there_twice_have_to_agree(cbis):
    write_images(cbis / place / "000000.png" for place in places(cbis))
    shutil.copytree(cbis, cbis / "csv", ignore=shutil.ignore_patterns("*.png"))
    assert len(load("mammograms", cbis)) == 8
    write_csv(cbis / "csv" / "mass_case_description_test_set.csv", CBIS_COLUMNS, [])
    with pytest.raises(UserError, match=r"mass_case_description_test_set.csv have the same name but differ"):
        load("mammograms", cbis)


# --- chest ------------------------------------------------------------------------------------------------------------


def test_chest_of_mendeley_has_no_val(tmp_path, capsys):
    root = archives.chest(tmp_path / "ChestXRay2017") / "chest_xray"
    whole = load("chest", root)
    assert "chest: 96 images; the paper has 5856" in capsys.readouterr().err
    for label in ("NORMAL", "PNEUMONIA"):
        for path in (root / "val" / label).iterdir():
            path.rename(root / "train" / label / path.name)
        (root / "val" / label).rmdir()
    (root / "val").rmdir()
    dataset = load("chest", root)
    assert sorted(dataset.files) == sorted(whole.files) and sorted(dataset.patients) == sorted(whole.patients)


def test_the_third_version_of_chest_has_other_names_and_retinal_scans_next_to_it(tmp_path):
    for part, first in (("train", 1), ("test", 101)):
        folder = tmp_path / "CellData" / "OCT" / part
        write_images(folder / name / f"{name}-{first}-1.jpeg" for name in ("CNV", "NORMAL"))
        folder = tmp_path / "CellData" / "chest_xray" / part
        write_images(folder / "NORMAL" / f"NORMAL-{first + n}-000{i}.jpeg" for n in range(8) for i in (1, 2))
        names = [(kind, first + 20 + n) for n in range(8) for kind in ("BACTERIA", "VIRUS")]
        write_images(folder / "PNEUMONIA" / f"{kind}-{number}-0001.jpeg" for kind, number in names)
    dataset = load("chest", tmp_path / "CellData")
    assert Counter(dataset.labels.tolist()) == {0: 32, 1: 32}
    patient_of = dict(zip(dataset.files, dataset.patients, strict=True))
    assert patient_of["BACTERIA-21-0001.jpeg"] == patient_of["VIRUS-21-0001.jpeg"] == "21"
    assert len(set(patient_of.values())) == 32


# --- isic -------------------------------------------------------------------------------------------------------------


def test_ham10000_of_kaggle_holds_the_images_of_isic(tmp_path):
    """Two folders of images, each there twice but for the case of its name, and the classes in the metadata."""
    isic = load("isic", archives.isic(tmp_path / "isic"))
    names, labels = (file.removesuffix(".jpg") for file in isic.files), isic.labels.tolist()
    classes = (isic.card.classes[label].lower() for label in labels)
    rows = [(f"HAM_{row // 2:07d}", *pair) for row, pair in enumerate(zip(names, classes, strict=True))]
    ham = tmp_path / "ham"
    write_csv(ham / "HAM10000_metadata.csv", ("lesion_id", "image_id", "dx"), reversed(rows))
    for number, path in enumerate(sorted((tmp_path / "isic").rglob("*.jpg"))):
        for folder in ("HAM10000_images_part", "ham10000_images_part"):
            place = ham / f"{folder}_{1 + number % 2}" / path.name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
    write_images([ham / "ISIC2018_Task3_Test_Images" / "ISIC_0034524.jpg"])
    dataset = load("isic", ham)
    assert (
        dataset.files == isic.files and (dataset.labels == isic.labels).all() and (dataset.images == isic.images).all()
    )
    assert len(set(dataset.patients)) == 57
    write_csv(ham / "HAM10000_metadata.csv", ("lesion_id", "image_id", "dx"), [*rows[1:], (*rows[0][:2], "scc")])
    with pytest.raises(UserError, match="unknown class SCC"):
        load("isic", ham)
