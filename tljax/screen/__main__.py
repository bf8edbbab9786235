"""python -m tljax.screen [NETWORK...] --dataset D: ranks networks by their frozen features."""

from tljax.core.config import ScreenConfig, parse
from tljax.core.errors import run_command
from tljax.screen.screening import screen
from tljax.screen.show import show


def main() -> None:
    config = parse(ScreenConfig, "tljax screen")
    found, setting = screen(config)
    show(found, setting, config)


if __name__ == "__main__":
    run_command(main)
