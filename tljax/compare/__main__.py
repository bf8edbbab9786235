"""python -m tljax.compare A B [C ...]: compares how networks represent the images of a task, layer by layer."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Int
from rich.console import Console
from rich.table import Table

from tljax import datasets, models
from tljax.compare import Row, compare
from tljax.compare.activations import unique_labels
from tljax.compare.plot import draw
from tljax.compare.row import coverage_notes
from tljax.compare.table import authors_path, require_place, write_authors, write_rows
from tljax.core import devices, extras
from tljax.core.config import CompareConfig, parse
from tljax.core.errors import UserError, require_seed, run_command
from tljax.datasets import Dataset
from tljax.datasets.folds import fold_of
from tljax.similarity import measures
from tljax.weights import networks
from tljax.weights.labels import names_of, place_of
from tljax.weights.networks import Network

PRINTED_WIDTH = 140  # characters, where the output is not a terminal


def main() -> None:
    """Runs the command."""
    config = parse(CompareConfig, "tljax compare")
    if len(config.networks) < 2:
        raise UserError("name at least two networks, e.g. tljax compare random random:1")
    require_seed(config.seed)
    if config.out:
        extras.require("matplotlib", to="draw the figure of a comparison")
        require_place(config.out, config.dataset)
    devices.use_compilation_cache(config.cache_dir)
    data = datasets.load(config.dataset, config.data_dir, config.image_size, cache_dir=config.cache_dir)
    rows_shown = stimuli(data, config)
    compared = load_networks(config)
    found = compare(
        compared,
        data.images[rows_shown],
        protocol=config.protocol,
        measures=tuple(measures()) if config.measures == ("all",) else config.measures,
        layers=config.layers,
        pool=config.pool,
        patients=[data.patients[row] for row in rows_shown] if data.patients else None,
        batch_size=config.batch_size,
        seed=config.seed,
        progress=True,
    )
    places = dict(zip(unique_labels(compared), map(place_of, config.networks), strict=True))
    show(found, compared, places)
    if config.out and devices.is_writer():
        write(config, config.out, found, places, data.images.shape[1])


def load_networks(config: CompareConfig) -> list[Network]:
    """Returns the networks with distinct names.

    A random network has the architecture of the first network that is not random, or that of --backbone and --variant.
    """
    if not all(spec.strip() for spec in config.networks):
        raise UserError("the name of a network is empty; --help lists what it may be")
    resolve = partial(networks.resolve, weights_dir=config.weights_dir, preprocessing=config.preprocessing)
    found = {spec: resolve(spec) for spec in config.networks if not networks.is_random(spec)}
    like = next(iter(found.values())).card if found else None
    backbone = config.backbone or (like.backbone if like else "resnet50")
    if like is not None and models.family_of(backbone) == models.family_of(like.backbone):
        variant = config.variant or like.variant
    else:
        variant = config.variant or models.default_variant(backbone)
    random = partial(resolve, backbone=backbone, variant=variant)
    each = [found[spec] if spec in found else random(spec) for spec in config.networks]
    names = names_of(config.networks, [network.label for network in each])
    return [replace(network, label=name) for network, name in zip(each, names, strict=True)]


def write(config: CompareConfig, out: Path, found: Sequence[Row], places: Mapping[str, str], image_size: int) -> None:
    """Writes the tidy table, the figure and, for the paper's protocol, the authors' table."""
    settings = {
        "image_size": image_size,
        "preprocessing": config.preprocessing,
        "seed": config.seed,
        "folds": str(config.folds_dir) if config.folds_dir else config.folds,
    }
    shown = config.dataset, config.fold, config.split
    write_rows(out, found, *shown, paths=places, settings=settings)
    if config.protocol == "paper":
        write_authors(authors_path(out, config.dataset), found, *shown, paths=places)
    draw(out.with_suffix(".png"), found)


def stimuli(data: Dataset, config: CompareConfig) -> Int[np.ndarray, " n"]:
    """Returns the numbers of the images to show to the networks."""
    if config.split == "all":
        return np.arange(len(data))
    fold = fold_of(data, config.fold, config.folds, config.folds_dir, group_duplicates=config.group_duplicates)
    return getattr(fold, config.split)


def show(rows: Sequence[Row], compared: Sequence[Network], places: Mapping[str, str]) -> None:
    """Prints the networks, and the values as a table with notes on the intervals."""
    columns = ["networks", "layers", "measure", "similarity", "95 % interval", "chance", "samples", "rank", ""]
    corrected = any(row.corrected is not None for row in rows)
    table = Table(*columns, *["corrected, with its 95 % interval for all images"] * corrected)
    for row in rows:
        ranks = str(row.rank1) if row.rank1 == row.rank2 else f"{row.rank1}, {row.rank2}"
        known = row.value is not None
        table.add_row(
            row.models,
            row.layers,
            row.measure,
            f"{row.value:.3f}" if known else "",
            f"{row.low:.3f} .. {row.high:.3f}" if row.low is not None else "",
            f"{row.chance:.3f}" if known else "",
            f"{row.n:,}",
            ranks,
            row.flag,
            *[_corrected(row)] * corrected,
        )
    for (name, place), network in zip(places.items(), compared, strict=True):
        print(f"{name}: {network.card.backbone}, {network.card.variant}" + (f", {place}" if place else ""))
    console = Console(width=None if sys.stdout.isatty() else PRINTED_WIDTH)
    console.print(table)
    for note in coverage_notes(rows):
        console.print(note)


def _corrected(row: Row) -> str:
    if row.corrected is None:
        return ""
    return f"{row.corrected:.3f} ({row.corrected_low:.3f} .. {row.corrected_high:.3f})"


if __name__ == "__main__":
    run_command(main)
