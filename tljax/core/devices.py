"""Manages the devices of a run: processes, mesh, precision, memory, compilation cache."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from tljax.core.cache import cache_home
from tljax.core.config import TrainConfig
from tljax.core.errors import UserError, end_at_once

RESIDENT_SHARE = 0.5  # share of a device's memory that a data set may use
JOIN_SECONDS = 300  # longest time that a process waits for the others to start
SILENT_SECONDS = 60  # time without an answer after which a process counts as dead and the others stop
CPU_RESIDENT_BYTES = 4 << 30  # the same limit on a CPU, whose device memory is that of the machine


def use_compilation_cache(cache_dir: Path | None = None) -> None:
    """Saves compiled programs on disk, so that another run with the same shapes starts without compilation."""
    if getattr(jax.config, "jax_compilation_cache_dir") is None:  # noqa: B009 (jax makes it at run time)
        jax.config.update("jax_compilation_cache_dir", str(cache_home(cache_dir) / "xla"))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 1.0)


def join_processes(config: TrainConfig) -> None:
    """Joins the processes of a run with `--distributed`. Call it before any other use of jax.

    Raises UserError if settings are missing, or if the other processes cannot be reached.
    """
    explicit = {
        "coordinator_address": config.coordinator,
        "num_processes": config.num_processes,
        "process_id": config.process_id,
    }
    given = {name: value for name, value in explicit.items() if value is not None}
    if not config.distributed:
        if given:
            raise UserError("--coordinator, --num-processes and --process-id need --distributed as well")
        return
    if given and len(given) < len(explicit):
        raise UserError("--distributed needs --coordinator, --num-processes and --process-id together, or none of them")
    address = re.fullmatch(r".+:(\d+)", config.coordinator or "host:1")
    if not address or not 0 < int(address[1]) < 65536:
        raise UserError(f"--coordinator {config.coordinator}: write HOST:PORT, e.g. {config.coordinator}:12345")
    if not config.quiet:
        where = f" at {config.coordinator}" if config.coordinator else ""
        print(f"waiting for the other processes{where}, at most {JOIN_SECONDS} s", file=sys.stderr)
    jax.config.update("jax_enable_preemption_service", False)  # it would catch SIGTERM before `signals.Termination`
    try:
        jax.distributed.initialize(
            **given, initialization_timeout=JOIN_SECONDS, heartbeat_timeout_seconds=SILENT_SECONDS
        )
        jax.devices()  # exchanges the devices between the processes, before one of them can fail
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"could not join the other processes ({error}); start one process per host under SLURM, Open MPI "
            "or Kubernetes, or give --coordinator HOST:PORT --num-processes N --process-id I"
        ) from error


@contextmanager
def explained(where: Path) -> Iterator[None]:
    """Raises UserError with advice if jax runs out of memory, or if another process of the run in `where` has ended."""
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
            f"another process of the run in {where} has ended or failed; see its own message ({reason}). "
            "The last complete checkpoint is kept: start all processes again to continue"
        ) from error


def leave(code: int) -> NoReturn:
    """Ends a process that failed.

    If there are several processes, this one ends at once, which stops the others. Otherwise jax would wait at exit for
    processes that may have ended, or that wait for this one.
    """
    if jax.distributed.is_initialized():
        end_at_once(code)
    sys.exit(code)


def data_mesh() -> Mesh:
    """Returns all devices of all processes in one row. Batches are split over it; every device holds all the rest."""
    return Mesh(np.array(jax.devices()), ("data",))


def replicated(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of an array of which every device holds a copy."""
    return NamedSharding(mesh, PartitionSpec())


def spread(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of an array whose first axis is split over the devices."""
    return NamedSharding(mesh, PartitionSpec("data"))


def compute_dtype(precision: str | None) -> jnp.dtype:
    """Returns `precision` as a data type; None: bfloat16 on GPU and TPU, float32 on CPU."""
    if precision is None:  # only now, as the call reserves the devices
        precision = "float32" if jax.default_backend() == "cpu" else "bfloat16"
    return jnp.dtype(precision)


def repeatable() -> dict[str, bool]:
    """Returns compiler options with which a program gives bitwise equal results in every run.

    They exclude GPU kernels that add numbers in the order in which their threads finish.
    """
    return {"xla_gpu_exclude_nondeterministic_ops": True} if jax.default_backend() == "gpu" else {}


def fits_on_device(bytes_wanted: int) -> bool:
    """Returns whether a data set of this size may be kept in device memory."""
    stats = jax.local_devices()[0].memory_stats()
    limit = (stats or {}).get("bytes_limit")
    return bytes_wanted <= (RESIDENT_SHARE * limit if limit else CPU_RESIDENT_BYTES)


def peak_memory() -> int | None:
    """Returns the peak of bytes in use on the first device; None if the device does not report it (CPU)."""
    return (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")


def describe() -> str:
    """Returns number and kind of the devices, e.g. `1 x cpu`."""
    kinds = sorted({device.device_kind for device in jax.devices()})
    return f"{len(jax.devices())} x {', '.join(kinds)}" + (
        f" on {jax.process_count()} processes" if jax.process_count() > 1 else ""
    )


def operations(function: Callable, *arguments: Any) -> float | None:
    """Returns the number of floating point operations of a function of arrays; None if XLA cannot count them.

    The count is that of the CPU compiler for all devices, because the GPU compiler gives none. Nothing is compiled or
    run.
    """
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), arguments)
    try:
        with jax.default_device(jax.local_devices(backend="cpu")[0]):
            return (jax.jit(function).lower(*shapes).cost_analysis() or {}).get("flops")
    except RuntimeError:  # jax has no CPU backend, for example with JAX_PLATFORMS=cuda
        return None


def is_writer() -> bool:
    """Returns whether this process writes the run folder, which only the first process does."""
    return jax.process_index() == 0


def meet(where: str) -> None:
    """Waits until all processes of a run have reached this place. where: its name, the same in all processes."""
    if jax.process_count() > 1:
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices(where)


def any_process(flag: bool) -> bool:
    """Returns whether the flag is set in any process of the run. All processes must call this together."""
    if jax.process_count() == 1:
        return flag
    from jax.experimental import multihost_utils

    return bool(multihost_utils.process_allgather(np.array(flag)).any())
