"""The order of a study's work, and what a failure stops."""

import errno
import functools
import os

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
        "dies": Outcome("failed", "its process died: out of memory, or killed", died=True),
        "lives": Outcome("done"),
    }
