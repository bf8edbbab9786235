"""Finds a network by its name or path: `imagenet`, `random:SEED`, a weights folder or a run folder."""

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
from jax.typing import DTypeLike

from tljax import models, weights
from tljax.core.cache import weights_home
from tljax.core.errors import UserError, did_you_mean
from tljax.core.runs import CHECKPOINT, CONFIG, RESULT
from tljax.models.normalisation import NORMALISATIONS, Normalisation
from tljax.weights.catalogue import checkpoints
from tljax.weights.folder import is_whole


@dataclass(frozen=True)
class Network:
    """A model in inference mode, with its label and card."""

    label: str
    model: models.BackboneModule
    card: weights.WeightsCard  # its normalisation is the one to apply, its classes those of the head

    @property
    def normalisation(self) -> Normalisation:
        return self.card.normalisation


def resolve(
    spec: str,
    weights_dir: Path | None = None,
    *,
    num_classes: int | None = None,
    preprocessing: str = "native",
    backbone: str = "resnet50",
    variant: str | None = None,
    dropout: float = 0.0,
    dtype: DTypeLike = jnp.float32,
    seed: int = 0,
    download: bool = False,
) -> Network:
    """Returns the network that `spec` names.

    num_classes: gives it a new random head of this size, drawn from `seed`; None keeps its own head. backbone, variant,
    seed: those of a random network; the default variant is the first of the family. preprocessing: `paper` replaces the
    normalisation of the weights by the paper's. download: whether to download a known checkpoint that is missing.
    Raises UserError if there is no such network.
    """
    if is_random(spec):
        _, _, number = spec.partition(":")
        if number and not number.isdecimal():
            raise UserError(f"'{spec}': the seed must be a whole number, as in random:3")
        seed = int(number) if number else seed
        variant = variant or models.default_variant(backbone)
        card = _random_card(backbone, variant)
        model = models.build(backbone, variant, num_classes or 1, seed=seed, dropout=dropout, dtype=dtype)
    else:
        tensors, card = weights.load(locate(spec, weights_dir, download=download))
        own_head = {key: value for key, value in tensors.items() if key.startswith(models.HEAD)}
        outputs = num_classes or (own_head[f"{models.HEAD}bias"].shape[0] if own_head else 1)
        model = models.build(card.backbone, card.variant, outputs, seed=seed, dropout=dropout, dtype=dtype)
        if num_classes or not own_head:
            tensors = {key: value for key, value in tensors.items() if key not in own_head}
            tensors |= {key: value for key, value in models.flatten(model).items() if key.startswith(models.HEAD)}
        models.load_flat(model, tensors)
    if preprocessing == "paper":
        if card.normalisation.depth != NORMALISATIONS["caffe"].depth:
            raise UserError(
                f"--preprocessing paper gives three channels, but {spec} takes images of {card.normalisation.depth} "
                "channel; use --preprocessing native"
            )
        card = dataclasses.replace(card, normalisation=NORMALISATIONS["caffe"])
    model.eval()
    return Network(label(spec), model, card)


def is_random(spec: str) -> bool:
    """Returns whether `spec` is `random` or `random:SEED`, and not a path that begins with "random"."""
    return spec.partition(":")[0] == "random"


def locate(spec: str, weights_dir: Path | None = None, *, download: bool = False) -> Path:
    """Returns the weights folder that belongs to a known checkpoint, a path, or a run folder.

    download: whether to download a known checkpoint that is missing. Raises UserError that says what to do.
    """
    if weights.is_known(spec):
        if download:
            from tljax.weights.download import get

            return get(spec, weights_dir)
        return weights.find(spec, weights_dir)
    path = Path(spec).expanduser()
    if (path / CONFIG).is_file():
        if not (path / CHECKPOINT).is_dir():
            if (path / RESULT).exists():
                raise UserError(
                    f"the weights of run folder {path} were not kept (--keep none), or were removed; "
                    "remove the folder to train the run again"
                )
            raise UserError(f"run folder {path} holds no finished weights; run its training command again to finish it")
        return path / CHECKPOINT
    if not path.exists():
        if is_whole(home := weights_home(weights_dir) / spec):
            raise UserError(f"there is no network {spec!r}; name your own weights by their path: {home}")
        near = did_you_mean(spec, [*checkpoints(), "random"]) or "."
        raise UserError(
            f"there is no network {spec!r}{near} A network is the name of a checkpoint (`tljax weights list` shows "
            "them), random, random:SEED, or the path of a weights folder or a run folder"
        )
    below = (path.glob(f"{above}fold*/{CONFIG}") for above in ("", "*/", "*/*/"))
    if runs := next(filter(None, map(sorted, below)), None):
        raise UserError(f"{path} holds {len(runs)} runs; name the folder of one fold, such as {runs[0].parent}")
    if not is_whole(path) and (inner := sorted(filter(is_whole, path.glob("*")))):
        raise UserError(f"{path} holds {len(inner)} weights folders; name one of them, such as {inner[0]}")
    return path


def label(spec: str) -> str:
    """Returns a short name for tables and folders: the spec itself, or the name in the card at its path."""
    if weights.is_known(spec) or is_random(spec):
        return spec
    return re.sub(r"[^\w.-]+", "-", weights.read_card(locate(spec)).name).strip("-")


def _random_card(backbone: str, variant: str) -> weights.WeightsCard:
    return weights.WeightsCard(
        name="random",
        format="none",
        backbone=backbone,
        variant=variant,
        normalisation=models.normalisation_of(backbone, variant),
        classes=None,
        source="random initialisation",
        sha256="",
        licence="",
        note="",
    )
