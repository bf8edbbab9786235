"""Times a training step, an inference batch and an epoch with augmentation of ResNet50, by tljax and by PyTorch.

    OMP_WAIT_POLICY=passive python -m benchmarks.training [--image-size 64] [--batch-size 16] [--rounds 5]
    OMP_WAIT_POLICY=passive python -m benchmarks.training --no-epoch --image-size 112 --batch-size 8

This is for a CPU; `benchmarks/gpu.sh` measures a GPU. The PyTorch code is written as an expert would write it
(`benchmarks/gpu/torch_peer.py`). Its epoch gathers and augments in memory. A second one feeds the same step from
DataLoader workers with torchvision. A step is timed within a sequence of as many steps as an epoch has, on one batch.
--images: a multiple of the batch size. The values are seconds of CPU time: medians over the rounds, without the first
one. OMP_WAIT_POLICY=passive is needed because threads that spin while they wait would count.
"""

import statistics
import time
from collections.abc import Callable

import jax
import torch
import tyro

from benchmarks.gpu.material import pixels
from benchmarks.gpu.ours import Ours
from benchmarks.gpu.torch_peer import Theirs, has_torchvision, resnet


def in_turns(rounds: int, works: dict[str, Callable[[], None]]) -> dict[str, float]:
    """Returns the median CPU seconds of each work. They take turns, so that other load affects all of them equally."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds + 1):
        for name, work in works.items():
            began = time.process_time()
            work()
            seconds[name].append(time.process_time() - began)
    return {name: statistics.median(values[1:]) for name, values in seconds.items()}


def main(image_size: int = 64, batch_size: int = 16, images: int = 64, rounds: int = 5, epoch: bool = True) -> None:
    data = pixels(images, image_size)
    ours, theirs = Ours(*data, batch_size), Theirs(resnet(), *data, batch_size, compile_mode=None)
    print(
        f"CPU, {torch.get_num_threads()} torch threads; jax {jax.__version__}, torch {torch.__version__}; "
        f"{image_size} px, batch {batch_size}",
        flush=True,
    )
    steps = in_turns(rounds, {"ours": ours.steps, "torch": theirs.steps})
    steps = {name: seconds * batch_size / images for name, seconds in steps.items()}
    for name, seconds in steps.items():
        print(f"step, {name}: {seconds:.3f} s, {batch_size / seconds:.1f} images/s", flush=True)
    print(f"step: ours takes {steps['ours'] / steps['torch']:.2f} of torch's time", flush=True)
    passes = in_turns(rounds, {"ours": ours.inference, "torch": theirs.inference})
    passes = {name: seconds * batch_size / images for name, seconds in passes.items()}
    for name, seconds in passes.items():
        print(f"inference, {name}: {seconds:.3f} s, {batch_size / seconds:.1f} images/s")
    print(f"inference: ours takes {passes['ours'] / passes['torch']:.2f} of torch's time", flush=True)
    if not epoch:
        return
    works = {"ours": ours.epoch, "torch": theirs.epoch}
    if has_torchvision():
        works["torch with DataLoader"] = theirs.loader_epoch
    epochs = in_turns(rounds, works)
    for name, seconds in epochs.items():
        print(f"epoch of {images} images, {name}: {seconds:.2f} s, {images / seconds:.1f} images/s")
    print(f"epoch: ours takes {epochs['ours'] / epochs['torch']:.2f} of torch's time")
    print(f"epoch: ours runs at {steps['ours'] * images / batch_size / epochs['ours']:.0%} of the step alone")


if __name__ == "__main__":
    tyro.cli(main)
