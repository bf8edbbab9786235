"""`python -m tljax.datasets`: lists the tasks; with a NAME prepares and checks it, and says what its folds leak."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tljax import datasets
from tljax.core.config import DatasetsConfig, parse
from tljax.core.errors import UserError, run_command
from tljax.core.files import replacing, write_csv
from tljax.datasets import Dataset
from tljax.datasets.duplicate_images import DuplicatePair
from tljax.datasets.folds import PARTS, Fold, make_folds, read_folds
from tljax.datasets.leakage import COLUMNS, Leak, find_leaks, leak_rows, patients_in_several_classes

SHOWN = 5
IMAGES = 8  # images of a class on the contact sheet, an inch each
ROW = 1.25  # inches: an image below the line that names its class
console = Console(highlight=False, soft_wrap=True)


def main() -> None:
    config = parse(DatasetsConfig, "python -m tljax.datasets")
    if config.name is None:
        show_tasks(config.cache_dir)
        return
    if config.figure and config.figure.suffix.lower() != ".png":
        raise UserError(f"--figure {config.figure}: the contact sheet is a PNG file; give a name that ends in .png")
    dataset = datasets.load(
        config.name, config.data_dir, config.image_size, cache_dir=config.cache_dir, skip_bad=config.skip_bad
    )
    show_images(dataset, datasets.original_sizes(dataset))
    if config.figure:
        draw_sheet(dataset, config.figure)
        console.print(f"contact sheet: {config.figure}")
    pairs = datasets.duplicates(dataset, progress=True)
    show_duplicates(dataset, pairs)
    leaks = {}
    for title, folds in find_divisions(dataset, config.folds_dir, config.group_duplicates).items():
        leaks[title] = find_leaks(dataset, folds, pairs)
        show_folds(dataset, folds, title, leaks[title])
    if config.out:
        write_csv(config.out, COLUMNS, leak_rows(dataset, pairs, leaks))
        console.print(f"all pairs and leaks: {config.out}")


def find_divisions(dataset: Dataset, folds_dir: Path | None, group_duplicates: bool) -> dict[str, list[Fold]]:
    """The folds to be checked by their titles: those that are listed, the archive's own, or ours by each rule."""
    if group_duplicates and (folds_dir or dataset.splits):
        given = f"--folds-dir {folds_dir}" if folds_dir else "the archive's own split"
        raise UserError(f"--group-duplicates makes folds of its own, and {given} gives others; leave one of them out")
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
        console.print(f"[bold red]{escape(reason)}[/]")
    return divisions


def show_tasks(cache_dir: Path | None) -> None:
    """A block a task: what it is, where to get it, and whether it is prepared."""
    for name in datasets.names():
        card = datasets.card(name)
        classes = ", ".join(card.classes) if card.classes else "as found"
        images = f"{card.images:,} images" if card.images else "any number of images"
        ready = "prepared" if datasets.prepared(name, cache_dir) else "not prepared"
        console.print(f"[bold]{name}[/]  {escape(card.title)}  [dim]({ready})[/]")
        console.print(f"  {images}, {card.image_size} px, grouped by {card.grouped_by}; classes: {escape(classes)}")
        console.print(f"  licence: {escape(card.licence)}")
        console.print(f"  from: {escape(card.source)}")


def show_images(dataset: Dataset, sizes: Counter[tuple[int, int]]) -> None:
    """Counts by class, patients, sizes before resizing, grey or colour."""
    unit = dataset.card.unit
    table = Table("class", "images", *([f"{unit}s"] if dataset.patients else []), title=dataset.card.title)
    for index, name in enumerate(dataset.card.classes):
        rows = np.flatnonzero(dataset.labels == index)
        patients = [str(len({dataset.patients[row] for row in rows}))] if dataset.patients else []
        table.add_row(escape(name), str(len(rows)), *patients)
    console.print(table)
    if sizes:
        (width, height), count = sizes.most_common(1)[0]
        console.print(f"sizes: {len(sizes)}, most often {width} x {height} ({count}), {_range(sizes)}")
    grey = sum(bool((image[..., :1] == image).all()) for image in dataset.images)
    console.print(f"grey: {grey}, colour: {len(dataset) - grey}; prepared at {dataset.images.shape[1]} px")
    if dataset.patients is None:
        console.print(f"{unit}s: unknown; folds cannot keep them apart")
    elif unit != "slide" and (several := patients_in_several_classes(dataset)):  # a tumour fills a part of its slide
        console.print(f"{unit}s in more than one class: {len(several)}, as {_some(several)}; labels right?")


