"""Prints the results of a screening: the scores, the shortlist and the remarks."""

import sys

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tljax.core.config import ScreenConfig
from tljax.screen import scores
from tljax.screen.setting import Setting
from tljax.screen.summary import Figure, Summary

PRINTED_WIDTH = 140  # characters, if the output is not a terminal
SHOWN = ("linear_probe", "knn", "nleep", "logme")  # always; other scores only if the user names them


def show(found: Summary, setting: Setting, config: ScreenConfig) -> None:
    """Prints the scores of every candidate, then the shortlist with reasons, then the remarks."""
    console = Console(width=None if sys.stdout.isatty() else PRINTED_WIDTH, highlight=False)
    folds = len(setting.folds)
    title = f"{setting.data.card.title}: {len(setting.data)} images of {setting.data.images.shape[1]} px, {folds} folds"
    computed = {score for _, score in found.figures}
    shown = [name for name in dict.fromkeys((*SHOWN, *config.scores)) if name in computed]
    cost = {row[0]: dict(zip(found.tables["cost"][0], row, strict=True)) for row in found.tables["cost"][1]}
    best = {row[0]: row[1] for row in found.tables["layers"][1] if row[-1]}
    titles = [scores.named(name).TITLE for name in shown]
    table = Table("network", *titles, "best layer", "parameters", "images/s", title=title, title_justify="left")
    for name in cost:
        speed = cost[name]["images_per_second"]
        table.add_row(
            escape(name),
            *(_figure(found.figures[name, score]) for score in shown),
            best[name],
            f"{cost[name]['parameters'] / 1e6:.1f} M",
            f"{speed:.1f}" if speed else "",
        )
    console.print(table)
    console.print("\n[bold]Shortlist[/]: fine-tune these")
    for place, choice in enumerate(found.shortlist.choices, start=1):
        console.print(f"  {place}. [bold]{escape(choice.name)}[/]: {escape(choice.reason)}", soft_wrap=True)
    for remark in (*found.shortlist.remarks, *_of_tables(found, setting)):
        console.print(f"  - {escape(remark)}", soft_wrap=True)
    console.print(f"\ntables -> {escape(str(config.out))}", soft_wrap=True)


def _figure(figure: Figure) -> str:
    if figure.value != figure.value:
        return ""
    known = f" ({figure.low:.3f} to {figure.high:.3f})" if figure.low == figure.low else ""
    return f"{figure.value:.3f}{known}"


def _of_tables(found: Summary, setting: Setting) -> list[str]:
    """Returns remarks on duplicates, and on the number of images that the first choice needs."""
    said = []
    first = found.shortlist.choices[0].name
    for row in found.tables.get("equivalence", ((), []))[1]:
        if row[0] == first and row[2] == row[2]:
            high = f"{row[4]:.0f}" if row[4] < float("inf") else "more than all"
            interval = f"95 % interval {row[3]:.0f} to {high}"
            said.append(
                f"A probe on {first} needs {row[2]:.0f} training images ({interval}) to reach the AUC that a probe on "
                f"{row[1]} has with {row[5]:.0f}."
            )
    if rows := found.tables.get("duplicates", ((), []))[1]:
        made = ", ".join(f"{row[0]} {row[4]:+.3f}" for row in rows)
        said.append(
            f"{setting.duplicates} test images, over all folds, have a duplicate among the training images. This "
            f"changes the probe's AUC by: {made} (see --group-duplicates)."
        )
    return said
