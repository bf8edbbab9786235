"""Every command as a user runs it, one after the other, on embedded data."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TINY = ("--backbone", "resnet_tiny", "--image-size", "32", "--epochs", "1", "--learning-rate", "1e-3")

STUDY = """
from tljax.core.config import StudyConfig, TrainConfig

config = StudyConfig(
    tasks=("phantom",),
    inits=("random",),
    folds=(1,),
    freezes=(False,),
    train=TrainConfig(backbone="resnet_tiny", image_size=32, epochs=1, learning_rate=1e-3),
)
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's working directory."""
    return tmp_path_factory.mktemp("user")


def run(here: Path, *command: str | Path) -> subprocess.CompletedProcess:
    """Runs a command in a separate process."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *map(str, command)], cwd=here, env=environment, capture_output=True, text=True, timeout=300
    )


def ran(here: Path, *command: str | Path) -> str:
    """Returns what a command prints; the command must succeed."""
    done = run(here, *command)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def trained(here: Path) -> Path:
    ran(here, "-m", "tljax.train", *TINY)
    return here / "runs/phantom/random-nofreeze/fold1"


def test_datasets_lists_the_tasks_and_checks_one(here):
    assert "phantom-source" in ran(here, "-m", "tljax.datasets")
    assert "malignant" in ran(here, "-m", "tljax.datasets", "phantom", "--image-size", "32")


def test_train_writes_a_complete_run_and_leaves_it_unchanged_the_second_time(here, trained):
    result = json.loads((trained / "result.json").read_text())
    assert 0 <= result["test"]["auc"] <= 1 and result["epoch"] == 1
    with open(trained / "predictions.csv", newline="") as lines:
        header, *rows = csv.reader(lines)
    assert header == ["file", "label", "split", "benign", "malignant"]
    assert {row[2] for row in rows} == {"val", "test"}
    assert all(abs(float(row[3]) + float(row[4]) - 1) < 1e-6 for row in rows)
    written = (trained / "result.json").stat().st_mtime_ns
    ran(here, "-m", "tljax.train", *TINY)
    assert (trained / "result.json").stat().st_mtime_ns == written


def test_another_setting_never_overwrites_a_run(here, trained):
    refused = run(here, "-m", "tljax.train", *TINY, "--seed", "1")
    assert refused.returncode == 2
    assert "seed was 0, is now 1" in refused.stderr and "Traceback" not in refused.stderr


def test_an_exported_run_is_converted_back_unchanged(here, trained):
    pytest.importorskip("torch")
    ran(here, ROOT / "tools/convert_weights.py", trained, "--to", "torch", "--out", "run.pth")
    ran(here, ROOT / "tools/convert_weights.py", "run.pth", "--out", "back", "--variant", "keras_v1")
    import numpy as np

    from tljax import weights

    there, _ = weights.load(trained / "checkpoint")
    back, _ = weights.load(here / "back")
    assert there.keys() == back.keys()
    assert all(np.array_equal(there[name], back[name]) for name in there)


def test_predict_names_the_classes(here, trained):
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    (here / "images").mkdir()
    for name in ("a.png", "b.jpg"):
        Image.fromarray(rng.integers(0, 255, (40, 50, 3), np.uint8)).save(here / "images" / name)
    shown = ran(here, "-m", "tljax.predict", trained, "images", "--out", "out.csv")
    assert "a.png" in shown and "malignant" in shown
    with open(here / "out.csv", newline="") as lines:
        header, *rows = csv.reader(lines)
    assert header == ["file", "benign", "malignant"] and len(rows) == 2
    (here / "images" / "broken.png").write_bytes(b"no image")
    (here / "images" / "._a.png").write_bytes(b"what macOS leaves next to it")
    assert "broken.png" in run(here, "-m", "tljax.predict", trained, "images").stderr
    skipped = run(here, "-m", "tljax.predict", trained / "checkpoint", "images", "--skip-bad", "--out", "again.csv")
    assert "left out 1 of 3" in skipped.stderr
    with open(here / "again.csv", newline="") as lines:
        _, *again = csv.reader(lines)
    assert [row[0] for row in again] == [row[0] for row in rows]
    ours, theirs = (np.array([row[1:] for row in each], float) for each in (again, rows))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)  # other batches: another order of sums


def test_compare_writes_one_row_per_layer(here, trained):
    ran(here, "-m", "tljax.compare", trained, "random:1", "--dataset", "phantom", "--out", "similarity.csv")
    with open(here / "similarity.csv", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert {row["layer1"] for row in rows} >= {"conv1", "block1", "block2", "block3", "block4"}
    assert all(0 <= float(row["value"]) <= 1 for row in rows if row["value"])


def test_study_and_report(here):
    (here / "study.py").write_text(STUDY)
    assert "phantom" in ran(here, "-m", "tljax.study", "--config", "study.py", "--workdir", "study", "--dry-run")
    ran(here, "-m", "tljax.study", "--config", "study.py", "--workdir", "study")
    assert (here / "study/results/AUC.csv").read_text().startswith("target,source,freeze,fold,AUC")
    ran(here, "-m", "tljax.report", "study")
    assert "<html" in (here / "study/report/index.html").read_text()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("-m", "tljax.train", "--dataset", "brest"), "breast"),
        (("-m", "tljax.train", "--init", "imagnet"), "imagenet"),
        (("-m", "tljax.train", "--fold", "6"), "1..5"),
        (("-m", "tljax.train", "--config", "nowhere.py"), "nowhere.py"),
        (("-m", "tljax.train", "--epochs", "0"), "--epochs"),
        (("-m", "tljax.predict", "random", "nowhere.png"), "head"),
        (("-m", "tljax.predict", "random"), "name the images"),
        (("-m", "tljax.predict", "random", "nowhere.png", "--top", "0"), "--top 0"),
        (("-m", "tljax.report", "nowhere"), "nowhere"),
        (("-m", "tljax.datasets", "breast", "--data-dir", "nowhere"), "nowhere"),
    ],
)
def test_a_mistake_is_one_message(here, command, said):
    refused = run(here, *command)
    assert refused.returncode == 2
    assert said in refused.stderr and "Traceback" not in refused.stderr


def test_a_warning_is_printed_without_a_line_of_code(here):
    code = "import warnings; from tljax.core.errors import run_command; run_command(lambda: warnings.warn('mind this'))"
    assert run(here, "-c", code).stderr == "WARNING: mind this\n"


INTERRUPTED = """
import os, signal, threading
import jax, jax.numpy as jnp
from tljax.core.errors import run_command

signal.signal(signal.SIGINT, signal.default_int_handler)  # Ctrl-C is ignored if the tests run in the background
products = jax.jit(lambda x, count: jax.lax.fori_loop(0, count, lambda _, x: x @ x / jnp.max(x), x))
x = jnp.ones((300, 300))
products(x, 1).block_until_ready()

def main():
    running = products(x, 10**6)  # takes minutes
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    jax.device_get(running)

run_command(main)
"""


def test_ctrl_c_ends_a_command_that_waits_for_the_device(here):
    stopped = run(here, "-c", INTERRUPTED)
    assert (stopped.returncode, stopped.stderr) == (130, "interrupted; run the same command again to continue\n")
