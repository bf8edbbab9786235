"""ResNet50 training: a step and an epoch with augmentation, ours and PyTorch's in turns in one process.

    OMP_WAIT_POLICY=passive python benchmarks/training.py [--image-size 64] [--batch-size 16] [--rounds 5]
    python benchmarks/training.py --image-size 224 --batch-size 128 --images 2560       # on a GPU

PyTorch is written as an expert would: channels_last, and on a GPU autocast to bfloat16, torch.compile, fused Adam. Its
epoch gathers and augments on the device; a second one feeds the same step from DataLoader workers with torchvision.
A step is timed within a run of as many as an epoch has, on one batch that lies on the device. --images: a multiple of
the batch size.
On CPU the figures are seconds of CPU time (threads that spin while they wait would count: hence the policy), on a GPU
of wall time; medians over the rounds, the first left out.
"""

import dataclasses
import importlib.util
import os
import statistics
import time
from collections.abc import Callable, Iterator

import jax
import numpy as np
import torch
import tyro
from torch import Tensor, nn

from tljax import models
from tljax.core import devices
from tljax.core.pipeline import on_device
from tljax.models.normalisation import NORMALISATIONS
from tljax.train import augment, engine
from tljax.train.feed import DeviceFeed
from tljax.weights.resnet import reference_torch

ON_GPU = torch.cuda.is_available() and jax.default_backend() == "gpu"
PEAK = {"A100": 312e12, "H100": 989e12, "H200": 989e12}  # bfloat16, dense; NVIDIA's data sheets
LEARNING_RATE = 1e-5
NORMALISATION = NORMALISATIONS["imagenet"]


class Ours:
    def __init__(self, images: np.ndarray, labels: np.ndarray, batch_size: int):
        mesh = devices.data_mesh()
        recipe = engine.Recipe(NORMALISATION, True, True, LEARNING_RATE, batch_size, "all", mesh)
        model = models.build("resnet50", "torch_v1.5", 2, dropout=0.0, dtype=devices.compute_dtype(None))
        graphs, state = engine.split(model, recipe)
        self._state = jax.device_put(state, devices.replicated(mesh))
        self._feed = DeviceFeed(graphs, recipe, on_device(images, mesh), on_device(labels, mesh))
        self._rows, self._batch_size, self._key = np.arange(len(images)), batch_size, jax.random.key(0)
        plain = dataclasses.replace(recipe, augment=False)
        self._plain = DeviceFeed(graphs, plain, *(on_device(part[:batch_size], mesh) for part in (images, labels)))
        step = engine.make_step(graphs[0], plain)
        batch = [jax.device_put(part[:batch_size], devices.spread(mesh)) for part in (images, labels)]
        self.flops = step.lower(self._state, *batch, None, self._key).compile().cost_analysis()["flops"]

    def steps(self) -> None:
        """As many as an epoch has, as one program, without augmentation."""
        self._state, sums = self._plain.epoch(self._state, self._rows % self._batch_size, self._key)
        jax.block_until_ready(sums)

    def epoch(self) -> None:
        self._state, sums = self._feed.epoch(self._state, self._rows, self._key)
        jax.block_until_ready(sums)


