"""What a comparison writes: tables, figures and the output of the command, on one device or several."""

import dataclasses
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from toynets import network, pictures

from tljax.compare import __main__ as command
from tljax.compare import compare
from tljax.compare.plot import draw, heat_maps, over_layers
from tljax.compare.table import authors_rows, write_authors, write_rows
from tljax.core import devices
from tljax.core.errors import UserError
from tljax.core.files import read_csv
from tljax.core.paper import CCA_COLUMNS
from tljax.weights import networks


def read(path: Path) -> list[dict[str, str]]:
    return list(read_csv(path))


@pytest.fixture(scope="module")
def rows():
    return compare([network(0), network(1)], pictures(40), measures=("cca", "debiased_cka"), batch_size=3)


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
    words = "compare random random:1 --dataset phantom --image-size 16 --measures cka --split val"
    monkeypatch.setattr(sys, "argv", [*words.split(), "--cache-dir", str(tmp_path / "cache"), "--out", str(out)])
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
