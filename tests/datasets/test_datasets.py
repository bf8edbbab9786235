"""Every task from its miniature archive: classes, names, patients, pixels; the cache; the generated sets."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from archives import ARCHIVES, pixels
from PIL import Image

from tljax import datasets
from tljax.datasets.folds import make_folds
from tljax.datasets.tasks import folder as folder_task

COUNTS = {
    "breast": {"benign": 39, "malignant": 26},
    "chest": {"NORMAL": 32, "PNEUMONIA": 64},
    "folder": {"cat": 30, "dog": 30},
    "folder-inner": {"cat": 30, "dog": 30},
    "folder-outer": {"cat": 30, "dog": 30},
    "isic": {label: 42 if label == "NV" else 12 for label in ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")},
    "isic with lesions": {label: 42 if label == "NV" else 12 for label in datasets.card("isic").classes},
    "kimia": {letter: 26 if letter == "A" else 12 for letter in datasets.card("kimia").classes},
    "knee volumes": {"normal": 90, "acl": 90, "meniscus": 90},
    "knee slices": {"normal": 120, "acl": 60, "meniscus": 60},
    "mammograms dicom": {"BENIGN": 28, "MALIGNANT": 20},
    "mammograms png": {"BENIGN": 28, "MALIGNANT": 20},
    "medmnist": {"0": 35, "1": 35},
    "pcam-middle": {"no": 42, "yes": 42},
    "pcam-small": {"no": 42, "yes": 42},
    "rad_thyroid": {"benign": 16, "malignant": 41},
    "thyroid": {"benign": 39, "malignant": 41},
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """Loads a miniature archive once a module."""
    sets = {}

    def load(name: str) -> datasets.Dataset:
        if name not in sets:
            root = tmp_path_factory.mktemp("archive")
            task, make = ARCHIVES[name]
            sets[name] = datasets.load(task, make(root), 16, cache_dir=root.with_suffix(".cache"), progress=False)
        return sets[name]

    return load


def test_every_task_that_needs_an_archive_has_a_miniature_one():
    tasks = {name for name in datasets.names() if datasets.card(name).needs_archive}
    assert {task for task, _ in ARCHIVES.values()} == tasks, "a new task: add a miniature archive to tests/archives.py"


@pytest.mark.parametrize("name", ARCHIVES)
def test_classes_are_counted_as_the_archive_holds_them(loaded, name):
    dataset = loaded(name)
    counts = Counter(dataset.card.classes[label] for label in dataset.labels)
    assert dict(counts) == COUNTS[name]
    assert dataset.images.shape == (len(dataset), 16, 16, 3) and not dataset.images.flags.writeable
    assert len(set(dataset.files)) == len(dataset) == len(dataset.labels)


@pytest.mark.filterwarnings("ignore:.*its validation AUC is undefined")
@pytest.mark.parametrize("name", ARCHIVES)
def test_every_task_can_be_divided_into_folds(loaded, name):
    dataset = loaded(name)
    assert len(make_folds(dataset)) == (1 if name == "medmnist" else 5)


def test_pixels_are_the_files_own(loaded):
    dataset = loaded("folder")
    grey = np.asarray(Image.fromarray(pixels(7)).resize((16, 16), Image.Resampling.NEAREST))
    np.testing.assert_array_equal(dataset.images[dataset.files.index("dog/7.png")], np.repeat(grey[..., None], 3, 2))


def test_names_join_the_published_lists(loaded):
    assert "benign (1).png" in loaded("breast").files
    assert "1_1.jpg" in loaded("thyroid").files
    assert "person1_bacteria_2.jpeg" in loaded("chest").files
    assert "ISIC_0024306.jpg" in loaded("isic").files
    assert "0000_sagittal_11.000000.png" in loaded("knee slices").files
    assert "Calc-Training_P_00000_LEFT_CC.png" in loaded("mammograms png").files
    assert "Calc-Training_P_00000_LEFT_CC.png#2" in loaded("mammograms png").files


def test_patients_are_known_where_the_archive_names_them(loaded):
    def patients(name: str) -> dict[str, str]:
        return dict(zip(loaded(name).files, loaded(name).patients, strict=True))

    assert patients("thyroid")["3_1.jpg"] == patients("thyroid")["3_2.jpg"] == "3"
    assert patients("chest")["NORMAL2-IM-0001-0001.jpeg"] == "0001"
    assert patients("chest")["person1_bacteria_2.jpeg"] == patients("chest")["person1_bacteria_3.jpeg"] == "person1"
    assert patients("mammograms dicom")["Mass-Test_P_00031_LEFT_CC.dcm"] == "P_00031"
    assert patients("knee slices")["1130_sagittal_11.000000.png"] == "1130"
    assert patients("isic with lesions")["ISIC_0024306.jpg"] == patients("isic with lesions")["ISIC_0024307.jpg"]
    assert loaded("isic").patients is None and loaded("breast").patients is None


@pytest.mark.filterwarnings("ignore:.*its validation AUC is undefined")
def test_lesions_group_the_grouped_folds_only(loaded):
    dataset = loaded("isic with lesions")

    def leaks(rule: str) -> int:
        lesions = np.array(dataset.patients)
        return sum(len(set(lesions[fold.train]) & set(lesions[fold.test])) for fold in make_folds(dataset, rule))

    assert leaks("grouped") == 0 < leaks("paper")


def test_knee_volumes_give_the_slices_of_the_middle_third(loaded):
    dataset = loaded("knee volumes")
    first = dataset.patients[0]
    rows = [row for row, patient in enumerate(dataset.patients) if patient == first]
    assert [dataset.files[row] for row in rows] == [f"{first}_sagittal_{number}.000000.png" for number in (3, 4, 5)]
    volume = pixels(int(first), (9, 20, 20))
    expected = np.asarray(Image.fromarray(volume[4]).resize((16, 16), Image.Resampling.NEAREST))
    np.testing.assert_array_equal(dataset.images[rows[1], ..., 0], expected)


def test_dicom_is_windowed_by_its_own_window(loaded):
    dataset = loaded("mammograms dicom")
    stored = pixels(0).astype(np.float64) * 200
    expected = np.clip((stored - (25000 - 0.5 - 39999 / 2)) / 39999 * 255, 0, 255)
    shrunk = np.asarray(Image.fromarray(np.rint(expected).astype(np.uint8)).resize((16, 16), Image.Resampling.NEAREST))
    np.testing.assert_allclose(dataset.images[0, ..., 0].astype(int), shrunk.astype(int), atol=1)


def test_the_draw_of_patches_is_seeded(loaded, tmp_path):
    from tljax.datasets.tasks import _patches as patches

    archive = ARCHIVES["pcam-small"][1](tmp_path)
    first, second = ([example.file for example in patches.draw(archive, 20)] for _ in range(2))
    assert first == second and len(set(first)) == 20
    assert set(first) < set(loaded("pcam-small").files)


def test_patches_of_a_prepared_tfds_are_those_of_the_hdf5_files(loaded, tmp_path):
    dataset, cached = loaded("pcam-small"), tmp_path / "cache"
    (tfds_folder,) = Path(dataset.images.filename).parents[1].glob("tfds/*/*/dataset_info.json")
    again = datasets.load("pcam-small", tfds_folder.parent, 16, cache_dir=cached, progress=False)
    np.testing.assert_array_equal(again.images, dataset.images)
    np.testing.assert_array_equal(again.labels, dataset.labels)


def test_a_large_archive_is_written_in_order_and_in_parts(tmp_path, monkeypatch):
    """What TFDS cannot hold in memory it would sort in files, for which it needs tensorflow."""
    from tensorflow_datasets.core import shuffle

    from tljax.datasets import builder

    monkeypatch.setattr(shuffle, "MAX_MEM_BUFFER_SIZE", 1000)
    monkeypatch.setattr(builder, "SHARD", 25)
    archive = ARCHIVES["folder"][1](tmp_path / "archive")
    dataset = datasets.load("folder", archive, 16, cache_dir=tmp_path / "cache", progress=False)
    assert len(list((tmp_path / "cache").rglob("*.array_record*"))) == 3
    assert list(dataset.files) == sorted(f"{label}/{number}.png" for label in ("cat", "dog") for number in range(30))


def test_own_folder_gives_what_the_breast_task_gives(shared, tmp_path):
    source = shared / "data" / "breast"
    ours = datasets.load("folder", source, 32, cache_dir=tmp_path, progress=False)
    theirs = datasets.load("breast", source, 32, cache_dir=tmp_path, progress=False)
    order = [ours.files.index(file) for file in theirs.files]
    np.testing.assert_array_equal(ours.images[order], theirs.images)
    assert len(theirs) == 780 and ours.card.classes == ("benign", "malignant", "normal")
    np.testing.assert_array_equal(ours.labels[order] == 1, theirs.labels == 1)


def test_folder_warns_that_patients_are_unknown(tmp_path, capsys):
    list(folder_task.examples(ARCHIVES["folder"][1](tmp_path)))
    assert "WARNING: it is unknown which images" in capsys.readouterr().err


def test_archive_file_gives_what_its_folder_gives(loaded, tmp_path):
    root = ARCHIVES["breast"][1](tmp_path / "archive")
    for kind in ("zip", "gztar"):
        archive = shutil.make_archive(str(tmp_path / "busi"), kind, root)
        packed = datasets.load("breast", archive, 16, cache_dir=tmp_path / "cache", progress=False)
        assert packed.fingerprint == loaded("breast").fingerprint


def test_prepared_set_needs_no_archive_and_any_size_can_follow(tmp_path):
    archive, cached = ARCHIVES["thyroid"][1](tmp_path / "archive"), tmp_path / "cache"
    first = datasets.load("thyroid", archive, 16, cache_dir=cached, progress=False)
    shutil.rmtree(archive)
    assert datasets.load("thyroid", None, 16, cache_dir=cached, progress=False).fingerprint == first.fingerprint
    assert datasets.load("thyroid", None, 10, cache_dir=cached, progress=False).images.shape[1:] == (10, 10, 3)


@pytest.mark.parametrize("name", ["phantom", "phantom-source"])
def test_generated_images_are_a_function_of_their_seed(name):
    task = datasets._task(name)
    firsts = [next(iter(task.examples(size))) for size in (24, 24, 48)]
    np.testing.assert_array_equal(firsts[0].image(), firsts[1].image())
    assert firsts[2].image().shape == (48, 48, 3)
    labels = [example.label for example in task.examples(24)]
    assert len(labels) == task.CARD.images and set(labels) == set(task.CARD.classes)


def test_phantom_speckle_is_fully_developed():
    """The envelope of many scatterers is Rayleigh distributed: its mean over its deviation is 1.91."""
    from tljax.datasets.tasks._speckle import Texture, envelope

    scatterers = np.random.default_rng(0).standard_normal((2, 512, 512), np.float32)
    magnitude = envelope(scatterers, Texture(axial=0.003, lateral=0.004))
    assert magnitude.mean() / magnitude.std() == pytest.approx(np.sqrt(np.pi / (4 - np.pi)), rel=0.02)


def test_phantom_lesions_are_darker_than_their_surroundings_and_patients_have_several_views():
    from tljax.datasets.tasks import phantom

    examples = list(phantom.examples(32))
    centre = np.mean([example.image()[12:20, 12:20].mean() for example in examples[:40]])
    edge = np.mean([example.image()[:4].mean() for example in examples[:40]])
    assert centre < edge - 20
    views = Counter(example.patient for example in examples)
    assert set(views.values()) == {1, 2, 3}
    assert all(len({e.label for e in examples if e.patient == patient}) == 1 for patient in list(views)[:20])
