"""Downloads of checkpoints from a real HTTP server on this machine, which may be slow, interrupted or refuse access."""

import dataclasses
import hashlib
import json
import multiprocessing
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from web_server import Server, serving
from weight_files import in_format, random_tensors, to_torch

from tljax import weights
from tljax.core.errors import UserError
from tljax.weights import catalogue, download

NAME = "resnet18"  # a row of the table, which the tests point at their own server


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small checkpoint of torchvision's layout."""
    import torch

    path = tmp_path_factory.mktemp("file") / "small.pth"
    torch.save(to_torch(in_format(random_tensors("resnet_tiny", "torch_v1.5"), "torchvision", "resnet_tiny")), path)
    return path.read_bytes()


@pytest.fixture
def server(content: bytes) -> Iterator[Server]:
    with serving(content) as server:
        yield server


@pytest.fixture
def point_at(server: Server, monkeypatch: pytest.MonkeyPatch):
    """Returns a function that gives the row of the table other addresses and another hash."""

    def point(*paths: str, architecture: str = "resnet_tiny", **columns: str) -> None:
        urls = tuple(path if "://" in path else f"{server.address}/{path}.pth" for path in paths)
        given = {"hash": "", "gate": "", "architecture": architecture} | columns
        row = dataclasses.replace(catalogue.checkpoint(NAME), urls=urls, **given)
        monkeypatch.setattr(catalogue, "checkpoints", lambda: {NAME: row})

    return point


def test_the_table_of_checkpoints_is_consistent():
    from tljax import models
    from tljax.models.normalisation import NORMALISATIONS

    known = catalogue.checkpoints()
    columns = {field.name for field in dataclasses.fields(catalogue.Checkpoint)}
    assert {"imagenet", "imagenet-torch", "radimagenet", "dinov2-small", "rad-dino", "mae-base"} <= known.keys()
    for row in known.values():
        assert row.gate in ("", "huggingface", "form") and bool(row.urls) == (row.gate != "form"), row.name
        assert all(url.startswith("https://") for url in row.urls), row.name
        assert set(row.unconfirmed) <= columns, row.name
        assert row.supported == (row.architecture in models.names()), row.name
        assert not row.normalisation or row.normalisation in NORMALISATIONS, row.name
        assert row.hash.partition(":")[0] in ("", "md5", "sha256", "sha256-starts"), row.name


@pytest.mark.parametrize("path", ["whole", "slow", "redirect"])
def test_a_checkpoint_is_downloaded_and_converted_once(path, server, point_at, content, tmp_path):
    point_at(path, hash=f"sha256:{hashlib.sha256(content).hexdigest()}")
    folder = download.get(NAME, tmp_path, quiet=True)
    _, card = weights.load(folder)
    assert folder == tmp_path / NAME and card.name == NAME and card.backbone == "resnet_tiny"
    assert {entry.name for entry in tmp_path.iterdir() if not entry.name.startswith(".")} == {NAME, "downloads.json"}
    asked = len(server.asked)
    assert download.get(NAME, tmp_path, quiet=True) == folder and len(server.asked) == asked


def test_the_input_that_the_table_states_replaces_that_of_the_format(point_at, tmp_path):
    point_at("whole", normalisation="inception")
    _, card = weights.load(download.get(NAME, tmp_path, quiet=True))
    assert card.normalisation == weights.NORMALISATIONS["inception"]


def test_rad_dino_has_its_own_input():
    """Its file has the names of DINOv2 in transformers, whose format implies ImageNet's input."""
    assert catalogue.checkpoint("rad-dino").normalisation == "rad_dino"


def test_the_next_mirror_is_tried_if_one_fails(server, point_at, tmp_path):
    point_at("absent", "broken", "whole")
    download.get(NAME, tmp_path, quiet=True)
    assert server.asked == ["/absent.pth", "/broken.pth", "/whole.pth"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("absent", r"HTTP 404.*another machine.*--from FILE"),
        ("broken", r"interrupted.*--from FILE"),
        ("refused", r"HTTP 403"),
        ("login", r"web page instead of the file"),
    ],
)
def test_a_failed_download_is_reported_and_leaves_no_file(path, message, point_at, tmp_path):
    point_at(path)
    with pytest.raises(UserError, match=message):
        download.get(NAME, tmp_path, quiet=True)
    assert not [entry for entry in tmp_path.iterdir() if not entry.name.startswith(".")]