def show_duplicates(dataset: Dataset, pairs: Sequence[DuplicatePair]) -> None:
    """How many pictures are there twice, and those that contradict themselves."""
    kinds = Counter(pair.how for pair in pairs)
    console.print(f"pictures that are there twice: {len(pairs)} pairs {dict(kinds) if kinds else ''}")
    _show_pairs(dataset, pairs)
    torn = [pair for pair in pairs if dataset.labels[pair.first] != dataset.labels[pair.second]]
    if torn:
        console.print(f"[bold red]of different classes: {len(torn)} pairs[/]")
        _show_pairs(dataset, torn)


def _show_pairs(dataset: Dataset, pairs: Sequence[DuplicatePair]) -> None:
    for pair in pairs[:SHOWN]:
        console.print(f"  {_name(dataset, pair)}")
    if len(pairs) > SHOWN:
        console.print(f"  and {len(pairs) - SHOWN} more; --out pairs.csv writes them all")


def show_folds(dataset: Dataset, folds: Sequence[Fold], title: str, leaks: Sequence[Leak]) -> None:
    """Sizes of the folds, and what leaks between their parts."""
    table = Table("fold", *PARTS, title=title)
    for number, fold in enumerate(folds, 1):
        table.add_row(str(number), *(str(len(getattr(fold, part))) for part in PARTS))
    console.print(table)
    unit = dataset.card.unit
    for leak in leaks:
        shared = [f"{len(leak.pairs)} pairs of one picture"] if leak.pairs else []
        shared += [f"{len(leak.patients)} {unit}s ({_some(leak.patients)})"] if leak.patients else []
        console.print(
            f"[bold red]leak[/] in fold {leak.fold} between {leak.parts[0]} and {leak.parts[1]}: {', '.join(shared)}"
        )
    if not leaks:
        console.print(f"no picture and no known {unit} on both sides of a fold")


def draw_sheet(dataset: Dataset, path: Path) -> None:
    """A PNG with a row of images a class, evenly picked."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    classes = dataset.card.classes
    height = ROW * len(classes)
    places = {"left": 0.01, "right": 0.99, "bottom": 0.05 / height, "top": 1 - (ROW - 1) / height, "hspace": ROW - 1}
    figure, axes = pyplot.subplots(
        len(classes), IMAGES, figsize=(IMAGES, height), squeeze=False, gridspec_kw=places | {"wspace": 0.05}
    )
    for index, name in enumerate(classes):
        rows = np.flatnonzero(dataset.labels == index)
        rows = rows[np.linspace(0, len(rows) - 1, min(IMAGES, len(rows))).astype(int)]
        for axis in axes[index]:
            axis.set_axis_off()
        for axis, row in zip(axes[index], rows, strict=False):
            axis.imshow(dataset.images[row])
        title = f"{name} ({int((dataset.labels == index).sum())})"
        axes[index, 0].set_title(title, fontsize=8, loc="left", parse_math=False)
    try:
        with replacing(path) as partial:
            figure.savefig(partial, dpi=150, format="png")
    except OSError as error:
        raise UserError(f"cannot write the contact sheet {path} ({error})") from error
    finally:
        pyplot.close(figure)


def _name(dataset: Dataset, pair: DuplicatePair) -> str:
    labels = [dataset.card.classes[dataset.labels[row]] for row in (pair.first, pair.second)]
    files = [f"{dataset.files[row]} ({label})" for row, label in zip((pair.first, pair.second), labels, strict=True)]
    return escape(f"{files[0]} = {files[1]}, {pair.how}")


def _range(sizes: Counter[tuple[int, int]]) -> str:
    widths, heights = zip(*sizes, strict=True)
    return f"from {min(widths)} x {min(heights)} to {max(widths)} x {max(heights)}"


def _some(names: Sequence[str]) -> str:
    return escape(", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else ""))


if __name__ == "__main__":
    run_command(main)
