"""The SLURM launcher on a real SLURM: it writes the tables of the local one, and continues a pre-empted run."""

import dataclasses
import functools
import subprocess
import threading
import time
from pathlib import Path

import pytest
from studies import TINY, phantom_study, without_clock

from slurm.cluster import one_node, why_not
from slurm.short_work import work_a_second
from tljax.core import runs
from tljax.core.config import SlurmConfig
from tljax.core.errors import UserError
from tljax.core.progress import console
from tljax.study.display import StudyDisplay
from tljax.study.run import run_study
from tljax.study.schedule import run_all
from tljax.study.slurm import SlurmLauncher
from tljax.study.work import WorkItem

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "SLURM is here")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with one_node(tmp_path_factory.mktemp("slurm")):
        yield


@pytest.mark.timeout(1800)
def test_both_launchers_write_the_same_tables_and_a_pre_empted_run_continues(cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("TLJAX_CACHE", str(tmp_path / "cache"))
    train = dataclasses.replace(TINY, epochs=8)
    slurm = SlurmConfig(partition="all", minutes=30, memory="1G", cpus=1)
    config = phantom_study(tmp_path / "slurm", train=train, protocols=(), launcher="slurm", slurm=slurm)
    first = config.workdir / "phantom" / "random-nofreeze" / "fold1"
    preempting = threading.Thread(target=preempt_after, args=(first, 2))
    preempting.start()
    by_slurm = without_clock(run_study(config))
    preempting.join()
    logs = "".join(path.read_text() for path in (config.workdir / ".slurm").glob("*.err"))
    assert "Requeued job" in logs
    assert len(runs.read_run(first).metrics) == train.epochs

    local = dataclasses.replace(config, workdir=tmp_path / "local", launcher="local")
    assert without_clock(run_study(local)) == by_slurm


ITEMS = 1000


@pytest.mark.timeout(3600)
def test_a_thousand_short_items_in_packs_all_finish_though_half_were_pre_empted(cluster, tmp_path, monkeypatch):
    """Every second item ends once like a training that was told to stop, and its job is queued again."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))  # for the jobs
    items = [
        WorkItem(str(number), functools.partial(work_a_second, tmp_path, number, number % 2 == 0))
        for number in range(ITEMS)
    ]
    launcher = SlurmLauncher(SlurmConfig(partition="all", minutes=30, memory="100M", cpus=1, pack=4), tmp_path)
    outcomes = {}
    with StudyDisplay(console, [], len(items)) as display:
        run_all(items, launcher, display, outcomes)
    assert {(outcome.status, outcome.message) for outcome in outcomes.values()} == {("done", "")}
    assert len(outcomes) == len(list(tmp_path.glob("done-*"))) == ITEMS
    assert len(list(tmp_path.glob("stopped-*"))) >= ITEMS / 8  # at least one in every job


def preempt_after(run: Path, epochs: int) -> None:
    """Tells the job of a run to stop after some epochs, as SLURM tells a job that it pre-empts."""
    deadline = time.monotonic() + 300
    while len(runs.read_run(run).metrics) < epochs and time.monotonic() < deadline:
        time.sleep(0.05)
    running = subprocess.run(
        ["squeue", "--noheader", "--array", "--states=RUNNING", "--format=%i"], capture_output=True, text=True
    )
    for job in running.stdout.split():
        subprocess.run(["scancel", "--signal=TERM", job], check=True)


def test_a_partition_that_does_not_exist_is_one_clear_message(cluster, tmp_path):
    slurm = SlurmConfig(partition="nowhere")
    with pytest.raises(UserError, match="SLURM refuses the jobs"):
        run_study(phantom_study(tmp_path, launcher="slurm", slurm=slurm))
