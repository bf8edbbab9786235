"""The tables in the authors' own schemas and order, so that their plotting scripts draw our results unchanged.

Their scripts know one condition of each network: of every task the first that the grid has finished is written. They
take the grid of `configs/paper.py` for granted, over any of its tasks (docs/architecture.md says which needs what).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tljax.core import paper, runs
from tljax.core.files import write_csv
from tljax.study.cell import Cell


def write_authors(
    folder: Path, finished: Sequence[Cell], representations: Sequence[Mapping[str, str]], agreements: Sequence[tuple]
) -> None:
    """Writes `AUC.csv`, `CCA_<task>.csv`, `similarity.csv` and `simVSauc{ImNet,RadNet}.csv`.

    representations, agreements: the rows of the tidy tables of the same names, those without a flag.
    """
    first = {cell.config.dataset: cell.condition for cell in reversed(finished)}
    cells = [cell for cell in finished if cell.condition == first[cell.config.dataset]]
    representations = [row for row in representations if row["condition"] == first[row["task"]]]
    of_variant = {cell.variant: cell for cell in cells}
    tasks = list(dict.fromkeys(cell.config.dataset for cell in cells))
    cells.sort(key=lambda cell: (cell.label == "random", tasks.index(cell.config.dataset), cell.config.freeze))
    write_csv(folder / "AUC.csv", paper.AUC_COLUMNS, map(_auc_row, cells))
    similar = list(_cca_rows(representations, of_variant))
    for task in tasks:
        write_csv(
            folder / f"CCA_{task}.csv", paper.CCA_COLUMNS, _pair_by_pair([row for row in similar if row[3] == task])
        )
    for init, short in (("imagenet", "ImNet"), ("radimagenet", "RadNet")):
        name = paper.INIT_NAMES[init]
        before_after = [row for row in similar if row[:2] == (f"{row[3]}-{name}-freezeFalse", name)]
        if before_after:
            write_csv(folder / f"simVSauc{short}.csv", paper.CCA_COLUMNS, before_after)
    write_csv(folder / "similarity.csv", paper.SIMILARITY_COLUMNS, _similarity_rows(agreements, of_variant))


def _auc_row(cell: Cell) -> tuple:
    auc = runs.read_run(cell.folder).result["test"]["auc"]
    return cell.config.dataset, _name(cell.label), _frozen(cell), f"fold{cell.config.fold}", auc


def _cca_rows(representations: Iterable[Mapping[str, str]], of_variant: Mapping[str, Cell]) -> Iterator[tuple]:
    """Mean CCA by the paper's protocol, a row for two networks and a fold."""
    layers: dict[tuple, dict[str, str]] = {}
    for row in representations:
        if row["protocol"] == "paper" and row["measure"] == "cca":
            models = (_model(row["task"], row[side], of_variant) for side in ("model1", "model2"))
            layers.setdefault((*models, f"fold{row['fold']}", row["task"]), {})[row["layer1"]] = row["value"]
    for key, values in layers.items():
        if None not in key:
            yield *key, *(values.get(layer, "") for layer in paper.LAYERS)


def _pair_by_pair(rows: Sequence[tuple]) -> list[tuple]:
    """All folds of two networks together, as the authors have them."""
    pairs = list(dict.fromkeys(row[:2] for row in rows))
    return sorted(rows, key=lambda row: pairs.index(row[:2]))


def _model(task: str, name: str, of_variant: Mapping[str, Cell]) -> str | None:
    """None for a network of another condition."""
    if name in of_variant:
        return f"{task}-{_name(of_variant[name].label)}-{_frozen(of_variant[name])}"
    is_before = name.startswith("random:") or name in {cell.label for cell in of_variant.values()}
    return _name(name.partition(":")[0]) if is_before else None


def _similarity_rows(agreements: Iterable[tuple], of_variant: Mapping[str, Cell]) -> Iterator[tuple]:
    """Of the first two initialisations of the grid, as their figure does not tell pairs apart.

    `rand` is the right formula, not theirs, which squares one accuracy: that is in `agreement.csv`.
    """
    pair = list(dict.fromkeys(cell.label for cell in of_variant.values()))[:2]
    agreements = list(agreements)
    tasks = list(dict.fromkeys(row[0] for row in agreements))
    agreements.sort(key=lambda row: (tasks.index(row[0]), row[3] == "freeze"))
    for task, one, other, _, fold, observed, independent, *_ in agreements:
        cells = [of_variant[name] for name in (one, other) if name in of_variant]
        if [cell.label for cell in cells] == pair:
            key = (task, *map(_name, pair), _frozen(cells[0]), f"fold{fold}")
            yield *key, "real", observed
            yield *key, "rand", independent


def _name(init: str) -> str:
    return paper.INIT_NAMES.get(init, init)


def _frozen(cell: Cell) -> str:
    return f"freeze{cell.config.freeze}"
