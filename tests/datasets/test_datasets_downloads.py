"""Archives as they are downloaded: zips with folders of macOS and doubled ones, gzipped files, several parts."""

import gzip
import shutil
import struct
import zipfile
from pathlib import Path

import archives
import numpy as np
import pytest
import tensorflow_datasets as tfds
from archives import SIDE, pixels, write_csv, write_images
from array_record.python.array_record_module import ArrayRecordReader
from PIL import Image

from tljax import datasets
from tljax.core.errors import UserError
from tljax.datasets import archive as archive_module


def load(task: str, data_dir: Path, image_size: int = 16) -> datasets.Dataset:
    return datasets.load(task, data_dir, image_size, cache_dir=data_dir.parent / "cache", progress=False)


def zipped(path: Path, folder: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.make_archive(str(path.with_suffix("")), "zip", folder))


def doubles_of_macos(root: Path, like: Path) -> None:
    """What Finder adds to a zip: a file of attributes for each of the files below `like`."""
    for path in [path for path in like.rglob("*") if path.is_file()]:
        double = root / "__MACOSX" / path.relative_to(root)
        double.parent.mkdir(parents=True, exist_ok=True)
        double.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7")


def test_chest_zip_of_kaggle_holds_its_folder_twice(tmp_path):
    root = tmp_path / "kaggle" / "chest_xray"
    archives.chest(root)
    for part in ("train", "val", "test"):
        shutil.copytree(root / "chest_xray" / part, root / part)
        (root / part / ".DS_Store").touch()
    doubles_of_macos(root, root / "chest_xray")
    for given in (root.parent, zipped(tmp_path / "archive.zip", root.parent)):
        dataset = load("chest", given)
        assert len(dataset) == 96 and "person1_bacteria_2.jpeg" in dataset.files


@pytest.mark.parametrize("task", ["kimia", "thyroid"])
def test_a_folder_inside_a_folder_of_its_name_counts_once(tmp_path, task):
    archives.ARCHIVES[task][1](tmp_path / "archive")
    expected = load(task, tmp_path / "archive").files
    doubled = tmp_path / "doubled" / "archive"
    shutil.copytree(tmp_path / "archive", doubled)
    shutil.copytree(tmp_path / "archive", doubled / "archive")
    assert load(task, tmp_path / "doubled").files == expected
    suffix = ".tif" if task == "kimia" else ".jpg"
    Image.fromarray(pixels(99, (9, 9))).save(next(iter((doubled / "archive").rglob(f"*{suffix}"))))
    with pytest.raises(UserError, match="have the same name but differ"):
        load(task, tmp_path / "doubled")


def test_extra_files_of_macos_in_a_zip_are_ignored(tmp_path):
    root = archives.knee_volumes(tmp_path / "stanford").parent
    doubles_of_macos(root, root / "MRNet-v1.0")
    assert len(load("knee", zipped(tmp_path / "MRNet-v1.0.zip", root))) == 270


def test_a_folder_of_downloads_is_unpacked(tmp_path):
    source, downloads = archives.isic(tmp_path / "source"), tmp_path / "downloads"
    write_images(source / "ISIC2018_Task3_Validation_Input" / f"ISIC_00346{n}.jpg" for n in range(10, 13))
    for folder in sorted(source.iterdir()):
        shutil.copytree(folder, tmp_path / "parts" / folder.name / folder.name)
        zipped(downloads / f"{folder.name}.zip", tmp_path / "parts" / folder.name)
    names = [f"ISIC_{24306 + number:07d}" for number in range(114)]
    rows = [(name, f"HAM_{number // 2:07d}", "histopathology") for number, name in enumerate(names)]
    lesions = downloads / "ISIC2018_Task3_Training_LesionGroupings.csv"
    write_csv(lesions, ("image", "lesion_id", "diagnosis_confirm_type"), rows)
    dataset = load("isic", downloads)
    assert len(dataset) == 114 and len(set(dataset.patients)) == 57
    write_csv(lesions, ("image", "lesion_id", "diagnosis_confirm_type"), rows[1:])
    with pytest.raises(UserError, match=r"ISIC_0024306 is in .* but not in the table of lesions"):
        load("isic", downloads)


def test_metadata_of_dataverse_are_separated_by_tabs(tmp_path):
    root = archives.isic(tmp_path / "isic")
    names = sorted(path.stem for path in root.rglob("*.jpg"))
    lines = [f'"HAM_{number // 3:07d}"\t"{name}"\t"nv"\t80.0' for number, name in enumerate(names)]
    (root / "HAM10000_metadata.tab").write_text("\n".join(["lesion_id\timage_id\tdx\tage", *lines]) + "\n")
    assert len(set(load("isic", root).patients)) == 38


