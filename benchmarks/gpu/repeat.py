"""Step 3: does a run give the same bits if it is run twice, and if it is stopped and continued?"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.gpu import material
from benchmarks.gpu.record import Record, arguments
from tljax import models, weights

EPOCHS = 4


def main() -> None:
    options = arguments(__doc__)
    record = Record(options.out, "repeat")
    work = material.WEIGHTS.parent / f"repeat-{os.getpid()}"
    digests = {name: _digest(_train(work / name, options.toy)) for name in ("first", "second")}
    same = digests["first"] == digests["second"]
    record.say(f"{EPOCHS} epochs run twice: {'the same bits' if same else 'DIFFERENT weights'}", same=same)
    epoch = _stop(work / "stopped", options.toy)
    same = _digest(_train(work / "stopped", options.toy)) == digests["first"]
    told = "the same bits" if same else "DIFFERENT weights"
    record.say(f"stopped after epoch {epoch} of {EPOCHS} and resumed: {told}", same=same, epoch=epoch)


def _command(workdir: Path, toy: bool) -> list[str]:
    settings = {"image_size": 32 if toy else 112, "epochs": EPOCHS, "batch_size": 32, "select": "last"}
    settings |= material.settings(toy) | material.network(toy) | {"workdir": workdir}
    flags = [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    return [sys.executable, "-m", "tljax.train", *flags, "--quiet"]


def _train(workdir: Path, toy: bool) -> Path:
    """The finished run folder."""
    subprocess.run(_command(workdir, toy), check=True)
    return next(workdir.glob("*/*/fold1"))


def _stop(workdir: Path, toy: bool) -> int:
    """Ends a training after its first epochs, and returns how many it saved."""
    process = subprocess.Popen(_command(workdir, toy))
    while process.poll() is None and not _epochs(workdir):
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    process.wait()
    return _epochs(workdir)


def _epochs(workdir: Path) -> int:
    return sum(len(path.read_text().splitlines()) for path in workdir.glob("*/*/fold1/metrics.jsonl"))


def _digest(run: Path) -> str:
    return models.digest(weights.load(run / "checkpoint")[0])


if __name__ == "__main__":
    main()
