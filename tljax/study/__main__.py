"""python -m tljax.study --config FILE --workdir DIR: a grid of fine-tunings, all comparisons, and tables."""

import shlex
import sys

from tljax.core.config import StudyConfig, parse
from tljax.core.errors import run_command


def main() -> None:
    config = parse(StudyConfig, "python -m tljax.study")
    command = shlex.join(["python", "-m", "tljax.study", *sys.argv[1:]])
    from tljax.study import study
    from tljax.study.summary import show_grid, show_results

    if config.dry_run:
        show_grid(config)
    else:
        study(config, command)
        show_results(config)


if __name__ == "__main__":
    run_command(main)
