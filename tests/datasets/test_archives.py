"""Archives of data sets by name, from a real HTTP server on this machine; the table that names them."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from web_server import Server, serving

from tljax import datasets
from tljax.core.errors import UserError
from tljax.datasets import __main__ as command
from tljax.datasets import archives

NAME = "pneumoniamnist"


@pytest.fixture(scope="module")
def content() -> bytes:
    """A small set of MedMNIST's layout."""
    rng, arrays = np.random.default_rng(0), {}
    for split, count in (("train", 40), ("val", 10), ("test", 10)):
        arrays[f"{split}_images"] = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        arrays[f"{split}_labels"] = (np.arange(count) % 2)[:, None].astype(np.uint8)
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


@pytest.fixture
def server(content: bytes) -> Iterator[Server]:
    with serving(content) as server:
        yield server


@pytest.fixture
def offer(server: Server, monkeypatch: pytest.MonkeyPatch):
    """Makes the table offer files of the test's server."""

    def offer(*paths: str, hash: str = "", name: str = NAME) -> None:
        files = tuple((f"{server.address}/{path}.npz", hash) for path in paths)
        archive = archives.Archive(name, "medmnist", files, "CC BY 4.0", "https://medmnist.com")
        monkeypatch.setattr(archives, "archives", lambda: {name: archive})

    return offer


def test_the_table_is_sound():
    known = archives.archives()
    assert {"breast", "isic", "pathmnist", "pathmnist-224"} <= known.keys() and len(known["isic"].files) == 3
    for archive in known.values():
        assert archive.task in datasets.names() and archive.licence, archive.name
        for url, stated in archive.files:
            assert url.startswith("https://") and "?" not in url, archive.name
            assert stated == "" or (stated.startswith("md5:") and len(stated) == 36), archive.name
    assert len({url for archive in known.values() for url, _ in archive.files}) == sum(
        len(archive.files) for archive in known.values()
    )


def test_an_archive_is_downloaded_once_and_found_without_being_named(server, offer, content, tmp_path):
    offer("whole", hash=f"md5:{hashlib.md5(content).hexdigest()}")
    place = archives.get(NAME, tmp_path, quiet=True)
    assert place.read_bytes() == content
    assert archives.get(NAME, tmp_path, quiet=True) == place and server.asked == ["/whole.npz"]
    data = datasets.load("medmnist", cache_dir=tmp_path, progress=False)
    assert len(data) == 60 and np.bincount(data.labels).tolist() == [30, 30]


def test_another_file_than_the_stated_one_is_refused(offer, content, tmp_path):
    offer("changed", hash=f"md5:{hashlib.md5(content).hexdigest()}")
    with pytest.raises(UserError, match="does not have the hash that its publisher states"):
        archives.get(NAME, tmp_path, quiet=True)
    assert archives.downloaded("medmnist", tmp_path) is None


def test_a_download_of_several_files_continues_where_it_ended(server, offer, tmp_path):
    offer("whole", "absent")
    with pytest.raises(UserError, match=r"pneumoniamnist/absent.npz .*404.* put it into .* run the same command again"):
        archives.get(NAME, tmp_path, quiet=True)
    assert archives.downloaded("medmnist", tmp_path) is None
    offer("whole", "slow")
    folder = archives.get(NAME, tmp_path, quiet=True)
    assert server.asked == ["/whole.npz", "/absent.npz", "/slow.npz"]
    assert archives.downloaded("medmnist", tmp_path) == folder


def test_a_file_that_the_user_put_there_is_used(server, offer, content, tmp_path):
    offer("absent")
    folder = tmp_path / "archives" / NAME
    folder.mkdir(parents=True)
    (folder / "absent.npz").write_bytes(content)
    assert archives.get(NAME, tmp_path, quiet=True) == folder / "absent.npz" and not server.asked


def test_of_several_archives_one_must_be_named(tmp_path):
    for name in ("pathmnist", "bloodmnist"):
        folder: Path = tmp_path / "archives" / name
        folder.mkdir(parents=True)
        (folder / archives.WHOLE).touch()
    with pytest.raises(UserError, match=r"pathmnist, bloodmnist.*--data-dir"):
        datasets.load("medmnist", cache_dir=tmp_path, progress=False)


@pytest.mark.parametrize(
    ("name", "message"),
    [("knee", "cannot be downloaded automatically; get it from http"), ("kneee", "there is no archive 'kneee'")],
)
def test_an_archive_that_cannot_be_downloaded_is_explained(name, message):
    with pytest.raises(UserError, match=message):
        command.get([name])


def test_the_command_says_how_to_use_it(offer, tmp_path, capsys):
    offer("whole")
    command.get([NAME, "--cache-dir", str(tmp_path)])
    out, err = capsys.readouterr()
    assert out.strip() == str(tmp_path / "archives" / NAME / "whole.npz")
    assert "licence: CC BY 4.0" in err and f"tljax train --dataset medmnist --data-dir {out.strip()}" in err


def test_a_set_that_is_absent_names_the_command(tmp_path):
    with pytest.raises(UserError, match="`tljax datasets get breast`"):
        datasets.load("breast", cache_dir=tmp_path, progress=False)
