"""Checks that optional packages are installed, and names the extra to install if one is missing."""

import importlib.util

from tljax.core.errors import UserError

EXTRA_OF = {  # package -> the extra in pyproject.toml that installs it
    "jinja2": "report",
    "matplotlib": "report",
    "pydicom": "dicom",
    "safetensors": "convert",
    "submitit": "slurm",
    "tensorboardX": "tensorboard",
    "torch": "convert",
}


def require(*packages: str, to: str) -> None:
    """Checks that optional packages are installed, without importing them.

    to: what they are needed for, such as "draw figures". Raises UserError, which names the extra.
    """
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        extras = ",".join(sorted({EXTRA_OF[package] for package in missing}))
        raise UserError(f"to {to}, tljax needs {' and '.join(missing)}: pip install 'tljax[{extras}]'")
