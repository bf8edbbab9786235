"""python -m tljax.features NETWORK IMAGE_OR_FOLDER... --out F.npz: the features of images, by any network."""

from tljax.core.errors import run_command
from tljax.screen.features import main

if __name__ == "__main__":
    run_command(main)
