"""Several work items in one SLURM job: each has its outcome, and a stopped job is queued again."""

import functools
import os
import signal
import threading
import time
from types import SimpleNamespace

import pytest
from studies import fail

from tljax.core.errors import UserError
from tljax.study.local import DIED
from tljax.study.slurm import SILENCE, PackedJob, SlurmLauncher, _packs
from tljax.study.work import Outcome, WorkItem


def test_each_item_of_a_job_has_its_own_outcome(tmp_path):
    items = [
        WorkItem("good", functools.partial(os.mkdir, tmp_path / "made")),
        WorkItem("bad", functools.partial(fail, UserError("no such image"))),
        WorkItem("dies", functools.partial(os._exit, 1)),
    ]
    assert PackedJob()(items) == [
        Outcome("done"),
        Outcome("failed", "no such image"),
        Outcome("failed", DIED, died=True),
    ]
    assert (tmp_path / "made").exists()


def test_a_stopped_job_is_queued_again(tmp_path):
    asked = []
    before = signal.signal(signal.SIGUSR2, lambda *_: asked.append("requeue"))
    try:
        threading.Timer(3, os.kill, (os.getpid(), signal.SIGTERM)).start()
        items = [WorkItem(str(number), functools.partial(time.sleep, 300)) for number in range(2)]
        assert PackedJob()(items) == [Outcome("stopped")] * 2
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert asked == ["requeue"]


class FakeJob:
    """A job of submitit, with a result that a test sets."""

    def __init__(self, folder):
        self.paths = SimpleNamespace(result_pickle=folder / "result.pkl", stderr="job.err")
        self.error = None

    def exception(self):
        return self.error

    def result(self):
        return [Outcome("done")]


@pytest.fixture
def launcher(tmp_path, monkeypatch):
    """A launcher with one job, and a queue that a test sets in `queue`."""
    monkeypatch.setattr("tljax.study.slurm.POLL", 0)
    made = object.__new__(SlurmLauncher)
    made._jobs = {"1_0": ([WorkItem("a", int)], FakeJob(tmp_path))}
    made._gone, made._answered, made.queue = {}, time.monotonic(), {"1_0"}

    def answer(*_):
        if isinstance(made.queue, Exception):
            raise made.queue
        return made.queue

    monkeypatch.setattr(made, "_queue", answer)
    return made


def test_a_requeued_job_has_not_failed(launcher):
    job = launcher._jobs["1_0"][1]
    job.paths.result_pickle.touch()
    job.error = RuntimeError("Traceback\nsubprocess.CalledProcessError: 'scontrol requeue' died with SIGTERM\n  - path")
    assert launcher.collect(0.0) == []
    launcher.queue = set()
    ((item, outcome),) = launcher.collect(0.0)
    assert (item.name, outcome.status) == ("a", "failed")
    assert outcome.message.startswith("subprocess.CalledProcessError: 'scontrol") and "job.err" in outcome.message


def test_a_controller_that_does_not_answer_is_waited_for_and_then_named(launcher, monkeypatch):
    launcher.queue = UserError("SLURM does not answer")
    assert launcher.collect(0.0) == []
    launcher._answered -= SILENCE + 1
    with pytest.raises(UserError, match="does not answer"):
        launcher.collect(0.0)
    launcher.queue = set()
    launcher._jobs["1_0"][1].paths.result_pickle.touch()
    assert [outcome.status for _, outcome in launcher.collect(0.0)] == ["done"]


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (3, [3]), (4, [4]), (9, [4, 4, 1])])
def test_packs_hold_every_item_once(count, sizes):
    items = [WorkItem(str(number), int) for number in range(count)]
    packs = _packs(items, 4)
    assert [len(pack) for pack in packs] == sizes
    assert [item for pack in packs for item in pack] == items
