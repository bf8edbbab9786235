"""Step 6: a real study: breast, five published folds, from ImageNet and from random; bfloat16 against float32."""

import dataclasses
import os
import time

import numpy as np

from benchmarks.gpu import material
from benchmarks.gpu.record import Record, arguments
from tljax.core import runs
from tljax.core.config import TrainConfig
from tljax.train.loop import train

PUBLISHED = {"imagenet": "0.905 +- 0.038", "random": "0.512 +- 0.100"}  # 224 px, validation and test images together


def main() -> None:
    options = arguments(__doc__)
    record = Record(options.out, "study")
    weights = None if options.toy else material.imagenet()
    config = TrainConfig(
        **material.settings(options.toy),
        backbone="resnet_tiny" if options.toy else "resnet50",
        image_size=32 if options.toy else 224,
        epochs=1 if options.toy else 30,
        variant="torch_v1.5",  # of the packed weights, so that both initialisations share their programs
        weights_dir=weights,
        workdir=material.WEIGHTS.parent / f"study-{os.getpid()}",
        quiet=True,
    )
    inits = ("imagenet", "random") if weights else ("random",)
    folds = (1, 2) if options.toy else (1, 2, 3, 4, 5)
    scores: dict[str, list[float]] = {init: [] for init in inits}
    began = time.perf_counter()
    for fold in folds:
        for init in inits:
            result = runs.read_run(train(dataclasses.replace(config, init=init, fold=fold))).result
            scores[init].append(result["test"]["auc"])
            record.say(
                f"{config.dataset} {init} fold {fold}: test AUC {result['test']['auc']:.3f}, epoch {result['epoch']}, "
                f"{result['seconds']:.1f} s; {time.perf_counter() - began:.0f} s in all",
                init=init,
                fold=fold,
                result=result,
            )
    for init, found in scores.items():
        record.say(
            f"{config.dataset} {init}: test AUC {np.mean(found):.3f} +- {np.std(found, ddof=1):.3f} over {len(found)} "
            f"folds (published for breast, up to 200 epochs: {PUBLISHED[init]})",
            init=init,
            scores=found,
        )
    exact = dataclasses.replace(config, init=inits[0], precision="float32", tag="float32")
    result = runs.read_run(train(exact)).result
    record.say(
        f"{inits[0]} fold 1 in float32: test AUC {result['test']['auc']:.3f} against {scores[inits[0]][0]:.3f}; "
        f"{result['seconds']:.1f} s",
        result=result,
    )


if __name__ == "__main__":
    main()
