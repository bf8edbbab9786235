"""Step 2: a training step and an epoch of ResNet50 in bfloat16, by tljax and by PyTorch, in turns.

The price of repeatability is the same step by kernels that may add in any order.
"""

import os

from benchmarks.gpu.record import Record, arguments
from benchmarks.gpu.turns import Worker, in_turns

PEAK = {"A100": 312e12, "H100": 989e12, "H200": 989e12}  # bfloat16 operations a second, dense; NVIDIA's data sheets
GOAL = {"H100": 3800, "H200": 4600}  # images a second of the step
CASES = "224x128 224x16 112x128 224x256 224x128:max-autotune-no-cudagraphs"  # pixels x batch : mode of torch.compile
ROUNDS = 4


def main() -> None:
    options = arguments(__doc__)
    record = Record(options.out, "training")
    cases = ("32x8" if options.toy else os.environ.get("CASES", CASES)).split()
    for case in cases:
        shape, _, mode = case.partition(":")
        size, batch = map(int, shape.split("x"))
        _compare(record, size, batch, mode or "default", options.toy, first=case == cases[0])


def _ours(size: int, batch: int, toy: bool, *, repeatable: bool = True) -> Worker:
    backbone = "resnet_tiny" if toy else "resnet50"
    return Worker("benchmarks.gpu.ours", "make", backbone, "torch_v1.5", _count(batch), size, batch, repeatable)


def _count(batch: int) -> int:
    """Images of an epoch: twenty batches, or two of a toy."""
    return batch * (20 if batch > 8 else 2)


def _compare(record: Record, size: int, batch: int, mode: str, toy: bool, *, first: bool = False) -> None:
    """Times the step in turns. first: also repeatable against other kernels, and whole epochs with augmentation."""
    theirs = Worker(
        "benchmarks.gpu.torch_peer", "make", "resnet50", _count(batch), size, batch, None if toy else mode, toy
    )
    workers = {"ours": _ours(size, batch, toy), "PyTorch": theirs}
    if first:
        workers["any order"] = _ours(size, batch, toy, repeatable=False)
    try:
        for worker in workers.values():
            worker.ready()
        seconds = in_turns(ROUNDS, {name: (worker, "steps") for name, worker in workers.items()})
        steps = {name: value * batch / _count(batch) for name, value in seconds.items()}
        _tell_step(record, size, batch, mode, steps, workers["ours"].run("operations")[1])
        if first:
            price = steps["ours"] / steps["any order"] - 1
            record.say(f"repeatability costs {price:+.1%} of the step's time (goal: at most 5 %)", price=price)
            epochs = in_turns(2, {name: (workers[name], "epoch") for name in ("ours", "PyTorch")})
            _tell_epoch(record, size, batch, epochs, steps["ours"])
            if not toy:
                loaded = in_turns(2, {"PyTorch": (theirs, "loader_epoch")})["PyTorch"]
                record.say(
                    f"PyTorch with a DataLoader on all cores: {_count(batch) / loaded:.0f} images/s", loaded=loaded
                )
    finally:
        for worker in workers.values():
            worker.close()


def _tell_step(record: Record, size: int, batch: int, mode: str, steps: dict[str, float], operations: float) -> None:
    rate = {name: batch / seconds for name, seconds in steps.items()}
    chip = _chip()
    peak = next((value for name, value in PEAK.items() if name in chip), None)
    share = f"; {operations / steps['ours'] / peak:.1%} of the chip's bfloat16 peak" if peak else ""
    goal = next((f"; goal {value} images/s" for name, value in GOAL.items() if name in chip), "")
    record.say(
        f"step, {size} px, batch {batch}: {rate['ours']:.0f} images/s, PyTorch ({mode}) {rate['PyTorch']:.0f}: "
        f"{rate['ours'] / rate['PyTorch']:.2f} times its speed (goal 1.15){share}{goal}",
        size=size,
        batch=batch,
        mode=mode,
        seconds=steps,
        operations=operations,
    )


def _tell_epoch(record: Record, size: int, batch: int, epochs: dict[str, float], step: float) -> None:
    count = _count(batch)
    told = ", ".join(f"{name} {count / seconds:.0f}" for name, seconds in epochs.items())
    record.say(
        f"epoch with augmentation, {size} px, batch {batch}, images/s: {told}; ours runs at "
        f"{step * count / batch / epochs['ours']:.0%} of the step alone (goal 95 %)",
        size=size,
        batch=batch,
        epochs=epochs,
    )


def _chip() -> str:
    """Returns PyTorch's name of the device."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"


if __name__ == "__main__":
    main()
