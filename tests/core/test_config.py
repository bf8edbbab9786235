"""Config files, the present and the former name of their module, and mistakes in files and on the command line."""

import ast
import sys
from pathlib import Path

import pytest

from tljax.core import config
from tljax.core.arguments import Parser
from tljax.core.config import (
    CompareConfig,
    DatasetsConfig,
    PredictConfig,
    ScreenConfig,
    StudyConfig,
    TrainConfig,
    examples,
    load_config,
    parse,
)
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
        ("config = 3", "has a 'config' of type int; this command needs a TrainConfig"),
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


@pytest.mark.parametrize(
    ("kind", "arguments", "said"),
    [
        (TrainConfig, "--freeze true", "--freeze takes no value, but is given 'true': write --freeze for yes"),
        (TrainConfig, "--epochs 3 --freeze=False", "and --no-freeze for no. See: tljax train --help"),
        (TrainConfig, "--skip_bad yes", "--skip_bad takes no value"),
        (StudyConfig, "--train.freeze no", "and --train.no-freeze for no"),
        (TrainConfig, "breast", "'breast' belongs to no option: write the option before its value"),
        (StudyConfig, "my_images", "for the example config write --config my_images"),
        (StudyConfig, "--folds 1,2", "separate the values by spaces: --folds 1 2"),
        (ScreenConfig, "imagenet --scores knn,gbc", "separate the values by spaces: --scores knn gbc"),
    ],
)
def test_a_misplaced_word_on_the_command_line_is_explained(kind, arguments, said):
    with pytest.raises(UserError) as raised:
        parse(kind, "tljax train", arguments.split())
    assert said in str(raised.value)


def test_a_mistyped_option_is_answered_with_the_nearest_one(capsys):
    with pytest.raises(SystemExit):
        parse(TrainConfig, "tljax train", ["--frezze"])
    assert "--freeze" in capsys.readouterr().err
    parser = Parser(prog="tljax weights get")
    parser.add_argument("--weights-dir")
    with pytest.raises(UserError, match=r"'--weight-dir'; did you mean '--weights-dir'\? See: tljax weights get"):
        parser.parse_args(["--weight-dir", "x"])


def test_an_example_config_is_found_by_name_and_copied_once(tmp_path):
    assert {"paper", "my_images", "demo"} <= set(examples.names())
    assert load_config(examples.find("demo"), StudyConfig).tasks == ("phantom",)
    copied = examples.copy("my_images", tmp_path)
    assert load_config(copied, StudyConfig) == load_config(examples.find("my_images"), StudyConfig)
    with pytest.raises(UserError, match="exists; move it away"):
        examples.copy("my_images", tmp_path)
    with pytest.raises(UserError, match=r"no example of that name; examples are .*paper"):
        examples.find("papers")


@pytest.mark.parametrize(
    ("kind", "usage"),
    [
        (DatasetsConfig, ("datasets [-h] [OPTIONS] [NAME]", "`tljax datasets get NAME` downloads")),
        (CompareConfig, ("[OPTIONS] NETWORK NETWORK ...",)),
        (PredictConfig, ("[OPTIONS] NETWORK IMAGE_OR_FOLDER ...",)),
        (StudyConfig, ("`tljax study --init-config NAME` copies",)),
    ],
)
def test_the_help_names_the_arguments_and_what_else_a_command_does(capsys, kind, usage):
    with pytest.raises(SystemExit):
        parse(kind, f"tljax {kind.__name__.removesuffix('Config').lower()}", ["--help"])
    shown = capsys.readouterr().out
    assert all(text in shown for text in usage)


@pytest.mark.parametrize("source", sorted(Path(config.__file__).parent.glob("*.py")), ids=lambda path: path.stem)
def test_an_option_is_explained_in_one_line_of_source(source):
    """A second line would also break the line of the help."""
    classes = [node for node in ast.parse(source.read_text()).body if isinstance(node, ast.ClassDef)]
    options = [node.value for each in classes for node in each.body[1:] if isinstance(node, ast.Expr)]
    assert [text for text in map(ast.literal_eval, options) if "\n" in text] == []
