"""python -m tljax.weights: list, get, convert, audit and export checkpoints."""

import sys
from pathlib import Path

from tljax.core.arguments import Parser
from tljax.core.errors import EXIT_USER_ERROR, did_you_mean, run_command
from tljax.core.progress import output

COMMANDS = {
    "list": "show the known checkpoints, and which of them are on this machine",
    "get": "download a known checkpoint, and convert it",
    "convert": "convert a weights file of another framework",
    "export": "write a weights folder or a run as a PyTorch or safetensors file",
    "audit": "find out which input a network was trained on",
}


def main() -> None:
    """Runs the command that the first argument names."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        known = "\n".join(f"  {command:<9}{does}" for command, does in COMMANDS.items())
        print(f"usage: tljax weights COMMAND [options]\n\n{known}\n\ntljax weights COMMAND --help explains a command.")
        return
    if name not in COMMANDS:
        hint = did_you_mean(name, COMMANDS) or f"; known are {', '.join(COMMANDS)}"
        print(f"error: tljax weights has no command {name!r}{hint}", file=sys.stderr)
        sys.exit(EXIT_USER_ERROR)
    {"list": _list, "get": _get, "convert": _convert, "export": _export, "audit": _audit}[name](arguments)


def _parser(command: str) -> Parser:
    parser = Parser(prog=f"tljax weights {command}", description=COMMANDS[command])
    parser.add_argument(
        "--weights-dir",
        type=Path,
        help="folder of converted weights; default $TLJAX_WEIGHTS, then ~/.cache/tljax/weights",
    )
    return parser


def _list(arguments: list[str]) -> None:
    from rich.table import Table

    from tljax.weights.catalogue import checkpoints, present

    options = _parser("list").parse_args(arguments)
    here = set(present(options.weights_dir))
    table = Table(box=None)
    table.add_column("name", no_wrap=True)
    for title in ("here", "backbone", "pre-training", "images", "px", "licence", "access"):
        table.add_column(title)
    for known in checkpoints().values():
        images = f"{known.pretraining_images:,}" if known.pretraining_images else ""
        access = {"": "free", "huggingface": "accept terms", "form": "ask the authors"}[known.gate]
        access = access if known.supported else "not supported yet"
        licence = known.licence + (" (?)" if "licence" in known.unconfirmed else "")
        row = (known.backbone, known.pretraining, images, str(known.image_size), licence, access)
        table.add_row(known.name, "yes" if known.name in here else "", *row)
    output.print(table)
    output.print("\n(?) no source confirms the licence. tljax weights get NAME downloads a checkpoint and converts it.")


def _get(arguments: list[str]) -> None:
    from tljax.weights.download import get

    parser = _parser("get")
    parser.add_argument("name", metavar="NAME", help="a name that tljax weights list shows")
    parser.add_argument(
        "--from", dest="source", type=Path, metavar="FILE", help="the file, if you have downloaded it yourself"
    )
    parser.add_argument("--keep", action="store_true", help="keep the downloaded file")
    options = parser.parse_args(arguments)
    print(get(options.name, options.weights_dir, source=options.source, keep=options.keep))


def _convert(arguments: list[str]) -> None:
    from tljax.weights.convert_command import main as convert

    convert(arguments)


def _export(arguments: list[str]) -> None:
    from tljax.weights.export import TARGETS, export

    parser = Parser(prog="tljax weights export", description=COMMANDS["export"])
    parser.add_argument("source", type=Path, metavar="FOLDER", help="a weights folder or a finished run")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file to write")
    parser.add_argument("--to", choices=TARGETS, help="kind of file; by default, the suffix of FILE decides")
    options = parser.parse_args(arguments)
    kind = options.to or ("safetensors" if options.out.suffix == ".safetensors" else "torch")
    for remark in export(options.source, options.out, kind):
        print(f"note: {remark}")
    print(f"wrote {options.out}")


def _audit(arguments: list[str]) -> None:
    from tljax.weights import audit_command, networks

    parser = _parser("audit")
    parser.add_argument("network", metavar="NETWORK", help="a name, a weights folder or a run folder")
    parser.add_argument(
        "--images",
        type=Path,
        required=True,
        metavar="DIR",
        help="images of any domain; in one folder per class for networks without batch normalisation",
    )
    parser.add_argument("--image-size", type=int, default=audit_command.IMAGE_SIZE, help="side in pixels; default 224")
    options = parser.parse_args(arguments)
    audit_command.run(networks.resolve(options.network, options.weights_dir), options.images, options.image_size)


if __name__ == "__main__":
    run_command(main)