def test_without_a_connection_the_message_says_what_to_do(point_at, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    point_at(f"http://127.0.0.1:{port}/whole.pth")
    with pytest.raises(UserError, match=rf"no connection.*Download http://127.0.0.1:{port}/whole.pth .*--from FILE"):
        download.get(NAME, tmp_path, quiet=True)


@pytest.mark.parametrize("kind", ["md5", "sha256", "sha256-starts"])
def test_a_changed_file_is_refused(kind, point_at, content, tmp_path):
    digest = hashlib.md5(content) if kind == "md5" else hashlib.sha256(content)
    stated = digest.hexdigest()[: 8 if kind == "sha256-starts" else None]
    point_at("changed", hash=f"{kind}:{stated}")
    with pytest.raises(UserError, match="does not have the hash that its publisher states"):
        download.get(NAME, tmp_path, quiet=True)
    assert not weights.folder.is_whole(tmp_path / NAME)


def test_without_a_stated_hash_the_first_download_is_remembered(point_at, content, tmp_path):
    point_at("whole")
    folder = download.get(NAME, tmp_path, quiet=True)
    assert json.loads((tmp_path / "downloads.json").read_text()) == {NAME: hashlib.sha256(content).hexdigest()}
    folder.rename(tmp_path / "elsewhere")
    point_at("changed")
    with pytest.raises(UserError, match="differs from the first download of resnet18"):
        download.get(NAME, tmp_path, quiet=True)


def test_a_file_that_the_user_downloaded_is_kept(point_at, content, tmp_path):
    point_at("absent")
    (tmp_path / "mine.pth").write_bytes(content)
    download.get(NAME, tmp_path / "weights", source=tmp_path / "mine.pth", quiet=True)
    assert (tmp_path / "mine.pth").read_bytes() == content


def test_a_wrong_file_is_not_remembered_as_the_first_download(point_at, content, tmp_path):
    import torch

    point_at("whole")
    wrong = {"conv1.weight": torch.ones(1)}
    torch.save(wrong, tmp_path / "wrong.pth")
    with pytest.raises(UserError, match="no network that can be converted"):
        download.get(NAME, tmp_path / "weights", source=tmp_path / "wrong.pth", quiet=True)
    assert weights.folder.is_whole(download.get(NAME, tmp_path / "weights", quiet=True))


def test_a_folder_of_something_else_is_refused_before_the_download(server, point_at, tmp_path):
    point_at("whole")
    (tmp_path / NAME).mkdir()
    with pytest.raises(UserError, match="resnet18 exists but is not a complete weights folder; remove it"):
        download.get(NAME, tmp_path, quiet=True)
    assert not server.asked


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"--from .*mine\.pth: there is no such file"):
        download.get(NAME, tmp_path / "weights", source=tmp_path / "mine.pth", quiet=True)
    assert not (tmp_path / "weights").exists()


def test_a_file_with_another_network_is_refused(point_at, content, tmp_path, monkeypatch):
    point_at("whole")
    row = dataclasses.replace(catalogue.checkpoints()[NAME], architecture="resnet18")
    monkeypatch.setattr(catalogue, "checkpoints", lambda: {NAME: row})
    with pytest.raises(UserError, match="holds a resnet_tiny, but resnet18 is a resnet18"):
        download.get(NAME, tmp_path, quiet=True)


def test_the_hub_endpoint_is_used_and_only_it_receives_the_token(server, point_at, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    monkeypatch.setenv("HF_TOKEN", "secret")
    point_at("https://huggingface.co/whole.pth", gate="huggingface")
    download.get(NAME, tmp_path / "one", quiet=True)
    assert server.tokens == ["Bearer secret"]
    monkeypatch.delenv("HF_ENDPOINT")
    point_at("whole")
    download.get(NAME, tmp_path / "two", quiet=True)
    assert server.tokens == ["Bearer secret", None]


def test_terms_that_must_be_accepted_are_named(point_at, tmp_path):
    point_at("refused", gate="huggingface")
    with pytest.raises(UserError, match=r"accept its terms at .* and set HF_TOKEN"):
        download.get(NAME, tmp_path, quiet=True)


def _get(row: catalogue.Checkpoint, folder: Path) -> None:
    catalogue.checkpoints = lambda: {NAME: row}
    download.get(NAME, folder, quiet=True)


def test_only_one_of_two_processes_downloads(server, point_at, tmp_path):
    point_at("slow")
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=_get, args=(catalogue.checkpoints()[NAME], tmp_path)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0] and server.asked == ["/slow.pth"]


def test_a_killed_download_leaves_no_complete_folder(server, point_at, tmp_path):
    point_at("slow")
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_get, args=(catalogue.checkpoints()[NAME], tmp_path))
    process.start()
    while not server.asked:
        time.sleep(0.01)
    process.kill()
    process.join()
    assert not weights.folder.is_whole(tmp_path / NAME)
    point_at("whole")
    assert weights.folder.is_whole(download.get(NAME, tmp_path, quiet=True))


def test_an_unsupported_backbone_is_refused_before_the_download(server, point_at, tmp_path):
    point_at("whole", architecture="convnext_of_tomorrow")
    with pytest.raises(UserError, match="which tljax cannot convert yet"):
        download.get(NAME, tmp_path, quiet=True)
    assert not server.asked
