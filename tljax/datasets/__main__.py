"""Lists the tasks; with NAME, prepares and checks a task and its folds; with `get NAME`, downloads its archive."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.table import Table
from rich.text import Text

from tljax import datasets
from tljax.core import extras
from tljax.core.arguments import Parser
from tljax.core.config import DatasetsConfig, parse
from tljax.core.errors import SHOWN, UserError, first_few, run_command
from tljax.core.files import write_csv
from tljax.core.progress import output
from tljax.datasets import Dataset, archives
from tljax.datasets.contact_sheet import draw_sheet
from tljax.datasets.dataset import PARTS, Fold
from tljax.datasets.duplicate_images import DuplicatePair
from tljax.datasets.folds import make_folds, read_folds
from tljax.datasets.leakage import COLUMNS, Leak, find_leaks, leak_rows, patients_in_several_classes


def main() -> None:
    """Downloads an archive if the first argument is `get`; otherwise lists the tasks, or checks one."""
    if sys.argv[1:2] == ["get"]:
        get(sys.argv[2:])
        return
    config = parse(DatasetsConfig, "tljax datasets")
    if config.name is None:
        show_tasks(config.cache_dir)
        return
    if config.figure:
        extras.require("matplotlib", to="draw a contact sheet")
        if config.figure.suffix.lower() != ".png":
            raise UserError(f"--figure {config.figure}: the contact sheet is a PNG file; give a name that ends in .png")
    dataset = datasets.load(
        config.name, config.data_dir, config.image_size, cache_dir=config.cache_dir, skip_bad=config.skip_bad
    )
    show_images(dataset, datasets.original_sizes(dataset))
    if config.figure:
        draw_sheet(dataset, config.figure)
        output.print(f"contact sheet: {config.figure}")
    pairs = datasets.duplicates(dataset, progress=True)
    divisions = find_divisions(dataset, config.folds_dir, config.group_duplicates)
    leaks = {title: find_leaks(dataset, folds, pairs) for title, folds in divisions.items()}
    if config.out:
        write_csv(config.out, COLUMNS, leak_rows(dataset, pairs, leaks))
    show_duplicates(dataset, pairs)
    for title, folds in divisions.items():
        show_folds(dataset, folds, title, leaks[title])
    if config.out:
        output.print(f"all pairs and leaks: {config.out}")


def get(arguments: list[str]) -> None:
    """Downloads a public archive, and prints where it is."""
    parser = Parser(prog="tljax datasets get", description="Download the archive of a data set.")
    parser.add_argument("name", metavar="NAME", help=f"one of {', '.join(archives.archives())}")
    parser.add_argument(
        "--cache-dir",
        type=Path,
        help="holds the folder `archives`; default $TLJAX_CACHE, then ~/.cache/tljax",
    )
    options = parser.parse_args(arguments)
    name, known = options.name, archives.archives()
    if name not in known and name in datasets.names() and datasets.card(name).needs_archive:
        raise UserError(
            f"{name} cannot be downloaded automatically; get it from {datasets.card(name).source}, and give it with "
            "--data-dir"
        )
    place = archives.get(name, options.cache_dir)
    print(place)
    print(f"licence: {known[name].licence}", file=sys.stderr)
    print(f"use it with: tljax train --dataset {known[name].task} --data-dir {place}", file=sys.stderr)


def find_divisions(dataset: Dataset, folds_dir: Path | None, group_duplicates: bool) -> dict[str, list[Fold]]:
    """Returns the folds to check, by title: those of the fold lists, the archive's own, or ours by each rule."""
    if group_duplicates and (folds_dir or dataset.splits):
        given = f"--folds-dir {folds_dir}" if folds_dir else "the archive's own split"
        raise UserError(
            f"--group-duplicates makes its own folds, but {given} gives other folds; leave out one of the two"
        )
    if folds_dir:
        return {f"folds of {folds_dir}": read_folds(folds_dir, dataset.card.name, dataset)}
    if dataset.splits:
        return {"the archive's own split": make_folds(dataset)}
    divisions, refused = {}, []
    together = ", duplicates kept together" if group_duplicates else ""
    for rule in ("paper", "grouped"):
        try:
            divisions[f"folds by the {rule} rule{together}"] = make_folds(
                dataset, rule, group_duplicates=group_duplicates
            )
        except UserError as error:
            refused.append(f"no folds by the {rule} rule: {error}")
    if not divisions:
        raise UserError("\n".join(refused))
    for reason in refused:
        output.print(reason, style="bold red")
    return divisions


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
        output.print(f"{unit}s: unknown; folds cannot keep them apart")
    elif unit != "slide" and (several := patients_in_several_classes(dataset)):  # a tumour fills a part of its slide
        output.print(f"{unit}s in several classes: {len(several)} ({first_few(several)}); check their labels")


def show_duplicates(dataset: Dataset, pairs: Sequence[DuplicatePair]) -> None:
    """Prints how many pairs of images are duplicates, and which of these have different labels."""
    kinds = Counter(pair.how for pair in pairs)
    output.print(f"duplicate pictures: {len(pairs)} pairs {dict(kinds) if kinds else ''}")
    _show_pairs(dataset, pairs)
    differing = [pair for pair in pairs if dataset.labels[pair.first] != dataset.labels[pair.second]]
    if differing:
        output.print(f"duplicates of different classes: {len(differing)} pairs", style="bold red")
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
        shared = [f"{len(leak.pairs)} pairs of one picture"] if leak.pairs else []
        shared += [f"{len(leak.patients)} {unit}s ({first_few(leak.patients)})"] if leak.patients else []
        where = f" in fold {leak.fold} between {leak.parts[0]} and {leak.parts[1]}: {', '.join(shared)}"
        output.print(Text("leak", "bold red").append(where, "not bold default"))
    if not leaks:
        output.print(f"no picture and no known {unit} is in two parts of a fold")
    elif dataset.splits is None and any(leak.pairs for leak in leaks):
        output.print("--group-duplicates keeps images of one picture in one part")


def _name(dataset: Dataset, pair: DuplicatePair) -> str:
    labels = [dataset.card.classes[dataset.labels[row]] for row in (pair.first, pair.second)]
    files = [f"{dataset.files[row]} ({label})" for row, label in zip((pair.first, pair.second), labels, strict=True)]
    return f"{files[0]} = {files[1]}, {pair.how}"


def _range(sizes: Counter[tuple[int, int]]) -> str:
    widths, heights = zip(*sizes, strict=True)
    return f"from {min(widths)} x {min(heights)} to {max(widths)} x {max(heights)}"


if __name__ == "__main__":
    run_command(main)
