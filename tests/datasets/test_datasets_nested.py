"""Users' folders: hospitals around classes, empty folders, files of storage systems, several zips."""

import zipfile
from pathlib import Path

import pytest
from archives import write_images

from tljax import datasets
from tljax.core.errors import UserError
from tljax.datasets.tasks import folder, folder_inner, folder_outer


def load(task: str, data_dir: Path) -> datasets.Dataset:
    return datasets.load(task, data_dir, 16, cache_dir=data_dir.parent / "cache", progress=False)


def labels(examples) -> dict[str, str]:
    return {example.file: example.label for example in examples}


@pytest.mark.parametrize("outer", [("hospitalA", "hospitalB"), ("patient1", "patient2"), ("fold1", "fold2")])
@pytest.mark.parametrize("split", [(), ("train", "val", "test")])
def test_inner_folders_that_recur_stop_and_are_classes_on_request(tmp_path, outer, split):
    own = tmp_path / "own"
    for part in split or ("",):
        write_images(own / part / one / label / "0.png" for one in outer for label in ("benign", "malignant"))
    with pytest.raises(
        UserError,
        match=f"{outer[0]} and {outer[1]} hold folders of the same names \\(benign, malignant\\)"
        ".*--dataset folder-inner.*--dataset folder-outer.*labels.csv",
    ):
        load("folder", own)
    found = list(folder_inner.examples(own))
    assert {example.label for example in found} == {"benign", "malignant"}
    assert {example.split for example in found} == (set(split) or {None})
    assert {example.label for example in folder_outer.examples(own)} == set(outer)


def test_names_that_recur_in_case_only_recur(tmp_path):
    write_images(tmp_path / name / "0.png" for name in ("A/Benign", "A/malignant", "B/benign ", "B/Malignant"))
    with pytest.raises(UserError, match="A and B hold folders of the same names"):
        list(folder.examples(tmp_path))


def test_a_folder_that_directly_holds_images_is_a_class(tmp_path):
    write_images(tmp_path / name for name in ("cat/0.png", "cat/other/1.png", "dog/2.png", "dog/other/3.png"))
    assert set(labels(folder.examples(tmp_path)).values()) == {"cat", "dog"}


def test_several_zips_of_the_same_classes_stop(tmp_path):
    write_images(tmp_path / name for name in ("0.png", "1.png"))
    (tmp_path / "zips").mkdir()
    for name in ("siteA", "siteB"):
        with zipfile.ZipFile(tmp_path / "zips" / f"{name}.zip", "w") as archive:
            for number, label in enumerate(("benign", "malignant")):
                archive.write(tmp_path / f"{number}.png", f"{label}/{number}.png")
    with pytest.raises(UserError, match="siteA and siteB hold folders of the same names"):
        load("folder", tmp_path / "zips")
    assert load("folder-inner", tmp_path / "zips").card.classes == ("benign", "malignant")


def test_an_image_outside_an_inner_folder_is_refused(tmp_path):
    write_images(tmp_path / name for name in ("A/cat/0.png", "A/1.png"))
    with pytest.raises(UserError, match=r"A/1.png is not in the folder of a class inside another folder"):
        list(folder_inner.examples(tmp_path))


