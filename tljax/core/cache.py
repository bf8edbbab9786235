"""Finds the folders of prepared images, compiled programs and converted weights."""

import os
import tempfile
from pathlib import Path


def cache_home(given: str | Path | None = None) -> Path:
    """Returns `given`, else $TLJAX_CACHE, else ~/.cache/tljax: the root of prepared images and compiled programs."""
    return _expanded(given or os.environ.get("TLJAX_CACHE")) or default_home()


def weights_home(given: str | Path | None = None) -> Path:
    """Returns `given`, else $TLJAX_WEIGHTS, else ~/.cache/tljax/weights: the root of converted weights."""
    return _expanded(given or os.environ.get("TLJAX_WEIGHTS")) or default_home() / "weights"


def default_home() -> Path:
    """Returns ~/.cache/tljax, the same on Linux and macOS; a temporary folder if the user has no home directory."""
    try:
        return Path.home() / ".cache" / "tljax"
    except RuntimeError:  # a container may run under a user number without an account
        return Path(tempfile.gettempdir()) / f"tljax-{os.getuid()}"


def _expanded(path: str | Path | None) -> Path | None:
    """Returns the path with `~` replaced; unchanged if there is no home directory."""
    return Path(os.path.expanduser(path)) if path else None
