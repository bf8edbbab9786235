"""The conversion command."""

import argparse
from pathlib import Path

from tljax.models.resnet import VARIANTS
from tljax.weights.card import NORMALISATIONS
from tljax.weights.convert import convert
from tljax.weights.folder import save


def main() -> None:
    parser = argparse.ArgumentParser(description="Converts a ResNet50 weights file of any known format.")
    parser.add_argument("source", type=Path, metavar="SOURCE", help="a .pth, .pt, .safetensors, .h5 or .keras file")
    parser.add_argument("--out", type=Path, required=True, help="the weights folder to write")
    parser.add_argument("--variant", choices=VARIANTS, help="overrides what the file's format implies")
    parser.add_argument(
        "--normalisation", choices=NORMALISATIONS, help="of the input; overrides what the format implies"
    )
    arguments = parser.parse_args()
    conversion = convert(arguments.source, variant=arguments.variant, normalisation=arguments.normalisation)
    save(arguments.out, conversion.tensors, conversion.card)
    print("\n".join(conversion.remarks))
    print(f"wrote {arguments.out}")
