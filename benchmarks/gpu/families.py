"""Step 8: a training step of the other backbones against PyTorch, and a screening of the candidates."""

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.gpu import material
from benchmarks.gpu.record import Record, arguments
from benchmarks.gpu.turns import Worker, in_turns
from tljax import models

PEERS = {"densenet121": "densenet121", "vit_small_patch16": "vit_small_patch16_224", "convnext_tiny": "convnext_tiny"}
SIZE, BATCH, STEPS = 224, 64, 10


def main() -> None:
    options = arguments(__doc__)
    record = Record(options.out, "families")
    if not options.toy:
        for backbone in sorted(PEERS.keys() & set(models.names())):
            try:
                _compare(record, backbone)
            except RuntimeError as error:
                record.say(f"{backbone}: failed ({str(error).strip().splitlines()[-1]})")
    _screen(record, options.toy)


def _compare(record: Record, backbone: str) -> None:
    variant = models.default_variant(backbone)
    ours = Worker("benchmarks.gpu.ours", "make", backbone, variant, BATCH * STEPS, SIZE, BATCH, True)
    theirs = Worker("benchmarks.gpu.torch_peer", "make", PEERS[backbone], BATCH * STEPS, SIZE, BATCH, "default", False)
    try:
        ours.ready()
        theirs.ready()
        seconds = in_turns(3, {"ours": (ours, "steps"), "PyTorch": (theirs, "steps")})
    finally:
        ours.close()
        theirs.close()
    rate = {name: BATCH * STEPS / value for name, value in seconds.items()}
    record.say(
        f"step, {backbone}, {SIZE} px, batch {BATCH}: {rate['ours']:.0f} images/s, PyTorch {rate['PyTorch']:.0f}: "
        f"{rate['ours'] / rate['PyTorch']:.2f} times its speed",
        backbone=backbone,
        rate=rate,
    )


def _screen(record: Record, toy: bool) -> None:
    if not Path("tljax/screen/__main__.py").is_file():
        record.say("screening: not measured (not there yet)")
        return
    weights = None if toy else material.imagenet()
    settings = material.settings(toy) | {"image_size": 32 if toy else 224, "out": material.WEIGHTS.parent / "screen"}
    settings |= {"weights_dir": weights} if weights else {}
    flags = [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    candidates = ["random", "random:1", *(["imagenet"] if weights else [])]
    if toy:
        flags += ["--backbone", "resnet_tiny", "--variant", "torch_v1.5"]
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "tljax.screen", *candidates, *flags], check=True)
    record.say(f"screening of {len(candidates)} candidates: {time.perf_counter() - began:.1f} s in all")


if __name__ == "__main__":
    main()
