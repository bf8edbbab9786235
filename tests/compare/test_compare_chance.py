"""The chance level of a comparison: how images and patients are paired and divided into blocks."""

import numpy as np
import pytest
from toynets import activations, network, pictures

from tljax.compare import compare, full
from tljax.compare.pairing import blocks_of, mismatch
from tljax.similarity.cca import mean_cca
from tljax.similarity.cka import debiased_cka

IMAGES = pictures(40)
TWO = [network(0), network(1)]


@pytest.mark.parametrize(
    ("patients", "batch_size"),
    [(None, 32), ([f"p{k // 10}" for k in range(40)], 3), ([f"p{k // 3}" for k in range(40)], 3)],
)
def test_chance_is_the_measure_of_mismatched_pairs(patients, batch_size):
    groups = patients or [str(k) for k in range(40)]
    partner, _ = mismatch(groups, blocks_of(groups, full.BLOCKS, 0), 0)
    assert sorted(partner) == list(range(40))
    assert all(groups[one] != groups[other] for one, other in enumerate(partner))
    x, y = (activations(net, "block1", IMAGES) for net in TWO)
    expected = debiased_cka(x.reshape(-1, x.shape[-1]), y[partner].reshape(-1, y.shape[-1]))
    rows = compare(TWO, IMAGES, measures=("debiased_cka",), patients=patients, batch_size=batch_size)
    (row,) = [row for row in rows if row.layer1 == "block1"]
    assert row.chance == pytest.approx(expected, abs=1e-5)
    assert row.flag == ""


def test_patients_of_equal_size_are_paired_image_by_image():
    patients = [f"p{k // 30}" for k in range(300)]
    partner, other_patient = mismatch(patients, blocks_of(patients, 10, 0), 0)
    assert other_patient
    met = {(patients[one], patients[other]) for one, other in enumerate(partner)}
    assert len(met) == 10  # each patient meets one other
    one_patient = np.flatnonzero(np.array(patients) == "p3")
    assert len({patients[row] for row in partner[one_patient]}) == 1


def test_chance_with_several_images_per_patient_equals_that_of_other_patients():
    """Images of a patient resemble each other: debiased CKA of pairs within a patient is far above that of others.

    The true level is the mean over all shifts that pair every patient with another one.
    """
    patients, images, rng = 10, 30, np.random.default_rng(0)
    of_patient = pictures(patients).astype(int)
    noise = rng.integers(-30, 30, (patients, images, 16, 16, 3))
    stacked = np.clip(of_patient[:, None] + noise, 0, 255).astype(np.uint8).reshape(-1, 16, 16, 3)
    names = np.repeat([f"p{k}" for k in range(patients)], images).tolist()
    rows = compare(TWO, stacked, measures=("cca", "debiased_cka"), pool="gap", patients=names)
    x, y = (activations(net, "block1", stacked).mean((1, 2)) for net in TWO)
    for measure, function in (("cca", mean_cca), ("debiased_cka", debiased_cka)):
        (row,) = [row for row in rows if (row.layer1, row.measure) == ("block1", measure)]
        others = [function(x, np.roll(y, k * images, axis=0)) for k in range(1, patients)]
        assert abs(row.chance - np.mean(others)) < 4 * np.std(others)
    within = np.arange(patients * images).reshape(patients, images)
    same_patient = debiased_cka(x, y[np.roll(within, 1, axis=1).ravel()])
    assert row.chance < same_patient - 0.1


def test_blocks_keep_patients_together_and_have_equal_sizes():
    patients = [f"p{k // 3}" for k in range(90)]
    blocks = blocks_of(patients, 10, seed=1)
    assert sorted(np.concatenate(blocks)) == list(range(90))
    assert [len(block) for block in blocks] == [9] * 10
    of = [{patients[row] for row in block} for block in blocks]
    assert sum(map(len, of)) == len(set(patients))
    assert all((a == b).all() for a, b in zip(blocks, blocks_of(patients, 10, seed=1), strict=True))
    assert len(blocks_of(["a", "b", "c"] * 2, 10, seed=0)) == 3
