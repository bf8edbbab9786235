"""Config files: under the present and the former module name, and what is wrong in them."""

import sys

import pytest

from tljax.core.config import StudyConfig, TrainConfig, examples, load_config, parse
from tljax.core.errors import UserError

OLD = """\
from tljax.config import StudyConfig, TrainConfig
import tljax.config

assert tljax.config.StudyConfig is StudyConfig
config = StudyConfig(inits=("random",), train=TrainConfig(epochs=7))
"""


def test_a_config_file_written_for_the_former_module_still_loads(tmp_path):
    path = tmp_path / "old.py"
    path.write_text(OLD)
    assert load_config(path, StudyConfig) == StudyConfig(inits=("random",), train=TrainConfig(epochs=7))
    assert "tljax.config" not in sys.modules


def test_flags_override_the_config_file(tmp_path):
    path = tmp_path / "own.py"
    path.write_text("from tljax.core.config import TrainConfig\nconfig = TrainConfig(epochs=7, fold=2)\n")
    assert parse(TrainConfig, "train", ["--config", str(path), "--fold", "3"]) == TrainConfig(epochs=7, fold=3)
    assert parse(TrainConfig, "train", [f"--config={path}"]) == TrainConfig(epochs=7, fold=2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no object named 'config'"),
        ("config = 3", "a int named 'config'; this command needs a TrainConfig"),
        ("x = 1\nraise ValueError('no')", "line 2: ValueError: no"),
        ("from tljax.core.config import TrainConfig\nconfig = TrainConfig(epoch=1)", "line 2: TypeError"),
        ("from tljax.core.config import TrainConfig\nconfig = TrainConfig(fold=True)", "fold is True; it must be int"),
    ],
)
def test_a_mistake_in_a_config_file_is_one_message(tmp_path, text, said):
    path = tmp_path / "own.py"
    path.write_text(text)
    with pytest.raises(UserError, match=said):
        load_config(path, TrainConfig)


def test_an_example_config_is_found_by_name_and_copied_once(tmp_path):
    assert {"paper", "my_images", "demo"} <= set(examples.names())
    assert load_config(examples.find("demo"), StudyConfig).tasks == ("phantom",)
    copied = examples.copy("my_images", tmp_path)
    assert load_config(copied, StudyConfig) == load_config(examples.find("my_images"), StudyConfig)
    with pytest.raises(UserError, match="exists; move it away"):
        examples.copy("my_images", tmp_path)
    with pytest.raises(UserError, match=r"no example of that name; examples are .*paper"):
        examples.find("papers")
