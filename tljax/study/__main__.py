"""python -m tljax.study --config FILE --workdir DIR: runs a grid of fine-tunings and comparisons, and writes tables."""

import shlex
import sys
from pathlib import Path

from tljax.core.config import StudyConfig, examples, parse
from tljax.core.errors import UserError, run_command


def main() -> None:
    """Runs a study, or copies an example config with `--init-config NAME`."""
    if sys.argv[1:2] == ["--init-config"]:
        _copy_example(sys.argv[2:])
        return
    config = parse(StudyConfig, "tljax study")
    command = shlex.join(["python", "-m", "tljax.study", *sys.argv[1:]])
    if config.dry_run:
        from tljax.study.preview import show_grid

        show_grid(config)
    else:
        from tljax.study.run import run_study
        from tljax.study.summary import show_results

        run_study(config, command)
        show_results(config)


def _copy_example(names: list[str]) -> None:
    if len(names) != 1:
        raise UserError(f"--init-config takes the name of one example: {', '.join(examples.names())}")
    path = examples.copy(names[0], Path.cwd())
    print(f"wrote {path}; edit it, then run: tljax study --config {path.name}")


if __name__ == "__main__":
    run_command(main)
