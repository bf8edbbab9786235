"""Reads tables of predicted probabilities, without jax, and names their columns."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from tljax.core.errors import UserError

PREDICTION_COLUMNS = ("file", "label", "split")  # one probability column per class follows, see `class_columns`


@dataclass(frozen=True)
class Predictions:
    """Class probabilities of images, one row per image."""

    files: tuple[str, ...]
    labels: Int[np.ndarray, " n"]
    """The true classes, as positions in `classes`."""
    splits: tuple[str, ...]
    probabilities: Float[np.ndarray, "n k"]
    classes: tuple[str, ...]

    def of_split(self, split: str) -> "Predictions":
        """Returns only the rows of `train`, `val` or `test`."""
        rows = [row for row, of in enumerate(self.splits) if of == split]
        return Predictions(
            files=tuple(self.files[row] for row in rows),
            labels=self.labels[rows],
            splits=(split,) * len(rows),
            probabilities=self.probabilities[rows],
            classes=self.classes,
        )


def class_columns(classes: Sequence[str], taken: Sequence[str]) -> list[str]:
    """Returns unique names for the probability columns of a table.

    A column has the name of its class. If a column in `taken` or an earlier class has the same name, or if the name
    itself ends like this, the number of the class is added, as in `crane (class 517)`.
    """
    names = []
    for number, name in enumerate(classes):
        numbered = f" (class {number})"
        unique = name not in (*taken, *names) and not name.endswith(numbered)
        names.append(name if unique else name + numbered)
    return names


def classes_of_columns(columns: Sequence[str]) -> tuple[str, ...]:
    """Returns the classes of columns that `class_columns` named."""
    return tuple(name.removesuffix(f" (class {number})") for number, name in enumerate(columns))


def read_predictions(path: Path) -> Predictions:
    """Reads a `predictions.csv`: `file,label,split`, then one column of probabilities per class.

    Raises UserError if the file is missing, or does not hold such a table.
    """
    header, rows = read_csv(path)
    known = len(PREDICTION_COLUMNS)
    if tuple(header[:known]) != PREDICTION_COLUMNS or len(header) < known + 2:
        raise UserError(f"{path} has the columns {header}; expected file,label,split and one per class")
    classes = classes_of_columns(header[known:])
    number_of = {name: number for number, name in enumerate(classes)}
    try:
        labels = np.array([number_of[row[1]] for row in rows], dtype=int)
        probabilities = np.array([row[known:] for row in rows], dtype=float).reshape(len(rows), len(classes))
    except KeyError as error:
        raise UserError(f"{path} has the label {error}, which is not one of its classes {list(classes)}") from None
    except ValueError as error:
        raise UserError(f"{path} holds a value that is not a probability ({error})") from None
    if not (np.isfinite(probabilities).all() and (probabilities >= 0).all() and (probabilities <= 1).all()):
        raise UserError(f"{path} holds probabilities outside 0..1; train this run again")
    files, splits = (tuple(row[column] for row in rows) for column in (0, 2))
    return Predictions(files, labels, splits, probabilities, classes)


def read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    """Returns the header and the rows of a CSV file. Raises UserError if they cannot be read or differ in length."""
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            header, *rows = csv.reader(lines)
    except FileNotFoundError:
        raise UserError(f"{path} is missing") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error})") from None
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise UserError(f"{path} is not a CSV file ({error})") from None
    ragged = next((number for number, row in enumerate(rows, start=2) if len(row) != len(header)), None)
    if ragged:
        raise UserError(f"{path}, line {ragged} does not have as many columns as the header")
    return header, rows
