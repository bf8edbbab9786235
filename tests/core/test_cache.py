"""The cache folder with and without environment variables and a home directory."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tljax.core.cache import cache_home, weights_home


def test_the_option_precedes_the_environment_and_the_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TLJAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TLJAX_WEIGHTS", str(tmp_path / "weights"))
    assert cache_home("~/here") == tmp_path / "home/here"
    assert (cache_home(), weights_home()) == (tmp_path / "cache", tmp_path / "weights")
    monkeypatch.delenv("TLJAX_WEIGHTS")
    assert weights_home() == tmp_path / "home/.cache/tljax/weights"
    monkeypatch.delenv("TLJAX_CACHE")
    assert cache_home() == tmp_path / "home/.cache/tljax"


def test_without_a_home_directory_it_is_a_temporary_folder(monkeypatch):
    def none():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", none)
    monkeypatch.delenv("TLJAX_CACHE", raising=False)
    assert cache_home().parent == Path(tempfile.gettempdir())


@pytest.mark.skipif(sys.platform != "linux", reason="uses setpriv")
def test_a_command_runs_for_a_user_without_an_account(tmp_path):
    setpriv = ["setpriv", "--reuid", "4321", "--clear-groups"]
    if subprocess.run([*setpriv, "true"], capture_output=True).returncode:
        pytest.skip("only root may become another user")
    root = str(Path(__file__).parents[2])
    code = f"import sys; sys.path.insert(0, {root!r}); from tljax.core.cache import cache_home; print(cache_home())"
    done = subprocess.run(
        [*setpriv, sys.executable, "-c", code], env={"PATH": "/usr/bin:/bin"}, cwd="/", capture_output=True, text=True
    )
    assert done.stdout.strip().endswith("tljax-4321"), done.stderr
