"""Makes `old_folders.tar.gz`: what tljax 0.1.0 left on disk before its modules were moved into rooms.

    git worktree add old 4b39fc3 && PYTHONPATH=old python tests/golden/old_folders.py

It holds `study/` (a finished study of one run), `interrupted/` (a run stopped in its second phase, to be resumed) and
`config.py` (a config file of that time).
"""

import dataclasses
import tarfile
import tempfile
from pathlib import Path

from tljax import study
from tljax.config import StudyConfig, TrainConfig
from tljax.errors import Requeue
from tljax.models import resnet
from tljax.runwriter import StopSignal
from tljax.study.units import attempt
from tljax.train import train

OUT = Path(__file__).with_name("old_folders.tar.gz")
CONFIG = """\
from tljax.config import StudyConfig, TrainConfig

config = StudyConfig(
    inits=("random",),
    freezes=(False,),
    folds=(1,),
    protocols=("paper",),
    measures=("cca",),
    train=TrainConfig(backbone="resnet_micro", image_size=32, batch_size=128, epochs=1, learning_rate=1e-3),
)
"""

resnet.ARCHITECTURES["resnet_micro"] = resnet.Architecture((1,), 8)


class Inline:
    """A launcher that does everything in this process."""

    free = 1

    def submit(self, units):
        self.ended = [(unit, attempt(unit)) for unit in units]

    def collect(self, seconds):
        ended, self.ended = self.ended, []
        return ended

    def stop(self):
        return True

    def close(self):
        pass


def make(folder: Path) -> None:
    settings = {}
    (folder / "config.py").write_text(CONFIG)
    exec(CONFIG, settings)
    config: StudyConfig = settings["config"]
    study.LocalLauncher = Inline
    study.study(dataclasses.replace(config, workdir=folder / "study"), "python -m tljax.study --config config.py")
    run = dataclasses.replace(
        config.train, freeze=True, epochs=3, head_epochs=2, quiet=True, workdir=folder / "interrupted"
    )
    assert isinstance(run, TrainConfig)
    epochs = iter([False, False, True])
    StopSignal.requested = lambda self: next(epochs)
    try:
        train(run)
    except Requeue:
        return
    raise AssertionError("the run was not interrupted")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch, tarfile.open(OUT, "w:gz", compresslevel=9) as archive:
        make(Path(scratch))
        for path in sorted(Path(scratch).iterdir()):
            archive.add(path, path.name)
    print(f"{OUT}: {OUT.stat().st_size / 1e3:.0f} kB")
