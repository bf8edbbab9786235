"""python -m tljax.train: fine-tunes one network on one fold of one data set."""

from tljax.core import devices, runs
from tljax.core.config import TrainConfig, parse
from tljax.core.errors import run_command
from tljax.core.progress import console
from tljax.train.loop import train


def main() -> None:
    config = parse(TrainConfig, "tljax train")
    run = train(config)
    if devices.is_writer():
        result = runs.read_json(run / runs.RESULT)
        auc = result["test"]["auc"]
        score = "undefined" if auc is None else f"{auc:.3f}"
        console.print(f"test AUC {score} (epoch {result['epoch']})  ->  {run}")


if __name__ == "__main__":
    run_command(main, devices.leave)
