"""Comparing networks: values against stored activations, and the two protocols."""

import jax.numpy as jnp
import numpy as np
import pytest
from toynets import activations, network, pictures

from tljax.compare import compare, full, paper
from tljax.compare.row import coverage_notes
from tljax.core.errors import UserError
from tljax.similarity import r2_cca
from tljax.similarity.cca import mean_cca
from tljax.similarity.cka import debiased_cka, linear_cka

IMAGES = pictures(40)
TWO = [network(0), network(1)]


@pytest.fixture(scope="module")
def rows():
    return compare(TWO, IMAGES, measures=("cca", "debiased_cka"), batch_size=3)


def test_full_protocol_equals_the_measures_of_stored_activations(rows):
    assert [(row.layer1, row.layer2, row.measure) for row in rows] == [
        (layer, layer, measure) for layer in ("conv1", "block1") for measure in ("cca", "debiased_cka")
    ]
    for row in rows:
        x, y = (activations(net, row.layer1, IMAGES) for net in TWO)
        whole = {"cca": mean_cca, "debiased_cka": debiased_cka}[row.measure]
        expected = whole(x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1]))
        assert row.value == pytest.approx(expected, abs=1e-5)
        assert (row.n, row.rank1, row.rank2) == (expected.n, expected.rank1, expected.rank2)
        assert (row.protocol, row.pool, row.flag) == ("full", "none", "")


def test_value_lies_in_its_interval_and_above_chance(rows):
    for row in rows:
        assert row.low < row.value < row.high
        assert row.chance < row.low
        assert row.excess == pytest.approx(row.value - row.chance)
        assert 0 <= row.independent < row.chance + 0.05


def test_rows_state_what_their_interval_covers_and_correct_r2_cca_of_pooled_images():
    measures = ("r2_cca", "debiased_cka")
    rows = compare(TWO, IMAGES, measures=measures, pool="gap")
    assert {(row.measure, row.covers) for row in rows} == {("r2_cca", "this n"), ("debiased_cka", "all images")}
    for row in rows:
        if row.measure == "debiased_cka":
            assert (row.corrected, row.corrected_low, row.corrected_high) == (None, None, None)
            continue
        assert row.corrected == pytest.approx(r2_cca.corrected(row.value, row.chance, row.rank1, row.rank2))
        assert row.corrected_low < row.corrected < row.corrected_high
        assert row.corrected < row.value
    of_positions = compare(TWO, IMAGES, measures=measures)
    assert {row.corrected for row in of_positions} == {None}
    by_draws = compare(TWO, IMAGES, measures=("debiased_cka",), protocol="paper")
    assert {row.covers for row in by_draws} == {"draws"}
    assert coverage_notes([*rows, *by_draws]) == [
        "95 % intervals of r2_cca: the mean estimate at this number of images, not the value for the population.",
        "95 % intervals of debiased_cka: the value for all images of the population.",
        "95 % intervals of debiased_cka: the mean over draws of channels and positions from these images.",
    ]


def test_networks_with_different_layer_names_are_paired_by_relative_depth():
    assert full.paired_layers(("conv1", "block1"), ("conv1", "block1")) == [("conv1", "conv1"), ("block1", "block1")]
    resnet = ("conv1", "block1", "block2", "block3", "block4")
    vit = ("patch", "layer03", "layer06", "layer09", "layer12")
    assert full.paired_layers(resnet, vit) == list(zip(resnet, vit, strict=True))
    seven = tuple("abcdefg")
    assert full.paired_layers(resnet, seven) == list(zip(resnet, "abdeg", strict=True))
    assert full.paired_layers(seven, resnet) == [(b, a) for a, b in full.paired_layers(resnet, seven)]

    other = network(1)
    other.model.named_layers = ("patch", "layer01")
    other.model.features = lambda x, layers=(), mask=None, rngs=None: _renamed(TWO[1], x, layers)
    rows = compare([TWO[0], other], IMAGES, measures=("cka",))
    assert [(row.layer1, row.layer2) for row in rows] == [("conv1", "patch"), ("block1", "layer01")]
    named = compare(TWO, IMAGES, measures=("cka",))
    assert [row.value for row in rows] == pytest.approx([row.value for row in named])


def _renamed(net, x, layers):
    names = {"patch": "conv1", "layer01": "block1"}
    features, found = net.model.features(x, [names[layer] for layer in layers])
    return features, {layer: found[names[layer]] for layer in layers}


