"""Comparisons of few images, with unusual options or little memory: flags and errors."""

import dataclasses

import numpy as np
import pytest
from toynets import network, pictures

import tljax.compare as comparing
from tljax.compare import compare, full, gather, memory
from tljax.compare.pairing import batches_of, blocks_of, mismatch
from tljax.compare.row import Row, flags
from tljax.core.errors import UserError, require_known
from tljax.similarity.views import Measurement

IMAGES = pictures(40)
TWO = [network(0), network(1)]
GOOD = Measurement(0.5, 100.0, 5, 5, 1.0, 1.0, 1e-5, True, 0)


def row_of(measured: Measurement, interval=(0.4, 0.6), measure="cca", blocks=10) -> Row:
    about = {"measure": measure, "protocol": "full", "pool": "none"}
    return Row.of(("a", "b"), ("conv1", "conv1"), measured, **about, interval=interval, chance=0.1, blocks=blocks)


@pytest.mark.parametrize("n", [2, 3, 5, 10, 20])
def test_no_image_is_paired_with_itself_even_with_few_images(n):
    for row in compare(TWO, IMAGES[:n], measures=("debiased_cka",)):
        assert row.chance < row.value - 0.1
        assert ("block" in row.flag) == (n < 6)


@pytest.mark.parametrize("protocol", ["full", "paper"])
def test_chance_is_below_the_value_with_batches_of_one_image(protocol):
    one, many = (compare(TWO, IMAGES[:12], measures=("cca",), protocol=protocol, batch_size=size) for size in (1, 32))
    for row, expected in zip(one, many, strict=True):
        assert row.chance < row.value - 0.1
        assert row.value == pytest.approx(expected.value, abs=1e-5)


@pytest.mark.parametrize("patients", [list("abcdefghijkl"), list("aabbbbccccdd"), list("aaaaaabbbbbb"), ["p"] * 12])
@pytest.mark.parametrize("devices", [1, 4])
def test_batches_contain_every_sample_once_with_its_partner(patients, devices):
    blocks = blocks_of(patients, 3, seed=0)
    partner, other_patient = mismatch(patients, blocks, seed=0)
    assert other_patient == (len(set(patients)) > 1)
    for size in (1, 2, 3, 5, 32):
        batches = batches_of(blocks, partner, size, devices)
        assert batches.rows.shape[1] % devices == 0
        assert (batches.rows >= 0).sum(1).max() <= max(size, 2)
        assert sorted(batches.rows[batches.sample]) == list(range(12))
        for rows, sample, own, number in zip(*batches, strict=True):
            assert (rows[own[sample]] == partner[rows[sample]]).all()
            assert set(rows[sample]) <= set(blocks[number])


def test_blocks_have_at_least_two_images():
    for patients in (["a"] * 10 + ["b"], ["a", "b", "c"], ["a"] * 5 + ["b"] * 5 + ["c"] * 5 + ["d"]):
        blocks = blocks_of(patients, 10, seed=0)
        assert min(map(len, blocks)) >= 2
        assert sorted(np.concatenate(blocks)) == list(range(len(patients)))


def test_one_patient_gives_no_interval_and_two_give_a_flagged_one():
    one = compare(TWO, IMAGES, measures=("cca",), patients=["p"] * 40)
    assert {(row.flag, row.low, row.high) for row in one} == {("one block; chance within patients", None, None)}
    assert all(row.value > row.chance for row in one)
    two = compare(TWO, IMAGES, measures=("cca",), patients=["p", "q"] * 20)
    assert {row.flag for row in two} == {"two blocks"}
    assert all(row.low < row.value < row.high for row in two)


def test_correlations_that_are_1_by_arithmetic_are_flagged():
    rows = compare(TWO, pictures(9), pool="gap", measures=("cca", "debiased_cka"))  # 9 <= 5 + 6
    assert {row.flag for row in rows if row.measure == "cca"} == {"partly 1 by arithmetic"}
    assert {row.flag for row in rows if row.measure == "debiased_cka"} == {""}


def test_flags_are_joined():
    assert flags(GOOD) == flags(GOOD, 10) == ""
    assert flags(GOOD._replace(forced=2), 2) == "partly 1 by arithmetic; two blocks"
    assert flags(GOOD._replace(enough=False, forced=2), 1) == "too few samples; one block"
    assert flags(GOOD._replace(rank1=0), 1) == "constant"


def test_intervals_are_cut_to_the_range_of_the_measure():
    assert (row_of(GOOD, (-0.2, 1.3)).low, row_of(GOOD, (-0.2, 1.3)).high) == (0, 1)
    assert row_of(GOOD, (-0.2, 1.3), "debiased_cka").low == -0.2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "--batch-size 0"),
        ({"seed": -1}, "--seed -1"),
        ({"measures": ()}, "at least one measure"),
        ({"pairs": [(0, 5)]}, r"pair \(0, 5\): .* of 0..1"),
        ({"pairs": [(0, 0)]}, r"pair \(0, 0\)"),
        ({"pairs": []}, "at least two networks"),
        ({"patients": ["p"] * 3}, "there are 40 images but 3 patients"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        compare(TWO, IMAGES, **options)


def test_float_images_and_unknown_choices_are_refused():
    with pytest.raises(UserError, match=r"uint8 of 0..255.*float32 of shape 40 16 16 3"):
        comparing._check_images(IMAGES.astype(np.float32) / 255, None)
    with pytest.raises(UserError, match="unknown pool 'max'; known are none, gap"):
        require_known("pool", "max", ("none", "gap"))


def test_a_measure_named_twice_is_computed_once():
    assert len(compare(TWO, IMAGES, measures=("cka", "cka"))) == 2


def test_a_comparison_that_does_not_fit_into_memory_is_refused_before_it_starts(monkeypatch):
    assert memory.free_bytes() > 1e6
    monkeypatch.setattr(gather, "free_bytes", lambda: 1000)
    with pytest.raises(UserError, match="compare fewer networks or pairs at a time, or add --pool gap"):
        compare(TWO, IMAGES)


def test_grouping_layer_pairs_by_memory_does_not_change_the_result(monkeypatch):
    options = {"layers": "all", "pool": "gap", "measures": ("cka", "debiased_cka")}
    together = compare(TWO, IMAGES, **options)
    monkeypatch.setattr(full, "POOLED_BYTES", 1.0)
    for expected, found in zip(together, compare(TWO, IMAGES, **options), strict=True):
        for field in dataclasses.fields(Row):
            one, other = getattr(expected, field.name), getattr(found, field.name)
            assert one == (other if isinstance(other, str) or other is None else pytest.approx(other, abs=1e-6))


def test_very_small_activations_are_compared_like_any_others(monkeypatch):
    expected = compare(TWO, IMAGES, measures=("cka", "debiased_cka"))
    small = [network(0), network(1)]
    for net in small:
        net.model.first[...] = net.model.first[...] * 1e-12
    for row, found in zip(expected, compare(small, IMAGES, measures=("cka", "debiased_cka")), strict=True):
        assert (found.value, found.chance) == pytest.approx((row.value, row.chance), abs=1e-5)
