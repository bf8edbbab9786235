"""The order of the work items of a study, and the effect of a failure."""

import errno
import functools
import os
import time

from studies import Inline, fail

from tljax.core.errors import UserError
from tljax.core.progress import console
from tljax.study.display import StudyDisplay
from tljax.study.local import LocalLauncher
from tljax.study.schedule import run_all
from tljax.study.work import Outcome, WorkItem


def do(items):
    launcher, outcomes = Inline(), {}
    with StudyDisplay(console, [], len(items)) as display:
        run_all(items, launcher, display, outcomes)
    return outcomes, launcher.order


def test_work_waits_for_what_it_follows_and_needs():
    nothing = functools.partial(int)
    items = [
        WorkItem("c", nothing, needs=frozenset({"b"})),
        WorkItem("b", nothing, after=frozenset({"a"})),
        WorkItem("a", nothing),
    ]
    assert do(items)[1] == ["a", "b", "c"]


def test_a_failure_stops_what_builds_on_it_and_nothing_else():
    items = [
        WorkItem("bad", functools.partial(fail, UserError("no such image"))),
        WorkItem("needs it", int, needs=frozenset({"bad"})),
        WorkItem("needs that", int, needs=frozenset({"needs it"})),
        WorkItem("follows it", int, after=frozenset({"bad"})),
        WorkItem("crashes", functools.partial(fail, RuntimeError("a bug"))),
        WorkItem("other", int),
    ]
    outcomes, order = do(items)
    assert {name for name, outcome in outcomes.items() if outcome.status == "done"} == {"follows it", "other"}
    assert order == ["bad", "follows it", "crashes", "other"]
    assert outcomes["bad"].message == "no such image"
    assert "RuntimeError: a bug" in outcomes["crashes"].message


def test_a_full_disk_ends_the_study_at_once(tmp_path):
    def refuse():
        try:
            raise ValueError("RESOURCE_EXHAUSTED: failed to write 5 bytes: No space left on device [28]")
        except ValueError as error:
            raise UserError("could not write the checkpoint") from error

    full = functools.partial(fail, OSError(errno.ENOSPC, "No space left on device", "/w/run"))
    for work in (refuse, full):
        outcomes, order = do([WorkItem("first", work, folder=tmp_path), WorkItem("second", int)])
        assert order == ["first"]
        assert outcomes["first"] == Outcome("failed", f"No space left on device: {tmp_path}", halts=True)


def test_a_worker_that_dies_is_one_failure_and_is_replaced():
    items = [WorkItem("dies", functools.partial(os._exit, 1)), WorkItem("lives", int)]
    outcomes = {}
    with StudyDisplay(console, [], len(items)) as display:
        run_all(items, LocalLauncher(), display, outcomes)
    assert outcomes == {
        "dies": Outcome("failed", "its process died: it ran out of memory, or was killed", died=True),
        "lives": Outcome("done"),
    }


class Counting(Inline):
    """A launcher whose items end at once with success; it counts them."""

    def __init__(self):
        super().__init__()
        self.free = 1000

    def submit(self, items):
        self.order += [item.name for item in items]
        self._ended += [(item, Outcome("done")) for item in items]


def test_thirty_thousand_items_are_scheduled_in_seconds():
    """Each group of six trainings is followed by a comparison. A quadratic schedule would take an hour."""
    items = []
    for group in range(5000):
        trainings = [WorkItem(f"train {group} {number}", int) for number in range(6)]
        after = frozenset(item.name for item in trainings)
        items += [*trainings, WorkItem(f"compare {group}", int, after=after)]
    launcher, outcomes = Counting(), {}
    began = time.process_time()
    run_all(items, launcher, Silent(), outcomes)
    assert time.process_time() - began < 120
    assert len(outcomes) == len(items) == 35_000
    assert all(launcher.order.index(f"compare {g}") > launcher.order.index(f"train {g} 5") for g in (0, 2500, 4999))


class Silent:
    def update(self, running):
        pass

    def ended(self, item, outcome):
        pass
