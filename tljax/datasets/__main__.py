"""Lists the tasks; with NAME, prepares and checks a task and its folds; with `get NAME`, downloads its archive."""

import sys
from pathlib import Path

from tljax import datasets
from tljax.core import extras
from tljax.core.arguments import Parser
from tljax.core.config import DatasetsConfig, parse
from tljax.core.errors import UserError, run_command
from tljax.core.files import write_csv
from tljax.core.progress import output
from tljax.datasets import Dataset, archives
from tljax.datasets.contact_sheet import draw_sheet
from tljax.datasets.dataset import Fold
from tljax.datasets.display import show_duplicates, show_folds, show_images, show_tasks
from tljax.datasets.folds import make_folds, read_folds
from tljax.datasets.leakage import COLUMNS, find_leaks, leak_rows


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


if __name__ == "__main__":
    run_command(main)
