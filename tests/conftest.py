"""Rules for all tests: strict dtypes and ranks, checked shapes in annotations, and real data only if it is present."""

import os
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("MPLBACKEND", "agg")
# Tests compile many programs that run once. With these flags, compiling them takes less time.
FLAGS = ["--xla_backend_optimization_level=0"]
if version("jaxlib").startswith("0.10."):
    FLAGS += ["--xla_cpu_use_fusion_emitters=false"]  # jaxlib 0.11 has no such flag
os.environ["XLA_FLAGS"] = " ".join([*FLAGS, os.environ.get("XLA_FLAGS", "")]).strip()

from jaxtyping import install_import_hook  # noqa: E402

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
    """Prepared images and compiled programs outlive the test, and the session; all processes share them."""
    os.environ.setdefault("TLJAX_CACHE", str(config.cache.mkdir("tljax")))
    settings = {
        "jax_compilation_cache_dir": f"{os.environ['TLJAX_CACHE']}/xla",
        "jax_persistent_cache_min_compile_time_secs": 0.1,
    }
    for name, value in settings.items():
        os.environ[name.upper()] = str(value)
        jax.config.update(name, value)
