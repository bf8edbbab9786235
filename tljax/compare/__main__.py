"""python -m tljax.compare A B [C ...]: how alike networks represent the images of a task, layer by layer."""

import sys
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int
from rich.console import Console
from rich.table import Table

from tljax import datasets, devices, networks
from tljax.compare import Row, compare
from tljax.compare.plot import draw
from tljax.compare.table import write_authors, write_rows
from tljax.config import CompareConfig, parse
from tljax.datasets import Dataset
from tljax.errors import UserError, run_command
from tljax.folds import fold_of
from tljax.similarity import measures

PRINTED_WIDTH = 140  # characters, where the output is no terminal


def main() -> None:
    config = parse(CompareConfig, "python -m tljax.compare")
    devices.use_compilation_cache(config.cache_dir)
    if len(config.networks) < 2:
        raise UserError("name at least two networks, e.g. python -m tljax.compare random random:1")
    data = datasets.load(config.dataset, config.data_dir, config.image_size, cache_dir=config.cache_dir)
    rows_shown = stimuli(data, config)
    found = compare(
        [networks.resolve(spec, config.weights_dir, preprocessing=config.preprocessing) for spec in config.networks],
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
    show(found)
    if config.out and devices.is_writer():
        write_rows(config.out, found, config.dataset, config.fold, config.split)
        write_authors(config.out.with_name(f"CCA_{config.dataset}.csv"), found, config.dataset, config.fold)
        draw(config.out.with_suffix(".png"), found)


def stimuli(data: Dataset, config: CompareConfig) -> Int[np.ndarray, " n"]:
    """Numbers of the images to show to the networks."""
    if config.split == "all":
        return np.arange(len(data))
    return getattr(fold_of(data, config.fold, config.folds, config.folds_dir), config.split)


def show(rows: Sequence[Row]) -> None:
    """The figures as a table on the screen."""
    table = Table("networks", "layers", "measure", "similarity", "95 % interval", "by chance", "samples", "rank", "")
    for row in rows:
        layers = row.layer1 if row.layer1 == row.layer2 else f"{row.layer1} - {row.layer2}"
        ranks = str(row.rank1) if row.rank1 == row.rank2 else f"{row.rank1}, {row.rank2}"
        known = row.value is not None
        table.add_row(
            f"{row.model1} - {row.model2}",
            layers,
            row.measure,
            f"{row.value:.3f}" if known else "",
            f"{row.low:.3f} .. {row.high:.3f}" if known else "",
            f"{row.chance:.3f}" if known else "",
            f"{row.n:,}",
            ranks,
            row.flag,
        )
    Console(width=None if sys.stdout.isatty() else PRINTED_WIDTH).print(table)


if __name__ == "__main__":
    run_command(main)
