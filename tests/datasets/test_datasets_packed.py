"""Packed archives are not trusted: paths that lead outside, bombs, links, incomplete files."""

import gzip
import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from archives import pixels, write_images

from tljax import datasets
from tljax.core.errors import UserError
from tljax.datasets import archive as archive_module


def load(task: str, data_dir: Path, **options) -> datasets.Dataset:
    return datasets.load(task, data_dir, 16, cache_dir=data_dir.parent / "cache", progress=False, **options)


def make_zip(path: Path, *names: str, content: bytes = b"x", mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return path


@pytest.mark.parametrize("name", ["../outside.png", "/etc/outside.png", "cat/../../outside.png", "..\\outside.png"])
def test_a_zip_that_writes_outside_its_folder_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="would be written outside its folder"):
        load("folder", make_zip(tmp_path / "evil.zip", name))
    assert not list(tmp_path.rglob("outside.png"))


def test_folders_in_a_zip_of_windows_may_be_separated_by_backslashes(tmp_path):
    write_images(tmp_path / name for name in ("cat.png", "dog.png"))
    with zipfile.ZipFile(tmp_path / "own.zip", "w") as archive:
        for label in ("cat", "dog"):
            member = zipfile.ZipInfo()
            member.filename, member.create_system = f"own\\{label}\\0.png", 0
            archive.writestr(member, (tmp_path / f"{label}.png").read_bytes())
    assert load("folder", tmp_path / "own.zip").files == ("cat/0.png", "dog/0.png")


def test_a_tar_that_writes_outside_its_folder_or_holds_links_is_refused(tmp_path):
    write_images([tmp_path / "image.png"])
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "image.png", "../outside.png")
    with pytest.raises(UserError, match="would be written outside its folder"):
        load("folder", tmp_path / "evil.tar.gz")
    (tmp_path / "link").symlink_to("/etc/passwd")
    with tarfile.open(tmp_path / "links.tar", "w") as archive:
        archive.add(tmp_path / "link", "cat/link.png")
    with pytest.raises(UserError, match=r"holds cat/link.png, which is neither a file nor a folder"):
        load("folder", tmp_path / "links.tar")


def test_a_zip_with_links_is_refused(tmp_path):
    path = make_zip(tmp_path / "links.zip", "cat/link.png", content=b"/etc/passwd", mode=stat.S_IFLNK | 0o777)
    with pytest.raises(UserError, match="holds symbolic links"):
        load("folder", path)


def test_a_zip_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_module, "MIN_BOMB_BYTES", 1 << 20)
    path = make_zip(tmp_path / "bomb.zip", "cat/0.png", "dog/0.png", content=b"\0" * (2 << 20))
    with pytest.raises(UserError, match="decompression bomb"):
        load("folder", path)


def test_an_archive_cut_off_or_of_another_kind_is_refused(tmp_path):
    whole = make_zip(tmp_path / "whole.zip", "cat/0.png").read_bytes()
    (tmp_path / "half.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"half.zip cannot be unpacked .*; fetch it again"):
        load("folder", tmp_path / "half.zip")
    (tmp_path / "archive.rar").write_bytes(whole)
    with pytest.raises(UserError, match=r"neither a folder nor one of .zip"):
        load("folder", tmp_path / "archive.rar")


def test_a_mistake_in_an_archive_names_the_archive_and_leaves_no_files(tmp_path):
    path = make_zip(tmp_path / "other.zip", "readme.txt")
    with pytest.raises(UserError, match=r"/other.zip is not the complete archive of breast: there is no benign"):
        load("breast", path)
    assert not list(tmp_path.rglob("readme.txt"))


def test_packed_files_in_a_packed_file_and_volumes_are_named_as_the_user_gave_them(tmp_path, capsys):
    path = make_zip(tmp_path / "outer.zip", "a/cats.zip", "b/dogs.zip")
    with pytest.raises(UserError, match=r"outer.zip holds no image .* packed files \(2 .zip\): unpack them yourself"):
        load("folder", path)
    (tmp_path / "brains").mkdir()
    with gzip.open(tmp_path / "brains" / "1.nii.gz", "wb") as file:
        file.write(b"volume")
    with pytest.raises(UserError, match=r"/brains holds no image .* but 1 .nii; save the images or slices as PNG"):
        load("folder", tmp_path / "brains")
    assert "cache" not in capsys.readouterr().err


def test_medmnist_of_another_kind_is_refused(tmp_path):
    arrays = {
        f"{split}_{kind}": np.zeros((4, 2), np.uint8)
        for split in ("train", "val", "test")
        for kind in ("images", "labels")
    }
    np.savez(tmp_path / "other.npz", **arrays)
    with pytest.raises(UserError, match=r"train_images has the shape \(4, 2\); .*as in the 2-D sets"):
        load("medmnist", tmp_path / "other.npz")
    for split in ("train", "val", "test"):
        arrays[f"{split}_images"] = pixels(0, (4, 28, 28))
    np.savez(tmp_path / "several.npz", **arrays)
    with pytest.raises(UserError, match="has 2 labels per image"):
        load("medmnist", tmp_path / "several.npz")


def test_two_archives_that_would_unpack_the_same_file_to_one_place_are_refused(tmp_path):
    """Both would be unpacked into the folder `set`, and one of the two images would be lost."""
    for version in ("v1", "v2"):
        (tmp_path / "own").mkdir(exist_ok=True)
        make_zip(tmp_path / "own" / f"set.{version}.zip", f"cat/{version}.png", "dog/a.png", content=version.encode())
    with pytest.raises(UserError, match=r"set.v2.zip and another packed file, .* folder set, both hold 'dog/a.png'"):
        load("folder", tmp_path / "own")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_that_holds_a_file_twice_is_refused(tmp_path):
    """Unpacking would keep the last one and lose the other."""
    with pytest.raises(UserError, match=r"holds 'cat/a\.png' twice"):
        load("folder", make_zip(tmp_path / "own.zip", "cat/a.png", "dog/a.png", "cat/a.png"))
    (tmp_path / "a.png").write_bytes(b"x")
    with tarfile.open(tmp_path / "own.tar", "w") as archive:
        for name in ("cat/a.png", "dog/a.png", "./cat/a.png"):
            archive.add(tmp_path / "a.png", name)
    with pytest.raises(UserError, match=r"holds '(\./)?cat/a\.png' twice"):
        load("folder", tmp_path / "own.tar")
