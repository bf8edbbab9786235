"""Finds runs that would repeat others exactly, because the native input of some weights is the paper's."""

import dataclasses
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from tljax import models, weights
from tljax.core import runs
from tljax.core.errors import UserError
from tljax.core.files import write_text
from tljax.models.normalisation import NORMALISATIONS
from tljax.study.architectures import architecture
from tljax.study.planned import PlannedRun
from tljax.weights import networks


def originals(planned: Sequence[PlannedRun]) -> dict[Path, PlannedRun]:
    """Returns, by run folder, the earlier run of the grid that differs only in the normalisation of the input."""
    first: dict[tuple, PlannedRun] = {}
    found = {}
    for run in planned:
        key = (run.label, dataclasses.replace(run.config, preprocessing="native", tag=""))
        original = first.setdefault(key, run)
        if original.config.preprocessing != run.config.preprocessing:
            found[run.folder] = original
    return found


def has_same_input(run: PlannedRun) -> bool:
    """Returns whether the native input of a run's initialisation is the paper's; False if it is not known yet."""
    config, papers = run.config, NORMALISATIONS["caffe"]
    if networks.is_random(config.init):
        return models.normalisation_of(*architecture(run)) == papers
    try:
        return weights.read_card(networks.locate(config.init, config.weights_dir)).normalisation == papers
    except UserError:
        return False


def copy(run: PlannedRun, original: PlannedRun) -> bool:
    """Copies the finished run `original` to the folder of `run`. The config of the copy names its original.

    Returns False, and does nothing, if `run` has begun, or if the original is incomplete or has another input.
    """
    complete = original.finished and (original.folder / runs.CHECKPOINT).is_dir()
    if run.folder.exists() or not complete or not has_same_input(run):
        return False
    partial = run.folder.with_name(f".{run.folder.name}.{os.getpid()}.partial")
    ignored = shutil.ignore_patterns(f"{runs.LOCK}*", runs.TENSORBOARD, "profile")
    try:
        shutil.copytree(original.folder, partial, ignore=ignored)
        facts = runs.read_json(partial / runs.CONFIG)
        own = {"preprocessing": run.config.preprocessing, "tag": run.config.tag}
        facts |= {part: facts[part] | own for part in ("must_match", "config")}
        facts["copy_of"] = str(original.folder.relative_to(original.config.workdir))
        write_text(partial / runs.CONFIG, json.dumps(facts, indent=1) + "\n")
        partial.rename(run.folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return True