def test_grids_of_different_sizes_are_refused_and_pooling_is_suggested():
    wide = network(1)
    wide.model.features = lambda x, layers=(), mask=None, rngs=None: TWO[1].model.features(x[:, ::2, ::2], layers)
    with pytest.raises(UserError, match=r"grid of 4 x 4 positions, .* 2 x 2.*--pool gap"):
        compare([TWO[0], wide], IMAGES, measures=("cka",))
    assert compare([TWO[0], wide], IMAGES, measures=("cka",), pool="gap")


def test_pooled_layers_of_different_sizes_and_widths_are_compared():
    nets = [network(0), network(1, widths=(4, 7))]
    rows = compare(nets, IMAGES, layers="all", pool="gap", measures=("cka",))
    assert [(row.layer1, row.layer2) for row in rows] == [
        (a, b) for a in ("conv1", "block1") for b in ("conv1", "block1")
    ]
    for row in rows:
        x, y = (
            activations(nets[0], row.layer1, IMAGES).mean((1, 2)),
            activations(nets[1], row.layer2, IMAGES).mean((1, 2)),
        )
        assert row.value == pytest.approx(linear_cka(x, y), abs=1e-5)
        assert row.n == len(IMAGES)


def test_only_the_given_pairs_are_compared_and_equal_networks_have_similarity_1():
    rows = compare([network(0), network(0), network(1)], IMAGES, measures=("cca",), pairs=[(0, 1), (2, 0)])
    assert [(row.model1, row.model2) for row in rows] == [("toy:0", "toy:0 (2)"), ("toy:1", "toy:0")] * 2
    assert all(row.value == pytest.approx(1, abs=2e-6) for row in rows if row.model1 == "toy:0")


def test_paper_protocol_draws_images_and_the_same_channels_for_both_networks(monkeypatch):
    monkeypatch.setattr(paper, "POSITIONS", 16 * 10)  # ten images of 4 x 4 positions
    monkeypatch.setattr(paper, "CHANNELS", 3)
    rows = compare(TWO, IMAGES, protocol="paper", measures=("cca",), batch_size=16, seed=3)
    rng = np.random.default_rng(3)
    for row, (shape, count) in zip(rows, [((4, 4, 6), 10), ((2, 2, 5), 40)], strict=True):
        channels, taken = paper.draw(rng, [shape, shape], len(IMAGES))
        assert channels.shape == (paper.REPEATS, 3)
        assert all(len(set(drawn)) == 3 for drawn in channels.tolist())
        assert (taken.sum(1) == count).all()
        values = []
        for chosen, images in zip(channels, taken, strict=True):
            x, y = (activations(net, row.layer1, IMAGES[images])[..., chosen].reshape(-1, 3) for net in TWO)
            values.append(mean_cca(x, y))
        assert row.value == pytest.approx(np.mean(values), abs=1e-5)
        assert row.high - row.value == pytest.approx(2.776445 * np.std(values, ddof=1) / np.sqrt(5), rel=1e-3, abs=1e-6)
        assert (row.n, row.protocol) == (count * shape[0] * shape[1], "paper")
        assert row.chance < row.value


def test_too_few_samples_and_constant_layers_are_flagged():
    few = compare(TWO, IMAGES[:4], pool="gap", measures=("cca",))
    assert {row.flag for row in few} == {"too few samples; two blocks"}
    dead = network(1)
    dead.model.first[...] = jnp.zeros_like(dead.model.first[...])
    for row in compare([network(0), dead], IMAGES, measures=("cca", "debiased_cka")):
        assert (row.flag, row.value, row.chance, row.low) == ("constant", None, None, None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"networks": TWO[:1]}, "at least two networks"),
        ({"images": IMAGES[:1]}, "1 image is too few"),
        ({"measures": ("cosine",)}, "unknown measure 'cosine'"),
        ({"layers": "all"}, "--pool gap"),
        ({"layers": "all", "pool": "gap", "protocol": "paper"}, "leave out --layers"),
    ],
)
def test_comparisons_that_are_not_possible_are_refused(options, message):
    given = {"networks": TWO, "images": IMAGES} | options
    with pytest.raises(UserError, match=message):
        compare(given.pop("networks"), given.pop("images"), **given)


def test_activations_that_are_not_finite_are_named():
    broken = network(1)
    broken.model.second[...] = jnp.full_like(broken.model.second[...], jnp.inf)
    with pytest.raises(UserError, match="activations of block1 of toy:1 are not finite"):
        compare([network(0), broken], IMAGES, measures=("cca", "debiased_cka"))
