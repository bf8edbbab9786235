"""The setting that candidates share: folds, draws of training images, and training images without duplicates."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from screening import dataset

from tljax.core.config import ScreenConfig
from tljax.core.errors import UserError
from tljax.datasets.folds import make_folds
from tljax.screen import setting
from tljax.screen.efficiency import equivalence

CONFIG = ScreenConfig(dataset="toy", quiet=True)


def prepared(monkeypatch, data, pairs=(), **changes):
    monkeypatch.setattr(setting, "load_data", lambda *_, **__: data)
    monkeypatch.setattr(setting.datasets, "duplicates", lambda *_, **__: list(pairs))
    return setting.prepare(dataclasses.replace(CONFIG, **changes))


def test_draws_are_stratified_parts_of_the_training_images(monkeypatch):
    data = dataset(200, classes=2)
    found = prepared(monkeypatch, data)
    assert len(found.draws) == len(setting.SHARES) * 5 * setting.DRAWS
    for draw in found.draws:
        train = found.folds[draw.fold].train
        assert set(draw.rows) <= set(train)
        for label in (0, 1):
            own = (data.labels[draw.rows] == label).sum()
            assert own == pytest.approx(draw.share * (data.labels[train] == label).sum(), abs=1)
    several = {draw.rows.tobytes() for draw in found.draws}
    assert len(several) == len(found.draws)


def test_draws_keep_patients_whole(monkeypatch):
    patients = tuple(f"p{number // 4}" for number in range(200))
    data = dataclasses.replace(dataset(200), patients=patients)
    found = prepared(monkeypatch, data)
    groups = np.array(found.groups)
    for draw in found.draws:
        train = found.folds[draw.fold].train
        touched = np.isin(groups[train], groups[draw.rows])
        assert set(train[touched]) == set(draw.rows)


def test_training_sets_without_duplicates_and_without_as_many_other_images(monkeypatch):
    from tljax.datasets.duplicate_images import DuplicatePair

    data = dataset(100)
    by_class = [np.flatnonzero(data.labels == c) for c in (0, 1)]
    couples = [sorted(rows[k : k + 2].tolist()) for rows in by_class for k in range(0, 20, 2)]
    pairs = [DuplicatePair(*couple, "identical") for couple in couples]
    found = prepared(monkeypatch, data, pairs)
    partner = {one: other for pair in pairs for one, other in ((pair.first, pair.second), (pair.second, pair.first))}
    assert found.duplicates > 0
    shown = 0
    for fold, (without, control) in zip(found.folds, found.without, strict=True):
        dropped = set(fold.train) - set(without)
        assert dropped == {partner[row] for row in fold.test if partner.get(row) in set(fold.train)}
        assert not {partner.get(row) for row in fold.test} & set(without)
        assert sorted(data.labels[without]) == sorted(data.labels[control])
        shown += len(dropped)
    assert shown == found.duplicates


def test_groups_of_duplicates_are_kept_together_on_request(monkeypatch):
    from tljax.datasets.duplicate_images import DuplicatePair

    data = dataset(100)
    pairs = [DuplicatePair(k, k + 1, "identical") for k in range(0, 60, 2)]
    monkeypatch.setattr("tljax.datasets.duplicates", lambda *_, **__: pairs)
    found = prepared(monkeypatch, data, pairs, group_duplicates=True)
    for fold in found.folds:
        parts = [set(fold.train.tolist()), set(fold.test.tolist())]
        assert not any({pair.first, pair.second} & parts[0] and {pair.first, pair.second} & parts[1] for pair in pairs)
    assert found.without == () and found.groups is not None
    with pytest.raises(UserError, match="--group-duplicates makes new folds"):
        prepared(monkeypatch, data, group_duplicates=True, folds_dir=Path("lists"))


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.zeros(40), "class1 has 0 images"),
        (np.eye(1, 40, 3)[0], "class1 has 1 image,"),
        (np.arange(4) % 2, "has 2 images, fewer than the 5 folds"),
    ],
)
def test_classes_that_are_too_small_are_refused(monkeypatch, labels, said):
    labels = labels.astype(np.int32)
    data = dataclasses.replace(dataset(len(labels)), labels=labels)
    with pytest.raises(UserError, match=said):
        prepared(monkeypatch, data)


def test_a_fold_of_a_list_that_lacks_a_class_is_refused(monkeypatch):
    data = dataset(60)
    folds = make_folds(data)
    broken = dataclasses.replace(folds[1], train=folds[1].train[data.labels[folds[1].train] == 0])
    monkeypatch.setattr(setting, "read_folds", lambda *_: [folds[0], broken])
    with pytest.raises(UserError, match="fold 2 has no image of class1 in its train part"):
        prepared(monkeypatch, data, folds_dir=Path("lists"))


def test_the_number_of_images_with_equal_auc_is_found():
    sizes = [10.0, 20.0, 40.0, 80.0]
    curve = [np.full((5, 5), value) for value in (0.6, 0.7, 0.8)] + [np.full((5, 1), 0.9)]
    found = equivalence(sizes, curve, np.full(5, 0.75))
    assert found.images == pytest.approx(np.sqrt(20 * 40)) and found.low == found.high == pytest.approx(found.images)
    assert equivalence(sizes, curve, np.full(5, 0.5)).images == 10
    never = equivalence(sizes, curve, np.full(5, 0.95))
    assert np.isnan(never.images) and never.low == never.high == np.inf


def test_the_interval_of_equivalence_grows_with_the_noise():
    rng = np.random.default_rng(0)
    sizes, means = [10.0, 20.0, 40.0, 80.0], (0.6, 0.7, 0.8, 0.9)
    widths = []
    for noise in (0.002, 0.02):
        curve = [mean + noise * rng.normal(size=(5, 5)) for mean in means]
        found = equivalence(sizes, curve, 0.75 + noise * rng.normal(size=5))
        assert found.low < found.images < found.high
        widths.append(np.log(found.high / found.low))
    assert widths[0] < widths[1]
