"""Converts files that other libraries write, and compares every layer of the two networks, at two image sizes.

    python -m benchmarks.parity [vit dinov3 ...] [--architecture vit_small_patch16_224 ...] [--tiny] [--clones DIR]

For each row of the table, a library makes a network with random weights, none of which are trivial, and saves it. The
file is converted. The row shows the largest difference in the features and in any layer, relative to the largest value
there. `benchmarks/peers/` holds the libraries' networks, one file per family. --clones: a folder with clones of the
authors' repositories, for sources that are not packages; without it, these rows are left out.
"""

import argparse
import importlib
import pkgutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import jax
import numpy as np
from flax import nnx

from benchmarks import peers
from benchmarks.peers import Row
from benchmarks.peers.keras_peer import KerasPeer
from tljax import models
from tljax.weights import convert

GOAL = 1e-5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*")
    parser.add_argument("--architecture", nargs="*", help="only these")
    parser.add_argument("--source", nargs="*", help="only sources whose name has one of these in it")
    parser.add_argument("--tiny", action="store_true", help="only the tiny configuration of each source")
    parser.add_argument("--clones", type=Path, help="a folder of clones of the authors' repositories")
    options = parser.parse_args()
    worst = 0.0
    print("| source | format | architecture | variant | image | features | layers |\n|---|---|---|---|---|---|---|")
    for row in rows(options.families):
        if options.source and not any(part in row.source for part in options.source):
            continue
        for architecture in (row.tiny,) if options.tiny else row.architectures:
            if architecture is None or (options.architecture and architecture not in options.architecture):
                continue
            for line, difference in compare(row, architecture, options.clones):
                print(line, flush=True)
                worst = max(worst, difference)
    print(f"\nlargest difference {worst:.1e} (goal {GOAL:g})")
    return int(worst > GOAL)


def rows(families: list[str]) -> list[Row]:
    """Returns the rows of these families, or of all."""
    found = {
        info.name: importlib.import_module(f"benchmarks.peers.{info.name}")
        for info in pkgutil.iter_modules(peers.__path__)
    }
    return [
        row for name, module in found.items() if not families or name in families for row in getattr(module, "ROWS", [])
    ]


def compare(row: Row, architecture: str, clones: Path | None):
    """Yields a line of the table and its largest difference for each image size."""
    try:
        peer = row.make(architecture, clones)
    except FileNotFoundError as missing:
        yield f"| {row.source} | {row.format} | {architecture} | left out: {missing} | | | |", 0.0
        return
    peer.randomise() if isinstance(peer, KerasPeer) else peers.randomise(peer.network)
    with tempfile.TemporaryDirectory() as folder:
        conversion = convert(peer.save(Path(folder)))
    card = conversion.card
    if (card.format, card.backbone, card.variant) != (row.format, architecture, row.variant):
        raise AssertionError(f"{row.source}: taken for {card.format}, {card.backbone}, {card.variant}")
    for side in (peer.side, peer.other_side):
        images = peers.images(side, peer.channels)
        theirs = peer.outputs(images) if isinstance(peer, KerasPeer) else peers.outputs(peer, images)
        ours = our_outputs(conversion, images)
        differences = {name: np.abs(ours[name] - theirs[name]).max() / np.abs(theirs[name]).max() for name in theirs}
        features = differences.pop("features")
        layers = max(differences.values())
        network = f"{card.format} | {card.backbone} | {card.variant}"
        yield f"| {row.source} | {network} | {side} | {features:.1e} | {layers:.1e} |", float(max(features, layers))


def our_outputs(conversion, images: np.ndarray) -> dict[str, np.ndarray]:
    """Returns features `b c` and the activations `b h w c` of every layer."""
    card, tensors = conversion.card, dict(conversion.tensors)
    width = models.shapes(card.backbone, card.variant, 1)["head.kernel"][0]
    tensors.setdefault("head.kernel", np.zeros((width, 1), np.float32))
    tensors.setdefault("head.bias", np.zeros(1, np.float32))
    model = models.build_from(card.backbone, card.variant, tensors)
    model.eval()
    graph, state = nnx.split(model)
    layers = tuple(dict.fromkeys((*model.all_layers, *model.named_layers)))
    features, found = jax.jit(lambda state, x: nnx.merge(graph, state).features(x, layers))(state, images)
    return {"features": np.asarray(features)} | {name: np.asarray(y) for name, y in found.items()}


if __name__ == "__main__":
    sys.exit(main())
