"""Several work items in one SLURM job: each has its outcome, and a job that is told to stop is queued again."""

import functools
import os
import signal
import threading
import time

import pytest
from studies import fail

from tljax.core.errors import UserError
from tljax.study.local import DIED
from tljax.study.slurm import PackedJob, _packs
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


def test_a_job_that_is_told_to_stop_asks_to_be_queued_again(tmp_path):
    asked = []
    before = signal.signal(signal.SIGUSR2, lambda *_: asked.append("requeue"))
    try:
        threading.Timer(3, os.kill, (os.getpid(), signal.SIGTERM)).start()
        items = [WorkItem(str(number), functools.partial(time.sleep, 300)) for number in range(2)]
        assert PackedJob()(items) == [Outcome("stopped")] * 2
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert asked == ["requeue"]


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (3, [3]), (4, [4]), (9, [4, 4, 1])])
def test_packs_hold_every_item_once(count, sizes):
    items = [WorkItem(str(number), int) for number in range(count)]
    packs = _packs(items, 4)
    assert [len(pack) for pack in packs] == sizes
    assert [item for pack in packs for item in pack] == items
