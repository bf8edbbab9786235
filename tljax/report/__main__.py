"""python -m tljax.report DIR: writes DIR/report/index.html from the run folders and tables in DIR."""

from pathlib import Path

from tljax.core.arguments import Parser
from tljax.core.errors import run_command
from tljax.report import write_report


def main() -> None:
    """Runs the command."""
    parser = Parser(prog="tljax report", description="Write the report of a study.")
    parser.add_argument("workdir", type=Path, metavar="DIR", help="the --workdir of a study or of single trainings")
    print(write_report(parser.parse_args().workdir))


if __name__ == "__main__":
    run_command(main)