def test_data_that_are_unpacked_already_are_not_unpacked_again(tmp_path, capsys):
    root, downloads = archives.breast(tmp_path / "busi"), tmp_path / "downloads"
    zipped(tmp_path / "archive.zip", root).rename(root / "archive.zip")
    assert len(load("breast", root)) == 65
    assert "archive.zip is not unpacked" in capsys.readouterr().err
    downloads.mkdir()
    shutil.move(root / "archive.zip", downloads)
    assert len(load("breast", downloads)) == 65


@pytest.fixture
def gzipped(tmp_path) -> Path:
    folder = archives.pcam(tmp_path / "pcam")
    for path in sorted(folder.iterdir()):
        Path(f"{path}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    write_csv(folder / "camelyonpatch_level_2_split_test_meta.csv", ("", "coord_y", "coord_x"), [(0, 1, 2)])
    return folder


def test_patches_are_read_from_gzipped_files(gzipped, tmp_path):
    plain = load("pcam-small", archives.pcam(tmp_path / "plain"))
    assert load("pcam-small", gzipped).fingerprint == plain.fingerprint


def test_slides_are_known_from_the_three_tables(tmp_path, capsys):
    root = archives.pcam(tmp_path / "pcam")
    header = ("", "coord_y", "coord_x", "tumor_patch", "center_tumor_patch", "wsi")
    for split, count in (("train", 60), ("valid", 12)):
        rows = [(row, 1, 2, "False", "False", f"camelyon16_{split}_tumor_{row // 3:03d}") for row in range(count)]
        write_csv(root / f"camelyonpatch_level_2_split_{split}_meta.csv", header, rows)
    assert load("pcam-small", root).patients is None
    assert "the slides are not known, as there is no camelyonpatch_level_2_split_test_m" in capsys.readouterr().err
    write_csv(root / "camelyonpatch_level_2_split_test_meta.csv", header, rows)
    dataset = load("pcam-small", root)
    slide_of = dict(zip(dataset.files, dataset.patients, strict=True))
    assert slide_of["train_59_label=1.png"] == "camelyon16_train_tumor_019" and len(set(slide_of.values())) == 24
    write_csv(root / "camelyonpatch_level_2_split_test_meta.csv", header, rows[1:])
    with pytest.raises(UserError, match=r"test_meta.csv has 11 lines, but there are 12 patches"):
        load("pcam-small", root)


def test_patches_from_google_drive_are_gzipped_files_in_zips(gzipped, tmp_path):
    """Drive parts a folder that is too large for one zip, by files."""
    fingerprint, files = load("pcam-small", gzipped).fingerprint, sorted(gzipped.iterdir())
    drive = tmp_path / "drive"
    drive.mkdir()
    for part in (1, 2):
        with zipfile.ZipFile(drive / f"pcamv1-20260120T124959Z-3-00{part}.zip", "w") as archive:
            for path in files[part - 1 :: 2]:
                archive.write(path, f"pcamv1/{path.name}")
    assert load("pcam-small", drive).fingerprint == fingerprint
    whole = zipped(tmp_path / "2546921.zip", gzipped)
    assert load("pcam-small", whole).fingerprint == fingerprint
    files[-1].write_bytes(files[-1].read_bytes()[:-50])
    with pytest.raises(UserError, match=rf"{whole}/{files[-1].name} cannot be unpacked"):
        load("pcam-small", zipped(whole, gzipped))


def test_a_gzipped_file_that_is_cut_off_or_a_bomb_is_refused(gzipped, monkeypatch):
    path = gzipped / "camelyonpatch_level_2_split_train_x.h5.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(UserError, match=r"train_x.h5.gz cannot be unpacked .*; fetch it again"):
        load("pcam-small", gzipped)
    path.write_bytes(whole)
    monkeypatch.setattr(archive_module, "MIN_BOMB_BYTES", 1000)
    monkeypatch.setattr(archive_module, "MAX_RATIO", 0.5)
    with pytest.raises(UserError, match="decompression bomb"):
        load("pcam-small", gzipped)


PARTS = {"train": (0, 60), "test": (2, 12)}  # the seed and the number of the images


class PatchCamelyon(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """The features of TFDS's own builder, the images of the miniature archive."""

    VERSION = tfds.core.Version("2.0.0")
    name = "patch_camelyon"

    def _info(self) -> tfds.core.DatasetInfo:
        image = tfds.features.Image(shape=(SIDE, SIDE, 3), encoding_format="png")
        features = {"id": tfds.features.Text(), "image": image, "label": tfds.features.ClassLabel(num_classes=2)}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {part: self._generate_examples(*images) for part, images in PARTS.items()}

    def _generate_examples(self, seed: int, count: int):
        for row, image in enumerate(pixels(seed, (count, SIDE, SIDE, 3))):
            yield row, {"id": f"{row}", "image": Image.fromarray(image), "label": row % 2}


@pytest.fixture
def tfds_home(tmp_path) -> Path:
    """~/tensorflow_datasets, in which another data set is prepared, too."""
    home = tmp_path / "tensorflow_datasets"
    PatchCamelyon(data_dir=str(home), file_format="array_record").download_and_prepare()
    shutil.copytree(home / "patch_camelyon", home / "another")
    return home


def to_tfrecord(folder: Path) -> None:
    """The ArrayRecord files of a TFDS data set as TFRecord files: of each record length, checksum, content, checksum.

    The checksums are left zero: the reader leaves it to the PNG images to check themselves.
    """
    for path in sorted(folder.glob("*.array_record*")):
        reader = ArrayRecordReader(str(path))
        records = [reader.read() for _ in range(reader.num_records())]
        content = b"".join(struct.pack("<QI", len(record), 0) + record + bytes(4) for record in records)
        Path(str(path).replace("array_record", "tfrecord")).write_bytes(content)
        path.unlink()
    info = folder / "dataset_info.json"
    info.write_text(info.read_text().replace('"array_record"', '"tfrecord"'))


@pytest.mark.parametrize("file_format", ["array_record", "tfrecord"])
def test_patches_are_read_from_a_prepared_tfds(tfds_home, file_format):
    folder = tfds_home / "patch_camelyon" / "2.0.0"
    if file_format == "tfrecord":
        to_tfrecord(folder)
    dataset = load("pcam-small", tfds_home, SIDE)
    assert sorted(file.split("_")[0] for file in dataset.files) == ["test"] * 12 + ["train"] * 60
    stored = {image.tobytes(): label for image, label in zip(dataset.images, dataset.labels.tolist(), strict=True)}
    images = (enumerate(pixels(seed, (count, SIDE, SIDE, 3))) for seed, count in PARTS.values())
    assert stored == {image.tobytes(): row % 2 for part in images for row, image in part}


def test_a_tfrecord_file_that_is_cut_off_is_refused(tfds_home):
    folder = tfds_home / "patch_camelyon" / "2.0.0"
    to_tfrecord(folder)
    shard = next(iter(folder.glob("*test.tfrecord*")))
    shard.write_bytes(shard.read_bytes()[:-9])
    with pytest.raises(UserError, match="is cut off; prepare patch_camelyon again"):
        load("pcam-small", folder)


def medmnist(path: Path, shape: tuple[int, ...], classes: tuple[int, int, int]) -> Path:
    """A set whose train, val and test part hold so many classes; thirty images a part."""
    arrays = {}
    for seed, (split, count) in enumerate(zip(("train", "val", "test"), classes, strict=True)):
        arrays[f"{split}_images"] = pixels(seed, (30, *shape))
        arrays[f"{split}_labels"] = (np.arange(30, dtype=np.uint8) % count)[:, None]
    path.parent.mkdir(exist_ok=True)
    np.savez_compressed(path, **arrays)
    return path


def test_medmnist_in_colour_and_large_with_a_class_that_one_part_lacks(tmp_path, capsys):
    dataset = load("medmnist", medmnist(tmp_path / "organamnist_64.npz", (64, 64, 3), (11, 11, 10)))
    assert dataset.card.classes == tuple(f"{label:02d}" for label in range(11))
    np.testing.assert_array_equal(dataset.labels[-30:], np.arange(30) % 10)
    assert datasets.original_sizes(dataset) == {(64, 64): 90}
    assert "images of 64 px; without --image-size they become 28 px" in capsys.readouterr().err


def test_a_folder_may_hold_one_set_of_medmnist(tmp_path):
    folder = medmnist(tmp_path / "sets" / "breastmnist.npz", (28, 28), (2, 2, 2)).parent
    assert len(load("medmnist", folder)) == 90
    medmnist(folder / "pathmnist.npz", (28, 28, 3), (9, 9, 9))
    with pytest.raises(UserError, match=r"2 sets of MedMNIST \(breastmnist, pathmnist\)"):
        load("medmnist", folder)


def test_medmnist_volumes_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"shape \(\d+, 28, 28, 28\).* is expected, as in the 2-D sets"):
        load("medmnist", medmnist(tmp_path / "nodulemnist3d.npz", (28, 28, 28), (2, 2, 2)))
