"""Exports a run or a weights folder as a PyTorch file in its family's usual layout."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tljax import models
from tljax.core.errors import UserError
from tljax.core.files import replacing
from tljax.weights import networks
from tljax.weights.card import WeightsCard
from tljax.weights.folder import is_whole, load, writing
from tljax.weights.formats import Format, exporting
from tljax.weights.names import to_theirs
from tljax.weights.torch_files import CARD_KEY

TARGETS = ("torch", "safetensors")


def export(folder: Path, out: Path, to: str) -> list[str]:
    """Writes the weights in `folder`, a weights folder or a finished run, to the file `out`; returns notes on it.

    to: one of TARGETS. The file is never half-written. Raises UserError if `out` exists or cannot be written, or if the
    family cannot be exported.
    """
    if out.exists():
        raise UserError(f"{out} exists already; remove it or name another file")
    run = folder / "checkpoint"
    whole = next(filter(is_whole, (run, folder)), None)
    tensors, card = load(whole or networks.locate(str(folder)))  # which says what is wrong with the folder
    form = exporting(models.family_of(card.backbone))
    if form is None:
        raise UserError(f"{card.backbone} cannot be exported: there is no format for its PyTorch files")
    state = in_format(tensors, card.backbone, card.variant, form)
    with writing(out), replacing(out) as partial:
        _write(state, partial, to, card.to_json())
    note = form.export_note(card, tensors) if form.export_note else f"the names are those of {form.title}"
    return [note, _input(card)]


def in_format(tensors: Mapping[str, np.ndarray], backbone: str, variant: str, form: Format) -> dict[str, np.ndarray]:
    """Returns our tensors with the names and the layout of a format."""
    names = form.names(backbone, variant)
    return {
        theirs: value
        for ours, tensor in tensors.items()
        if ours in names
        for theirs, value in to_theirs(names[ours], form.layout, tensor).items()
    }


def _write(state: dict[str, np.ndarray], path: Path, to: str, card: str) -> None:
    import torch

    torch_state = {name: torch.from_numpy(tensor) for name, tensor in state.items()}
    if to == "torch":
        torch.save(torch_state, path)
    else:
        from safetensors.torch import save

        path.write_bytes(save(torch_state, metadata={CARD_KEY: card}))  # save_file would ignore the umask


def _input(card: WeightsCard) -> str:
    wanted = card.normalisation
    return (
        f"input: (pixel * {wanted.scale:.6g} - mean) / std, pixels 0..255 in {wanted.channels} order, "
        f"mean {wanted.mean}, std {wanted.std}"
    )
