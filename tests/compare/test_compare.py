"""Comparing networks: values against stored activations; protocols, tables, figures and the command."""

import csv
import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from toynets import network, pictures

from tljax.compare import __main__ as command
from tljax.compare import compare, full, paper
from tljax.compare.pairing import blocks_of, mismatch
from tljax.compare.plot import draw, heat_maps, over_layers
from tljax.compare.row import coverage_notes
from tljax.compare.table import authors_rows, write_authors, write_rows
from tljax.core import devices
from tljax.core.errors import UserError
from tljax.core.paper import CCA_COLUMNS
from tljax.similarity import r2_cca
from tljax.similarity.cca import mean_cca
from tljax.similarity.cka import debiased_cka, linear_cka
from tljax.weights import networks

IMAGES = pictures(40)
TWO = [network(0), network(1)]


def activations(net: networks.Network, layer: str, images=IMAGES) -> np.ndarray:
    x = net.normalisation(jnp.asarray(images, jnp.float32))
    return np.asarray(net.model.features(x, (layer,))[1][layer])


def read(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def rows():
    return compare(TWO, IMAGES, measures=("cca", "debiased_cka"), batch_size=3)


def test_full_protocol_equals_the_measures_of_stored_activations(rows):
    assert [(row.layer1, row.layer2, row.measure) for row in rows] == [
        (layer, layer, measure) for layer in ("conv1", "block1") for measure in ("cca", "debiased_cka")
    ]
    for row in rows:
        x, y = (activations(net, row.layer1) for net in TWO)
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


@pytest.mark.parametrize(
    ("patients", "batch_size"),
    [(None, 32), ([f"p{k // 10}" for k in range(40)], 3), ([f"p{k // 3}" for k in range(40)], 3)],
)
def test_chance_is_the_measure_of_mismatched_pairs(patients, batch_size):
    groups = patients or [str(k) for k in range(40)]
    partner, _ = mismatch(groups, blocks_of(groups, full.BLOCKS, 0), 0)
    assert sorted(partner) == list(range(40))
    assert all(groups[one] != groups[other] for one, other in enumerate(partner))
    x, y = (activations(net, "block1") for net in TWO)
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
        x, y = activations(nets[0], row.layer1).mean((1, 2)), activations(nets[1], row.layer2).mean((1, 2))
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


def test_blocks_keep_patients_together_and_have_equal_sizes():
    patients = [f"p{k // 3}" for k in range(90)]
    blocks = blocks_of(patients, 10, seed=1)
    assert sorted(np.concatenate(blocks)) == list(range(90))
    assert [len(block) for block in blocks] == [9] * 10
    of = [{patients[row] for row in block} for block in blocks]
    assert sum(map(len, of)) == len(set(patients))
    assert all((a == b).all() for a, b in zip(blocks, blocks_of(patients, 10, seed=1), strict=True))
    assert len(blocks_of(["a", "b", "c"] * 2, 10, seed=0)) == 3


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


def test_tidy_table_has_every_row_and_the_authors_table_keeps_other_folds(tmp_path, rows):
    write_rows(tmp_path / "c.csv", rows, "breast", 2, "test")
    table = read(tmp_path / "c.csv")
    assert len(table) == len(rows)
    assert list(table[0])[:6] == ["task", "model1", "model2", "fold", "split", "protocol"]
    assert (table[0]["task"], table[0]["fold"], float(table[0]["value"])) == ("breast", "2", rows[0].value)

    assert authors_rows(rows, "breast", 2) == []  # two layers are not the paper's five
    five = [dataclasses.replace(rows[0], layer1=layer, layer2=layer) for layer in CCA_COLUMNS[4:]]
    path = tmp_path / "CCA_breast.csv"
    write_authors(path, five, "breast", 1)
    write_authors(path, five, "breast", 2)
    write_authors(path, five, "breast", 1)
    table = read(path)
    assert list(table[0]) == list(CCA_COLUMNS)
    assert [row["fold"] for row in table] == ["fold2", "fold1"]
    assert {path.name for path in tmp_path.iterdir()} == {"c.csv", "CCA_breast.csv"}


def test_columns_of_the_authors_table_equal_the_published_ones(shared):
    theirs = shared / "reference" / "published" / "results" / "CCA_breast.csv"
    assert tuple(theirs.read_text().splitlines()[0].split(",")) == CCA_COLUMNS


def test_figures_are_drawn(tmp_path, rows):
    draw(tmp_path / "lines.png", rows)
    crossed = [dataclasses.replace(row, layer2=layer) for row in rows for layer in ("conv1", "block1")]
    draw(tmp_path / "map.png", crossed)
    by_depth = [dataclasses.replace(row, layer2=f"{row.layer2}'") for row in rows]
    draw(tmp_path / "depth.png", by_depth)
    assert over_layers(by_depth).axes[0].get_xticklabels()[0].get_text() == "conv1 – conv1'"
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in ("lines.png", "map.png"))

    (panel, *_), (cells, *_) = over_layers(rows).axes, heat_maps(crossed).axes
    line = panel.containers[0].lines[0]
    assert line.get_ydata().tolist() == [row.value for row in rows if row.measure == "cca"]
    assert np.shape(cells.images[0].get_array()) == (2, 2)


