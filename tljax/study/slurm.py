"""Runs work items as SLURM job arrays with submitit. A pre-empted or timed-out job is queued again."""

import hashlib
import re
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tljax.core import extras
from tljax.core.config import SlurmConfig
from tljax.core.errors import Requeue, UserError
from tljax.study.local import LocalLauncher
from tljax.study.schedule import run_all
from tljax.study.work import Outcome, WorkItem, attempt

FOLDER = ".slurm"
MANY = 1000  # largest number of jobs in one array
GRACE = 60.0  # seconds that a result may take to appear on a shared file system after its job has left the queue
POLL = 5.0  # seconds
SILENCE = 900.0  # seconds without an answer of SLURM after which the study stops; its jobs continue
RETRIES = 1000  # largest number of time-outs of one job


class PackedJob:
    """The content of a job: one work item, or several side by side.

    After pre-emption the job runs again: finished items end at once, and the others continue.
    """

    def __call__(self, items: Sequence[WorkItem]) -> list[Outcome]:
        outcomes = [attempt(items[0])] if len(items) == 1 else side_by_side(items)
        if any(outcome.status == "stopped" for outcome in outcomes):
            signal.raise_signal(signal.SIGUSR2)  # submitit puts the job back into the queue and ends the process
        return outcomes

    def checkpoint(self, items: Sequence[WorkItem]) -> Any:
        """Returns the same job again; submitit calls it when SLURM announces that it will end the job."""
        import submitit

        return submitit.helpers.DelayedSubmission(self, items)


class _NoDisplay:
    """Shows nothing, because the process of the study shows the progress."""

    def update(self, running: Iterable[WorkItem]) -> None:
        pass

    def ended(self, item: WorkItem, outcome: Outcome) -> None:
        pass


def side_by_side(items: Sequence[WorkItem]) -> list[Outcome]:
    """Does work items at the same time, each in its own process. SIGTERM stops all of them."""
    outcomes: dict[str, Outcome] = {}
    with suppress(Requeue):  # the outcomes show which items were stopped
        run_all(items, LocalLauncher(per_device=len(items)), _NoDisplay(), outcomes)
    return [outcomes.get(item.name, Outcome("stopped")) for item in items]


class SlurmLauncher:
    """Submits work items to the queue and collects their results."""

    def __init__(self, config: SlurmConfig, workdir: Path):
        extras.require("submitit", to="run a study on SLURM")
        import submitit

        self._name = f"tljax-{hashlib.sha256(str(workdir).encode()).hexdigest()[:8]}"
        if queued := self._queue("--name", self._name):
            raise UserError(
                f"jobs of this study are still in the queue: {', '.join(sorted(queued))}; wait for them, or end them "
                f"with: scancel --name {self._name}"
            )
        self._pack = config.pack
        self._jobs: dict[str, tuple[list[WorkItem], Any]] = {}
        self._gone: dict[str, float] = {}
        self._answered = time.monotonic()
        self._executor = submitit.SlurmExecutor(workdir / FOLDER, max_num_timeout=RETRIES)
        self._executor.update_parameters(job_name=self._name, time=config.minutes, **_wanted(config))

    @property
    def free(self) -> int:
        """The number of items that can be submitted now."""
        return MANY * self._pack

    def submit(self, items: list[WorkItem]) -> None:
        """Submits one job array. Trainings are packed only with trainings, so that all jobs take similar time."""
        from submitit.core.utils import FailedJobError

        trainings, others = ([item for item in items if bool(item.folder) == trains] for trains in (True, False))
        packs = [list(pack) for kind in (trainings, others) for pack in _packs(kind, self._pack)]
        try:
            jobs = self._executor.map_array(PackedJob(), packs)
        except (FailedJobError, subprocess.CalledProcessError) as error:
            raise UserError(f"SLURM refuses the jobs: {error}; check --slurm.partition and similar options") from error
        self._jobs |= {job.job_id: (pack, job) for pack, job in zip(packs, jobs, strict=True)}

    def collect(self, seconds: float) -> list[tuple[WorkItem, Outcome]]:
        """Returns the items whose jobs have left a result, or have left the queue without one."""
        time.sleep(max(seconds, POLL))
        try:
            queued = self._queue("--jobs", ",".join({number.partition("_")[0] for number in self._jobs}))
            self._answered = time.monotonic()
        except UserError:
            if time.monotonic() - self._answered > SILENCE:
                raise
            return []  # the jobs continue without the controller, which may be busy or restarting
        ended: list[tuple[WorkItem, Outcome]] = []
        for number, (pack, job) in list(self._jobs.items()):
            if outcomes := self._outcomes(number, len(pack), job, number in queued):
                del self._jobs[number]
                ended += zip(pack, outcomes, strict=True)
        return ended

    def _outcomes(self, number: str, count: int, job: Any, queued: bool) -> list[Outcome] | None:
        if job.paths.result_pickle.exists():
            error = job.exception()
            if error is None:
                return job.result()
            if not queued:
                return [Outcome("failed", f"{_reason(error)}; see {job.paths.stderr}")] * count
        if queued:  # with an error: SLURM queued the job again so quickly that it killed the command that asked for it
            self._gone.pop(number, None)
        elif time.monotonic() - self._gone.setdefault(number, time.monotonic()) > GRACE:
            message = f"job {number} ended without a result (out of memory, or cancelled?); see {job.paths.stderr}"
            return [Outcome("failed", message)] * count
        return None

    def stop(self) -> bool:
        """Returns False: there is nothing to wait for, because the jobs do not need this process."""
        return False

    def close(self) -> None:
        """Does nothing, because no process runs on this machine."""

    def _queue(self, *which: str) -> set[str]:
        """Returns the numbers of the jobs that wait or run, including every job of an array."""
        command = ["squeue", "--noheader", "--array", "--format=%i", *which]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except FileNotFoundError:
            raise UserError(
                "SLURM is not installed on this machine (no squeue): use --launcher local, or log in to the cluster"
            ) from None
        if done.returncode and "Invalid job id" not in done.stderr:
            raise UserError(
                f"SLURM does not answer; ask its administrators, or use --launcher local: {done.stderr.strip()}"
            )
        return set(done.stdout.split())


def _reason(error: Exception) -> str:
    """Returns the last line that names an exception, from submitit's message on a job that failed."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Interrupt)\b", line)]
    return (named or lines or [type(error).__name__])[-1]


def _packs(items: Sequence[WorkItem], size: int) -> list[Sequence[WorkItem]]:
    """Divides items into packs of at most `size`."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def _wanted(config: SlurmConfig) -> dict[str, Any]:
    """Returns the given settings with submitit's names."""
    given = {
        "partition": config.partition,
        "gres": config.gres,
        "mem": config.memory,
        "cpus_per_task": config.cpus,
        "array_parallelism": config.parallel,
    }
    return {name: value for name, value in given.items() if value is not None}
