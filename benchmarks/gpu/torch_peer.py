"""The same step and epoch in PyTorch, written as an expert would write them, for the speed comparisons.

channels_last and fused Adam; on a GPU autocast to bfloat16 and torch.compile. Images lie on the device as bytes, and
the affine augmentation runs there; a second epoch feeds the step from DataLoader workers with torchvision.
"""

import os
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

ROTATION, SHIFT, SHEAR, ZOOM = 10.0, 0.1, 0.1, 0.1  # of the paper's augmentation: degrees, share, degrees, share
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LEARNING_RATE, EPSILON = 1e-5, 1e-7


class Theirs:
    """One network, its optimiser, and images that lie on the device.

    network: a module that maps float images `b c h w` to logits `b k`. compile_mode: of torch.compile; None: none.
    """

    def __init__(
        self, network: nn.Module, images: np.ndarray, labels: np.ndarray, batch_size: int, compile_mode: str | None
    ):
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._size, self._host = batch_size, (images, labels)
        network = network.to(self._device, memory_format=torch.channels_last).train()
        fused = torch.optim.Adam(network.parameters(), LEARNING_RATE, eps=EPSILON, fused=True)
        self._optimiser = fused
        self._network = torch.compile(network, mode=compile_mode) if compile_mode else network
        self._images = torch.from_numpy(images).to(self._device)
        self._labels = torch.from_numpy(labels).long().to(self._device)
        self._mean, self._std = (torch.tensor(value, device=self._device)[None, :, None, None] for value in (MEAN, STD))

    def _train(self, pixels: Tensor, labels: Tensor) -> None:
        """pixels: float `b c h w`, 0..255."""
        x = self._normalised(pixels)
        self._optimiser.zero_grad(set_to_none=True)
        with torch.autocast(self._device, torch.bfloat16, enabled=self._device == "cuda"):
            loss = nn.functional.cross_entropy(self._network(x), labels)
        loss.backward()
        self._optimiser.step()

    def _normalised(self, pixels: Tensor) -> Tensor:
        return ((pixels / 255 - self._mean) / self._std).contiguous(memory_format=torch.channels_last)

    def _wait(self) -> None:
        if self._device == "cuda":
            torch.cuda.synchronize()

    def steps(self) -> None:
        """Run as many steps as an epoch has, on one batch, without augmentation."""
        for _ in range(len(self._images) // self._size):
            self._train(self._images[: self._size].permute(0, 3, 1, 2).float(), self._labels[: self._size])
        self._wait()

    @torch.no_grad()
    def inference(self) -> None:
        """Compute the logits of as many batches as an epoch has, of one batch."""
        self._network.eval()
        for _ in range(len(self._images) // self._size):
            x = self._normalised(self._images[: self._size].permute(0, 3, 1, 2).float())
            with torch.autocast(self._device, torch.bfloat16, enabled=self._device == "cuda"):
                self._network(x)
        self._network.train()
        self._wait()

    def epoch(self) -> None:
        """Run an epoch with augmentation on the device."""
        for index in torch.randperm(len(self._images), device=self._device).split(self._size):
            self._train(self._warped(self._images[index].permute(0, 3, 1, 2).float()), self._labels[index])
        self._wait()

    def _warped(self, pixels: Tensor) -> Tensor:
        """The same affine augmentation, in the unit coordinates of grid_sample."""

        def uniform(limit: float) -> Tensor:
            return (2 * torch.rand(len(pixels), device=self._device) - 1) * limit

        angle, shear = torch.deg2rad(uniform(ROTATION)), torch.deg2rad(uniform(SHEAR))
        zoom_x, zoom_y = 1 + uniform(ZOOM), 1 + uniform(ZOOM)
        mirror = torch.sign(uniform(1.0))
        x_row = [angle.cos() * zoom_x * mirror, -(angle + shear).sin() * zoom_y, uniform(2 * SHIFT)]
        y_row = [angle.sin() * zoom_x * mirror, (angle + shear).cos() * zoom_y, uniform(2 * SHIFT)]
        matrix = torch.stack([torch.stack(x_row, -1), torch.stack(y_row, -1)], 1)
        grid = nn.functional.affine_grid(matrix, list(pixels.shape), align_corners=False)
        return nn.functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)

    def loader_epoch(self) -> None:
        """Run an epoch that DataLoader workers feed."""
        for pixels, labels in self._loaded():
            self._train(pixels.to(self._device, non_blocking=True).float(), labels.to(self._device, non_blocking=True))
        self._wait()

    def _loaded(self) -> Iterator[tuple[Tensor, Tensor]]:
        images, labels = self._host
        data = [
            (torch.from_numpy(image).permute(2, 0, 1), int(label)) for image, label in zip(images, labels, strict=True)
        ]
        loader = torch.utils.data.DataLoader(
            data,
            self._size,
            shuffle=True,
            num_workers=os.cpu_count() or 1,
            pin_memory=self._device == "cuda",
            collate_fn=_augmented,
            multiprocessing_context="fork",  # the images are not copied to the workers
        )
        return iter(loader)


def _augmented(rows: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
    """A batch of images and labels, augmented by torchvision."""
    from torchvision.transforms import v2

    warp = v2.Compose([v2.RandomAffine(ROTATION, (SHIFT, SHIFT), (1 - ZOOM, 1 + ZOOM)), v2.RandomHorizontalFlip()])
    return torch.stack([warp(image) for image, _ in rows]), torch.tensor([label for _, label in rows])


def has_torchvision() -> bool:
    """Returns whether torchvision's transforms can be imported: each build needs the PyTorch it was made for."""
    try:
        from torchvision.transforms import v2  # noqa: F401
    except (ImportError, RuntimeError):
        return False
    return True


def resnet(toy: bool = False) -> nn.Module:
    """A ResNet50 of torchvision's layout that gives logits; toy: one small block per stage."""
    from tljax.weights.resnet import reference_torch

    class Logits(reference_torch.ResNet):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x)["logits"]

    return Logits((1, 1, 1, 1), 16, num_classes=2) if toy else Logits(num_classes=2)


def timm_network(name: str, image_size: int) -> nn.Module:
    """A network of timm with random weights and two classes."""
    import timm

    sized = {"img_size": image_size} if "vit" in name else {}
    return timm.create_model(name, pretrained=False, num_classes=2, **sized)


def make(network: str, count: int, image_size: int, batch_size: int, compile_mode: str | None, toy: bool) -> Theirs:
    """The peer of one comparison. network: `resnet50`, or a name of timm."""
    from benchmarks.gpu.material import pixels

    module = resnet(toy) if network == "resnet50" else timm_network(network, image_size)
    return Theirs(module, *pixels(count, image_size), batch_size, compile_mode)
