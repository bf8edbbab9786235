"""Prints tasks, images, duplicates, folds and leaks for `tljax datasets`."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.table import Table
from rich.text import Text

from tljax import datasets
from tljax.core.errors import SHOWN, counted, first_few
from tljax.core.progress import output
from tljax.datasets import Dataset, archives
from tljax.datasets.dataset import PARTS, Fold
from tljax.datasets.duplicate_images import DuplicatePair
from tljax.datasets.leakage import Leak, patients_in_several_classes


def show_tasks(cache_dir: Path | None) -> None:
    """Prints for each task what it is, where to get it, and whether it is prepared."""
    for name in datasets.names():
        card = datasets.card(name)
        classes = ", ".join(card.classes) if card.classes else "as found"
        images = f"{card.images:,} images" if card.images else "any number of images"
        ready = "prepared" if datasets.prepared(name, cache_dir) else "not prepared"
        output.print(Text(name, "bold").append(f"  {card.title}  ", "not bold").append(f"({ready})", "not bold dim"))
        output.print(f"  {images}, {card.image_size} px, grouped by {card.grouped_by}; classes: {classes}")
        output.print(f"  licence: {card.licence}")
        output.print(f"  from: {card.source}")
        if known := archives.of_task(name):
            output.print(f"  or by: tljax datasets get {' | '.join(known)}")


def show_images(dataset: Dataset, sizes: Counter[tuple[int, int]]) -> None:
    """Prints counts by class, patients, sizes before resizing, and how many are grey or in colour."""
    unit = dataset.card.unit
    table = Table("class", "images", *([f"{unit}s"] if dataset.patients else []), title=dataset.card.title)
    for index, name in enumerate(dataset.card.classes):
        rows = np.flatnonzero(dataset.labels == index)
        patients = [str(len({dataset.patients[row] for row in rows}))] if dataset.patients else []
        table.add_row(name, str(len(rows)), *patients)
    output.print(table)
    if sizes:
        (width, height), count = sizes.most_common(1)[0]
        output.print(f"sizes: {len(sizes)}, most often {width} x {height} ({count}), {_range(sizes)}")
    grey = sum(bool((image[..., :1] == image).all()) for image in dataset.images)
    output.print(f"grey: {grey}, colour: {len(dataset) - grey}; prepared at {dataset.images.shape[1]} px")
    if dataset.patients is None:
        output.print(f"{unit}s: unknown, so images of one {unit} may be in several parts of a fold")
    elif unit != "slide" and (several := patients_in_several_classes(dataset)):  # a tumour fills a part of its slide
        output.print(f"{unit}s in several classes: {len(several)} ({first_few(several)}); check their labels")


def show_duplicates(dataset: Dataset, pairs: Sequence[DuplicatePair]) -> None:
    """Prints how many pairs of images are duplicates, and which of these have different labels."""
    kinds = Counter(pair.how for pair in pairs)
    each = ", ".join(f"{count} {how}" for how, count in kinds.items())
    told = f"{counted(len(pairs), 'pair')} ({each})" if pairs else "none"
    output.print(f"duplicate images: {told}")
    _show_pairs(dataset, pairs)
    differing = [pair for pair in pairs if dataset.labels[pair.first] != dataset.labels[pair.second]]
    if differing:
        output.print(f"duplicates of different classes: {counted(len(differing), 'pair')}", style="bold red")
        _show_pairs(dataset, differing)


def _show_pairs(dataset: Dataset, pairs: Sequence[DuplicatePair]) -> None:
    for pair in pairs[:SHOWN]:
        output.print(f"  {_name(dataset, pair)}")
    if len(pairs) > SHOWN:
        output.print(f"  and {len(pairs) - SHOWN} more; --out pairs.csv writes them all")


def show_folds(dataset: Dataset, folds: Sequence[Fold], title: str, leaks: Sequence[Leak]) -> None:
    """Prints the sizes of the folds, and what leaks between their parts."""
    table = Table("fold", *PARTS, title=title)
    for number, fold in enumerate(folds, 1):
        table.add_row(str(number), *(str(len(getattr(fold, part))) for part in PARTS))
    output.print(table)
    unit = dataset.card.unit
    for leak in leaks:
        shared = [counted(len(leak.pairs), "pair") + " of duplicates"] if leak.pairs else []
        shared += [f"{counted(len(leak.patients), unit)} ({first_few(leak.patients)})"] if leak.patients else []
        where = f" in fold {leak.fold} between {leak.parts[0]} and {leak.parts[1]}: {', '.join(shared)}"
        output.print(Text("leak", "bold red").append(where, "not bold default"))
    if not leaks:
        output.print(f"no image and no known {unit} is in two parts of a fold")
    elif dataset.splits is None and any(leak.pairs for leak in leaks):
        output.print("--group-duplicates keeps duplicates in one part")


def _name(dataset: Dataset, pair: DuplicatePair) -> str:
    labels = [dataset.card.classes[dataset.labels[row]] for row in (pair.first, pair.second)]
    files = [f"{dataset.files[row]} ({label})" for row, label in zip((pair.first, pair.second), labels, strict=True)]
    return f"{files[0]} = {files[1]}, {pair.how}"


def _range(sizes: Counter[tuple[int, int]]) -> str:
    widths, heights = zip(*sizes, strict=True)
    return f"from {min(widths)} x {min(heights)} to {max(widths)} x {max(heights)}"
