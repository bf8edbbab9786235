"""Rules for all tests: strict dtypes and ranks, checked shapes in annotations, and real data only if it is present."""

import os
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("MPLBACKEND", "agg")
# Tests compile many programs that run once. Without optimisation, compiling them takes less time.
os.environ["XLA_FLAGS"] = f"--xla_backend_optimization_level=0 {os.environ.get('XLA_FLAGS', '')}".strip()

from jaxtyping import install_import_hook

install_import_hook("tljax", "beartype.beartype")

import jax  # noqa: E402
import pytest  # noqa: E402

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real weights, images and published tables; the test skips, saying so, where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no folder {SHARED}: real weights and images are not part of the project")
    return SHARED


@pytest.fixture
def own(tmp_path) -> Path:
    """A correct folder of a user's images: six cats and six dogs."""
    from archives import write_images

    root = tmp_path / "own"
    for label in ("cat", "dog"):
        write_images(root / label / f"{number}.png" for number in range(6))
    return root


def pytest_configure(config: pytest.Config) -> None:
    """Prepared images and compiled programs outlive the test, and the session."""
    os.environ.setdefault("TLJAX_CACHE", str(config.cache.mkdir("tljax")))
    from tljax.core.devices import use_compilation_cache

    use_compilation_cache()
