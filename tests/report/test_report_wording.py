"""Methods paragraph, checklist, and commands that repeat what was trained."""

import json
import shlex

import pytest
from workdirs import write_run

from tljax.core.config import TrainConfig, parse, to_json
from tljax.report.analysis.study import analyse
from tljax.report.wording.claim import checklist
from tljax.report.wording.methods import methods_paragraph
from tljax.report.wording.provenance import commands

OTHER = {
    "train": "last10", "data_dir": "/data/a folder", "folds_dir": "/folds", "weights_dir": "/w", "cache_dir": "/c",
    "backbone": "resnet_tiny", "variant": "torch_v1.5", "dropout": 0.25, "preprocessing": "paper", "folds": "honest",
    "augment": "none", "skip_bad": True, "storage": "stream", "patience": 7, "head_epochs": 3, "head_patience": 2,
    "head_learning_rate": 0.01, "select": "last", "precision": "bfloat16", "learning_rate": 3e-4,
}  # fmt: skip


@pytest.mark.parametrize(("freeze", "settings"), [(False, {}), (True, OTHER)])
def test_the_command_of_a_run_has_all_its_settings(tmp_path, freeze, settings):
    write_run(tmp_path, "breast", "radimagenet", freeze=freeze, fold=2, seed=3, tag="mine", **settings)
    study = analyse(tmp_path)
    (command,) = commands(study)
    assert command.startswith("python -m tljax.train --dataset breast --init radimagenet")
    replayed = to_json(parse(TrainConfig, "train", shlex.split(command)[3:]))
    assert replayed == to_json(TrainConfig()) | study.runs[0].settings


def test_the_commands_of_a_study_keep_their_order(tmp_path):
    write_run(tmp_path)
    recorded = ["python -m tljax.study --only fold1", ["python", "-m", "tljax.study", "--config", "a b.py"]]
    for settings, expected in (
        ({"commands": recorded, "command": "other"}, [recorded[0], "python -m tljax.study --config 'a b.py'"]),
        ({"command": "python -m tljax.study"}, ["python -m tljax.study"]),
        ({"command": ""}, ["python -m tljax.train --dataset breast"]),
    ):
        (tmp_path / "study.json").write_text(json.dumps(settings))
        assert [c[: len(e)] for c, e in zip(commands(analyse(tmp_path)), expected, strict=True)] == expected


def test_values_that_differ_are_stated_with_the_tasks_or_initialisations_that_have_them(tmp_path):
    for fold in (1, 2):
        for task, size in (("breast", 224), ("chest", 112), ("knee", 112), ("pcam-small", 96)):
            for init, dropout in (("imagenet", 0.5), ("random", 0.0)):
                write_run(tmp_path, task, init, fold=fold, image_size=size, dropout=dropout, learning_rate=10.0**-fold)
    study = analyse(tmp_path)
    text = methods_paragraph(study)
    assert "three channels and sides of 96 (pcam-small), 112 (chest and knee) and 224 (breast) pixels" in text
    assert "dropout 0.0 (random) and 0.5 (ImageNet)" in text
    assert "learning rate 0.01 or 0.1 and batch size 16," in text and "one dense softmax layer of 2 classes" in text
    sources = next(item.answer for item in checklist(study) if item.asks == "Sources")
    assert sources.startswith("The breast data: https://example.org/data; The chest data: ")
