"""Which rule should choose the epoch whose weights are kept? Prints the test AUC by each rule, for the same trainings.

    python -m benchmarks.selection [--dataset breast --data-dir DIR --init DIR --image-size 64 ...]

It computes the validation and test scores of every epoch, which no real run does. The rules then choose an epoch.
"""

import dataclasses

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from tljax.core import devices
from tljax.core.config import TrainConfig, parse
from tljax.core.errors import UserError, run_command
from tljax.statistics import metrics
from tljax.train import engine
from tljax.train.feed import make_feed
from tljax.train.loop import recipe_of
from tljax.train.outcome import softmax
from tljax.train.phases import Selection, plan
from tljax.train.setup import prepare

RULES = ("val_loss", "val_auc", "last")


@dataclasses.dataclass(frozen=True)
class Config(TrainConfig):
    """The settings of training, over several folds."""

    backbone: str = "resnet_tiny"
    learning_rate: float = 1e-3
    epochs: int = 20
    across: tuple[int, ...] = (1, 2, 3, 4, 5)
    """the folds"""


def epochs(config: Config) -> list[dict[str, float]]:
    """Trains as `tljax.train` does, and returns the validation loss, validation AUC and test AUC of every epoch."""
    setup = prepare(config)
    data, fold = setup.data, setup.fold
    (phase,) = plan(setup.config, data.labels[fold.val])
    recipe = recipe_of(setup, phase)
    graphs, state = engine.split(setup.network.model, recipe)
    state = jax.device_put(state, devices.replicated(recipe.mesh))
    feed = make_feed(config.storage, graphs, recipe, engine.weights_of(state), data, fold)
    key = jax.random.fold_in(jax.random.key(config.seed), 0)  # of the first phase
    rows = []
    for epoch in range(1, phase.epochs + 1):
        state, _ = feed.epoch(state, fold.train, jax.random.fold_in(key, epoch))
        val, test = (softmax(np.asarray(feed.infer(engine.weights_of(state), part))) for part in (fold.val, fold.test))
        rows.append(
            {
                "epoch": epoch,
                "val_loss": metrics.log_loss(data.labels[fold.val], val),
                "val_auc": metrics.auc(data.labels[fold.val], val),
                "test_auc": metrics.auc(data.labels[fold.test], test),
            }
        )
    return rows


def chosen(rows: list[dict[str, float]], rule: str) -> dict[str, float]:
    """Returns the epoch that a rule keeps."""
    (phase,) = plan(TrainConfig(select=rule), np.array([0, 1]))
    selection = Selection()
    for row in rows:
        selection.offer(row, phase)
    return rows[selection.epoch - 1]


def main() -> None:
    config = parse(Config, "python -m benchmarks.selection")
    devices.use_compilation_cache(config.cache_dir)
    if config.freeze:
        raise UserError("--freeze: the rules choose among the epochs of one phase; leave it out")
    table = Table("fold", *(f"{rule}: test AUC (epoch)" for rule in RULES), "best epoch's")
    columns = []
    for number in config.across:
        rows = epochs(dataclasses.replace(config, fold=number))
        kept = [chosen(rows, rule) for rule in RULES]
        best = max(row["test_auc"] for row in rows)
        table.add_row(str(number), *(f"{row['test_auc']:.3f} ({row['epoch']})" for row in kept), f"{best:.3f}")
        columns.append([*(row["test_auc"] for row in kept), best])
    table.add_section()
    table.add_row("mean", *(f"{value:.3f}" for value in np.mean(columns, axis=0)))
    Console().print(f"{config.dataset}, {config.init}, {config.epochs} epochs", table)


if __name__ == "__main__":
    run_command(main)
