"""The devices of a run: processes, mesh, precision, compilation cache."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from tljax.core.config import TrainConfig
from tljax.core.errors import UserError

RESIDENT_SHARE = 0.5  # of a device's memory that a data set may take
JOIN_SECONDS = 300  # that a process waits for the others to start
SILENT_SECONDS = 60  # after which one that no longer answers is taken for dead, and the others stop
CPU_RESIDENT_BYTES = 4 << 30  # on CPU "device memory" is the machine's own


def cache_home(given: Path | None = None) -> Path:
    """Where prepared images and compiled programs are kept: `given`, else $TLJAX_CACHE, else ~/.cache/tljax."""
    return Path(given or os.environ.get("TLJAX_CACHE") or Path.home() / ".cache" / "tljax").expanduser()


def use_compilation_cache(cache_dir: Path | None = None) -> None:
    """Compiled programs survive the process, so that the second run of a kind starts at once."""
    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(cache_home(cache_dir) / "xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)


def join_processes(config: TrainConfig) -> None:
    """With `--distributed`, joins the processes of this run (before any other use of jax)."""
    explicit = {
        "coordinator_address": config.coordinator,
        "num_processes": config.num_processes,
        "process_id": config.process_id,
    }
    given = {name: value for name, value in explicit.items() if value is not None}
    if not config.distributed:
        if given:
            raise UserError("--coordinator, --num-processes and --process-id want --distributed as well")
        return
    if given and len(given) < len(explicit):
        raise UserError("--distributed wants --coordinator, --num-processes and --process-id together, or none of them")
    address = re.fullmatch(r".+:(\d+)", config.coordinator or "host:1")
    if not address or not 0 < int(address[1]) < 65536:
        raise UserError(f"--coordinator {config.coordinator}: write HOST:PORT, e.g. {config.coordinator}:12345")
    if not config.quiet:
        where = f" at {config.coordinator}" if config.coordinator else ""
        print(f"waiting for the other processes{where}, {JOIN_SECONDS} s at most", file=sys.stderr)
    jax.config.update("jax_enable_preemption_service", False)  # it would take SIGTERM from `StopSignal`
    try:
        jax.distributed.initialize(
            **given, initialization_timeout=JOIN_SECONDS, heartbeat_timeout_seconds=SILENT_SECONDS
        )
        jax.devices()  # the processes learn of each other's devices, before one of them can fail on its own
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"could not join the other processes ({error}); start one process a host under SLURM, Open MPI "
            "or Kubernetes, or give --coordinator HOST:PORT --num-processes N --process-id I"
        ) from error


@contextmanager
def explained(where: Path) -> Iterator[None]:
    """Says what to do where jax fails for lack of memory, or because another process of the run in `where` is gone."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        reason = str(error).split("\n", 1)[0].replace("Error dispatching computation: ", "")[:300]
        if "RESOURCE_EXHAUSTED" in str(error):
            raise UserError(
                f"the device has too little memory for this run ({reason}); "
                "lower --batch-size or --image-size, or use --storage stream"
            ) from error
        if jax.process_count() == 1:
            raise
        raise UserError(
            f"another process of the run in {where} is gone or failed; its own message says why ({reason}). "
            "The last whole checkpoint is kept: start all the processes again to go on"
        ) from error


def leave(code: int) -> NoReturn:
    """Ends a process that failed. One of several goes at once, which stops the others: waiting for them, as jax does at
    exit, it would wait for processes that are gone or that wait for it."""
    if jax.distributed.is_initialized():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def data_mesh() -> Mesh:
    """All devices of all processes in one row: batches are spread over it, everything else is on each."""
    return Mesh(np.array(jax.devices()), ("data",))


def replicated(mesh: Mesh) -> NamedSharding:
    return NamedSharding(mesh, PartitionSpec())


def spread(mesh: Mesh) -> NamedSharding:
    """The first axis over the devices."""
    return NamedSharding(mesh, PartitionSpec("data"))


def compute_dtype(precision: str | None) -> jnp.dtype:
    """`precision`, or what suits the device: bfloat16 on GPU and TPU, float32 on CPU."""
    if precision is None:  # asked only then: it takes hold of the devices
        precision = "float32" if jax.default_backend() == "cpu" else "bfloat16"
    return jnp.dtype(precision)


def repeatable() -> dict[str, bool]:
    """Compiler options of programs that are to give the same bits whenever they run.

    Some kernels of a GPU add in whatever order their threads arrive: they are left out.
    """
    return {"xla_gpu_exclude_nondeterministic_ops": True} if jax.default_backend() == "gpu" else {}


def fits_on_device(bytes_wanted: int) -> bool:
    stats = jax.local_devices()[0].memory_stats()
    limit = (stats or {}).get("bytes_limit")
    return bytes_wanted <= (RESIDENT_SHARE * limit if limit else CPU_RESIDENT_BYTES)


def peak_memory() -> int | None:
    """Most bytes in use on the first device so far; None where the device does not say (CPU)."""
    return (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")


def describe() -> str:
    kinds = sorted({device.device_kind for device in jax.devices()})
    return f"{len(jax.devices())} x {', '.join(kinds)}" + (
        f" on {jax.process_count()} processes" if jax.process_count() > 1 else ""
    )


def is_writer() -> bool:
    """Only one process writes."""
    return jax.process_index() == 0