class Theirs:
    def __init__(self, images: np.ndarray, labels: np.ndarray, batch_size: int):
        self._device, self._size, self._host = ("cuda" if ON_GPU else "cpu"), batch_size, (images, labels)
        network = reference_torch.ResNet(num_classes=2).to(self._device, memory_format=torch.channels_last)
        self._optimiser = torch.optim.Adam(network.parameters(), LEARNING_RATE, eps=engine.ADAM_EPSILON, fused=True)
        self._network = torch.compile(network) if ON_GPU else network
        self._images, self._labels = torch.from_numpy(images).to(self._device), torch.from_numpy(labels).long()
        self._labels = self._labels.to(self._device)
        self._mean, self._std = (
            torch.tensor(value, device=self._device)[None, :, None, None]
            for value in (NORMALISATION.mean, NORMALISATION.std)
        )

    def _train(self, pixels: Tensor, labels: Tensor) -> None:
        """pixels: float `b c h w`, 0..255."""
        x = ((pixels / 255 - self._mean) / self._std).contiguous(memory_format=torch.channels_last)
        self._optimiser.zero_grad(set_to_none=True)
        with torch.autocast(self._device, torch.bfloat16, enabled=ON_GPU):
            loss = nn.functional.cross_entropy(self._network(x)["logits"], labels)
        loss.backward()
        self._optimiser.step()

    def _wait(self) -> None:
        if ON_GPU:
            torch.cuda.synchronize()

    def steps(self) -> None:
        for _ in range(len(self._images) // self._size):
            self._train(self._images[: self._size].permute(0, 3, 1, 2).float(), self._labels[: self._size])
        self._wait()

    def epoch(self) -> None:
        for index in torch.randperm(len(self._images), device=self._device).split(self._size):
            self._train(self._warped(self._images[index].permute(0, 3, 1, 2).float()), self._labels[index])
        self._wait()

    def _warped(self, pixels: Tensor) -> Tensor:
        """The same affine augmentation, in the unit coordinates of grid_sample."""

        def uniform(limit: float) -> Tensor:
            return (2 * torch.rand(len(pixels), device=self._device) - 1) * limit

        angle, shear = torch.deg2rad(uniform(augment.ROTATION)), torch.deg2rad(uniform(augment.SHEAR))
        zoom_x, zoom_y = 1 + uniform(augment.ZOOM), 1 + uniform(augment.ZOOM)
        mirror = torch.sign(uniform(1.0))
        x_row = [angle.cos() * zoom_x * mirror, -(angle + shear).sin() * zoom_y, uniform(2 * augment.SHIFT)]
        y_row = [angle.sin() * zoom_x * mirror, (angle + shear).cos() * zoom_y, uniform(2 * augment.SHIFT)]
        matrix = torch.stack([torch.stack(x_row, -1), torch.stack(y_row, -1)], 1)
        grid = nn.functional.affine_grid(matrix, list(pixels.shape), align_corners=False)
        return nn.functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)

    def loader_epoch(self) -> None:
        for pixels, labels in self._loaded():
            self._train(pixels.to(self._device, non_blocking=True).float(), labels.to(self._device, non_blocking=True))
        self._wait()

    def _loaded(self) -> Iterator[tuple[Tensor, Tensor]]:
        from torchvision.transforms import v2

        warp = v2.Compose(
            [
                v2.RandomAffine(augment.ROTATION, (augment.SHIFT,) * 2, (1 - augment.ZOOM, 1 + augment.ZOOM)),
                v2.RandomHorizontalFlip(),
            ]
        )

        data = [
            (torch.from_numpy(image).permute(2, 0, 1), int(label)) for image, label in zip(*self._host, strict=True)
        ]
        return iter(
            torch.utils.data.DataLoader(
                data,
                self._size,
                shuffle=True,
                num_workers=os.cpu_count() or 1,
                pin_memory=ON_GPU,
                collate_fn=lambda rows: (
                    torch.stack([warp(image) for image, _ in rows]),
                    torch.tensor([label for _, label in rows]),
                ),
            )
        )


def in_turns(rounds: int, works: dict[str, Callable[[], None]]) -> dict[str, float]:
    """Median seconds of each work, taken in turns so that whatever else the machine does meets them all."""
    clock = time.perf_counter if ON_GPU else time.process_time
    seconds = {name: [] for name in works}
    for _ in range(rounds + 1):
        for name, work in works.items():
            began = clock()
            work()
            seconds[name].append(clock() - began)
    return {name: statistics.median(values[1:]) for name, values in seconds.items()}


def main(image_size: int = 64, batch_size: int = 16, images: int = 64, rounds: int = 5) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (images, image_size, image_size, 3), dtype=np.uint8)
    labels = rng.integers(0, 2, images, dtype=np.int32)
    ours, theirs = Ours(pixels, labels, batch_size), Theirs(pixels, labels, batch_size)
    device = torch.cuda.get_device_name() if ON_GPU else f"CPU, {torch.get_num_threads()} torch threads"
    kind = "wall" if ON_GPU else "CPU"
    print(
        f"{device}; jax {jax.__version__}, torch {torch.__version__}; {image_size} px, batch {batch_size}", flush=True
    )

    steps = in_turns(rounds, {"ours": ours.steps, "torch": theirs.steps})
    steps = {name: seconds * batch_size / images for name, seconds in steps.items()}
    for name, seconds in steps.items():
        print(f"step, {name}: {seconds:.3f} s {kind}, {batch_size / seconds:.1f} images/s", flush=True)
    print(f"step: ours takes {steps['ours'] / steps['torch']:.2f} of torch's time")
    peak = next((value for name, value in PEAK.items() if name in device), None)
    if peak:
        print(f"step: {ours.flops / steps['ours'] / peak:.1%} of the chip's bfloat16 peak ({ours.flops:.2e} FLOP)")

    works = {"ours": ours.epoch, "torch": theirs.epoch}
    if importlib.util.find_spec("torchvision"):
        works["torch with DataLoader"] = theirs.loader_epoch
    epochs = in_turns(rounds, works)
    for name, seconds in epochs.items():
        print(f"epoch of {images} images, {name}: {seconds:.2f} s {kind}, {images / seconds:.1f} images/s")
    print(f"epoch: ours takes {epochs['ours'] / epochs['torch']:.2f} of torch's time")
    share = steps["ours"] * images / batch_size / epochs["ours"]
    print(f"epoch: ours runs at {share:.0%} of the step alone")


if __name__ == "__main__":
    tyro.cli(main)