def test_the_command_compares_networks_on_a_split(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(networks, "resolve", lambda spec, *_, **__: network(int(spec.partition(":")[2] or 0)))
    monkeypatch.setattr(devices, "use_compilation_cache", lambda *_: None)  # it would outlive this test
    out = tmp_path / "sub" / "c.csv"
    arguments = [
        "random",
        "random:1",
        "--dataset",
        "phantom",
        "--image-size",
        "16",
        "--measures",
        "cka",
        "--split",
        "val",
    ]
    arguments += ["--cache-dir", str(tmp_path / "cache"), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["compare", *arguments])
    command.main()
    assert {path.name for path in out.parent.iterdir()} == {"c.csv", "c.png"}
    first, *_ = read(out)
    assert (first["task"], first["split"], first["measure"]) == ("phantom", "val", "cka")
    assert [first[key] for key in ("path1", "image_size", "preprocessing", "seed", "folds")] == [
        *("", "16", "native", "0", "paper")
    ]
    assert first["covers"] == "this n"
    assert "95 % intervals of cka: the mean estimate at this number of images" in capsys.readouterr().out


def test_the_command_refuses_a_single_network(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["compare", "random"])
    with pytest.raises(UserError, match="at least two networks"):
        command.main()


WORKER = Path(__file__).parents[1] / "compare_worker.py"


def worker(*arguments: str, devices: int) -> subprocess.Popen:
    environment = os.environ | {
        "XLA_FLAGS": f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}",
        "PYTHONPATH": os.pathsep.join([str(WORKER.parent), str(WORKER.parents[1])]),
    }
    return subprocess.Popen([sys.executable, WORKER, *arguments], env=environment, stdout=-1, stderr=-1, text=True)


def test_two_devices_and_two_processes_give_the_same_table_as_one(tmp_path):
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    started = [
        worker(str(tmp_path / "one.csv"), devices=1),
        worker(str(tmp_path / "devices.csv"), devices=2),
        worker(str(tmp_path / "processes.csv"), address, "0", devices=1),
        worker(str(tmp_path / "ignored.csv"), address, "1", devices=1),
    ]
    for process in started:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    one, two, processes = (read(tmp_path / f"{name}.csv") for name in ("one", "devices", "processes"))
    for other in (two, processes):
        for expected, found in zip(one, other, strict=True):
            assert found["n"] == expected["n"]
            assert float(found["value"]) == pytest.approx(float(expected["value"]), abs=1e-6)
            assert float(found["low"]) == pytest.approx(float(expected["low"]), abs=1e-5)
