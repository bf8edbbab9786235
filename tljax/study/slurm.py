"""The SLURM launcher: units as job arrays through submitit; a pre-empted or timed-out job goes on in the queue."""

import hashlib
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from tljax.core.config import SlurmConfig
from tljax.core.errors import UserError
from tljax.study.units import Outcome, Unit, attempt

FOLDER = ".slurm"
MANY = 1000  # units in one array
GRACE = 60.0  # seconds that a result may take to show on a shared file system after its job has left the queue
POLL = 5.0
RETRIES = 1000  # time-outs of one job


class Job:
    """What a job runs. It is repeated after pre-emption, since units go on from where they were."""

    def __call__(self, unit: Unit) -> Outcome:
        outcome = attempt(unit)
        if outcome.status == "stopped":
            signal.raise_signal(signal.SIGUSR2)  # submitit puts the job back into the queue and ends the process
        return outcome

    def checkpoint(self, unit: Unit) -> Any:
        """The job anew; called by submitit when SLURM announces that it will end it."""
        import submitit

        return submitit.helpers.DelayedSubmission(self, unit)


class SlurmLauncher:
    """Submits units to the queue and watches for what they leave."""

    def __init__(self, config: SlurmConfig, workdir: Path):
        import submitit

        self._name = f"tljax-{hashlib.sha256(str(workdir).encode()).hexdigest()[:8]}"
        if queued := self._queue("--name", self._name):
            raise UserError(
                f"jobs of this study are still in the queue: {', '.join(sorted(queued))}; wait for them, or end them: "
                f"scancel --name {self._name}"
            )
        self._jobs: dict[str, tuple[Unit, Any]] = {}
        self._gone: dict[str, float] = {}
        self._executor = submitit.SlurmExecutor(workdir / FOLDER, max_num_timeout=RETRIES)
        self._executor.update_parameters(job_name=self._name, time=config.minutes, **_wanted(config))

    @property
    def free(self) -> int:
        """The queue takes all."""
        return MANY

    def submit(self, units: list[Unit]) -> None:
        """One job array."""
        import submitit

        try:
            jobs = self._executor.map_array(Job(), units)
        except (submitit.core.utils.FailedJobError, subprocess.CalledProcessError) as error:
            raise UserError(f"SLURM refuses the jobs: {error}; see --slurm.partition and the like") from error
        self._jobs |= {job.job_id: (unit, job) for unit, job in zip(units, jobs, strict=True)}

    def collect(self, seconds: float) -> list[tuple[Unit, Outcome]]:
        """The units whose jobs have left a result, or have left the queue without one."""
        time.sleep(max(seconds, POLL))
        queued = self._queue("--jobs", ",".join({number.partition("_")[0] for number in self._jobs}))
        ended = []
        for number, (unit, job) in list(self._jobs.items()):
            outcome = self._outcome(number, job, number in queued)
            if outcome:
                del self._jobs[number]
                ended.append((unit, outcome))
        return ended

    def _outcome(self, number: str, job: Any, queued: bool) -> Outcome | None:
        if job.paths.result_pickle.exists():
            error = job.exception()
            return Outcome("failed", str(error).strip().splitlines()[-1]) if error else job.result()
        if queued:
            self._gone.pop(number, None)
        elif time.monotonic() - self._gone.setdefault(number, time.monotonic()) > GRACE:
            return Outcome(
                "failed", f"job {number} ended without a result: out of memory or cancelled? {job.paths.stderr}"
            )
        return None

    def stop(self) -> bool:
        """Nothing to wait for: the jobs do not need this process, and stay in the queue."""
        return False

    def close(self) -> None:
        """Nothing of it is on this machine."""

    def _queue(self, *which: str) -> set[str]:
        """The numbers of jobs that wait or run; arrays told out job by job."""
        command = ["squeue", "--noheader", "--array", "--format=%i", *which]
        try:
            done = subprocess.run(command, capture_output=True, text=True)
        except FileNotFoundError:
            raise UserError(
                "there is no SLURM here (no squeue): use --launcher local, or log in to the cluster"
            ) from None
        if done.returncode and "Invalid job id" not in done.stderr:
            raise UserError(
                f"SLURM does not answer; ask those who run it, or use --launcher local: {done.stderr.strip()}"
            )
        return set(done.stdout.split())


def _wanted(config: SlurmConfig) -> dict[str, Any]:
    """Of the settings those that were given, as submitit names them."""
    given = {
        "partition": config.partition,
        "gres": config.gres,
        "mem": config.memory,
        "cpus_per_task": config.cpus,
        "array_parallelism": config.parallel,
    }
    return {name: value for name, value in given.items() if value is not None}
