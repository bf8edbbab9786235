"""Reads the arguments of the commands that have no config file."""

import argparse
from typing import NoReturn

from tljax.core.errors import UserError, did_you_mean

_UNKNOWN = "unrecognized arguments: "  # argparse's own words


class Parser(argparse.ArgumentParser):
    """An argument parser that reports a mistake as one message, with the option nearest to a mistyped one."""

    def error(self, message: str) -> NoReturn:
        """Raises UserError with a message of argparse."""
        if message.startswith(_UNKNOWN):
            first, *_ = message.removeprefix(_UNKNOWN).split()
            message = f"unknown argument {first!r}{did_you_mean(first, self._option_string_actions)}"
        stop = "" if message.endswith("?") else "."
        raise UserError(f"{message}{stop} See: {self.prog} --help")