@pytest.mark.parametrize("split", [False, True])
def test_folders_without_an_image_are_named(tmp_path, capsys, split):
    parts = ("train", "val", "test") if split else ("",)
    write_images(tmp_path / part / label / "0.png" for part in parts for label in ("cat", "dog"))
    (tmp_path / parts[0] / "fox").mkdir()
    (tmp_path / parts[-1] / "notes").mkdir()
    (tmp_path / parts[-1] / "notes" / "read.txt").touch()
    assert set(labels(folder.examples(tmp_path)).values()) == {"cat", "dog"}
    said = "test/notes, train/fox" if split else "fox, notes"
    assert f"WARNING: 2 folders hold no image and are not classes: {said}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "junk",
    ["@eaDir/0.png/SYNOFILE_THUMB_M.jpg", "$RECYCLE.BIN/old.png", "lost+found/1.png", "System Volume Information/2.png",
     ".Trash-1000/files/3.png", "__MACOSX/cat/._0.png", "cat/@eaDir/0.png", "#recycle/cat/0.png", "cat/Thumbs.db"],
)  # fmt: skip
def test_files_of_a_storage_system_are_neither_images_nor_classes(tmp_path, junk, capsys):
    write_images(tmp_path / label / "0.png" for label in ("cat", "dog"))
    (tmp_path / junk).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / junk).write_bytes((tmp_path / "cat" / "0.png").read_bytes())
    assert labels(folder.examples(tmp_path)) == {"cat/0.png": "cat", "dog/0.png": "dog"}
    assert "hold no image" not in capsys.readouterr().err


class Unmarked(zipfile.ZipInfo):
    """A member of a zip that does not say in which encoding its name is."""

    raw: bytes

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.raw, self.flag_bits


def zipped(path: Path, names: dict[bytes, bytes], readme: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in names.items():
            member = Unmarked(name.decode("cp437"))
            member.raw = name
            archive.writestr(member, content)
        if readme:
            archive.writestr(readme, "read me")
    return path


@pytest.mark.parametrize("readme", ["README", "readme.txt", "LICENSE.md"])
def test_documents_next_to_the_folder_in_a_zip_are_ignored(tmp_path, readme):
    write_images(tmp_path / name for name in ("0.png", "1.png"))
    content = [(tmp_path / name).read_bytes() for name in ("0.png", "1.png")]
    path = zipped(tmp_path / "a.zip", {b"pets/cat/0.png": content[0], b"pets/dog/1.png": content[1]}, readme)
    assert load("folder", path).card.classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("encoding", "classes"), [("gbk", ("良性", "恶性")), ("utf-8", ("Käse", "良性")), ("cp437", ("Größe", "Käse"))]
)
def test_names_in_a_zip_that_does_not_state_their_encoding_are_decoded(tmp_path, encoding, classes):
    write_images(tmp_path / name for name in ("0.png", "1.png"))
    names = {f"{label}/{number}.png".encode(encoding): number for number, label in enumerate(classes)}
    path = zipped(tmp_path / "a.zip", {name: (tmp_path / f"{n}.png").read_bytes() for name, n in names.items()})
    assert set(load("folder", path).card.classes) == set(classes)


MEDMNIST = [
    ("images", lambda images: images.astype("float32"), "train_images holds numbers of the kind float32; uint8"),
    ("images", lambda images: images[..., None, None], r"train_images has the shape .*; \(n, h, w\)"),
    ("labels", lambda labels: labels[:39], r"train_labels has the shape \(39, 1\) for 40 images"),
    ("labels", lambda labels: labels.repeat(14, 1), "train_labels has 14 labels per image"),
    ("labels", lambda labels: labels.astype("float64"), "train_labels holds values of the kind float64"),
    (
        "labels",
        lambda labels: labels.astype("int16") - 1,
        "values of the kind int16; integers from 0 on",
    ),
]


@pytest.mark.parametrize(("kind", "change", "message"), MEDMNIST)
def test_a_set_of_medmnist_that_is_not_covered_is_described(tmp_path, kind, change, message):
    import archives
    import numpy as np

    path = archives.medmnist(tmp_path / "set")
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays[f"train_{kind}"] = change(arrays[f"train_{kind}"])
    np.savez(path, **arrays)
    with pytest.raises(UserError, match=message):
        load("medmnist", path)


def test_parts_of_a_split_inside_the_classes_are_refused_with_what_to_do(tmp_path):
    write_images(tmp_path / label / part / "0.png" for label in ("cat", "dog") for part in ("train", "test"))
    with pytest.raises(
        UserError, match=r"cat and dog hold the parts of a split \(test, train\). Make the parts the outer"
    ):
        list(folder.examples(tmp_path))
