"""Several workers on a device: their number, their share of the memory, and equal results."""

import dataclasses
import functools
import json
import time
from pathlib import Path

import pytest
from studies import TINY

from benchmarks.crash import assert_same, folder_of
from tljax.core import runs
from tljax.core.progress import console
from tljax.study.display import StudyDisplay
from tljax.study.local import LocalLauncher, _environment
from tljax.study.schedule import run_all
from tljax.study.sharing import Sharing
from tljax.study.stages.train import train_run
from tljax.study.work import WorkItem


@pytest.fixture
def folders(tmp_path) -> list[Path]:
    """Three run folders without an epoch."""
    made = [tmp_path / str(number) for number in range(3)]
    for folder in made:
        folder.mkdir()
        (folder / runs.CONFIG).write_text(json.dumps({"config": {"image_size": 32}}))
    return made


def train_side_by_side(sharing: Sharing, folders, rate: float, memory: int | None = None) -> int:
    """Writes two epochs of all runs at a rate, and returns the number of workers that then share the device."""
    sharing.changed([folders])
    row = json.dumps({"images_per_second": rate, "device_memory_bytes": memory}) + "\n"
    for _ in range(2):
        assert sharing.count == len(folders)  # one epoch, which may have compiled, says nothing
        for folder in folders:
            with (folder / runs.METRICS).open("a") as lines:
                lines.write(row)
        sharing.measure([folders])
    return sharing.count


def test_workers_are_added_while_the_throughput_rises(folders):
    sharing = Sharing("auto")
    assert train_side_by_side(sharing, folders[:1], 100) == 2
    assert train_side_by_side(sharing, folders[:2], 80) == 3
    assert train_side_by_side(sharing, folders, 54) == 2  # 162 in all, after 160
    sharing.changed([folders[:2]])
    sharing.measure([folders[:2]])
    assert sharing.count == 2


def test_no_worker_is_added_without_memory_for_it(folders):
    assert train_side_by_side(Sharing("auto", memory=79), folders[:1], 100, memory=40) == 1
    assert train_side_by_side(Sharing("auto", memory=80), folders[1:2], 100, memory=40) == 2


def test_a_given_number_is_kept(folders):
    sharing = Sharing(3)
    sharing.changed([folders])
    sharing.measure([folders])
    assert sharing.count == 3


def test_each_worker_has_its_share_of_a_gpus_memory(monkeypatch):
    monkeypatch.delenv("XLA_PYTHON_CLIENT_MEM_FRACTION", raising=False)
    assert _environment(1, "gpu") == _environment(4, "cpu") == {}
    assert _environment(4, "gpu") == {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.225"}
    assert _environment("auto", "gpu") == {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    monkeypatch.setenv("XLA_PYTHON_CLIENT_MEM_FRACTION", "0.5")
    assert _environment(2, "gpu") == {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.250"}


def meet(folder: Path, me: int, other: int) -> None:
    """Ends only when the other run has begun."""
    (folder / str(me)).touch()
    deadline = time.monotonic() + 120
    while not (folder / str(other)).exists():
        assert time.monotonic() < deadline, "the other one did not begin"
        time.sleep(0.05)


def do(items: list[WorkItem], per_device: int) -> set[str]:
    outcomes = {}
    with StudyDisplay(console, [], len(items)) as display:
        run_all(items, LocalLauncher(per_device), display, outcomes)
    return {outcome.status + outcome.message for outcome in outcomes.values()}


def test_parallel_runs_give_the_same_bits_as_sequential_ones(tmp_path):
    """Each run waits for the other before it trains, so they must run in parallel."""
    base = dataclasses.replace(TINY, quiet=True, learning_rate=1e-3)
    alone, together = ([], [])
    for fold in (1, 2):
        alone.append(dataclasses.replace(base, fold=fold, workdir=tmp_path / "alone"))
        together.append(dataclasses.replace(base, fold=fold, workdir=tmp_path / "together"))
    assert do([WorkItem(f"alone {c.fold}", functools.partial(train_run, c)) for c in alone], 1) == {"done"}
    items = [
        WorkItem(f"together {c.fold}", functools.partial(meet_and_train, tmp_path, c.fold, 3 - c.fold, c))
        for c in together
    ]
    assert do(items, 2) == {"done"}
    for one, other in zip(alone, together, strict=True):
        assert_same(folder_of(other), folder_of(one))


def meet_and_train(folder: Path, me: int, other: int, config) -> None:
    meet(folder, me, other)
    train_run(config)
