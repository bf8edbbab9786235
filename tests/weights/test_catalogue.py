"""`--init imagenet` finds a converted folder, or the message says how to get one."""

import pytest
from weight_cards import CARD

from tljax import weights
from tljax.core.errors import UserError
from tljax.weights import networks


@pytest.mark.parametrize("name", ["imagenet", "radimagenet"])
def test_a_complete_folder_is_found_by_option_environment_or_default(tmp_path, tensors, name, monkeypatch):
    for place in ("given", "environment", "home/.cache/tljax/weights"):
        weights.save(tmp_path / place / name, tensors, CARD)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TLJAX_WEIGHTS", raising=False)
    assert weights.find(name) == tmp_path / "home/.cache/tljax/weights" / name
    monkeypatch.setenv("TLJAX_WEIGHTS", str(tmp_path / "environment"))
    assert weights.find(name) == tmp_path / "environment" / name
    assert weights.find(name, tmp_path / "given") == tmp_path / "given" / name


def test_a_missing_folder_is_reported_with_the_source_and_the_command(tmp_path):
    place = f"--weights-dir {tmp_path}"
    with pytest.raises(UserError, match=f"get them with: tljax weights get imagenet {place}$"):
        weights.find("imagenet", tmp_path)
    with pytest.raises(UserError, match=f"github.com/BMEII-AI/RadImageNet .*get radimagenet --from FILE {place}$"):
        weights.find("radimagenet", tmp_path)


def test_an_incomplete_folder_is_not_found(tmp_path, tensors):
    weights.save(tmp_path / "imagenet", tensors, CARD)
    (tmp_path / "imagenet" / "card.json").unlink()
    with pytest.raises(UserError, match="no imagenet weights"):
        weights.find("imagenet", tmp_path)


def test_own_weights_that_are_named_like_a_checkpoint_are_pointed_to(tmp_path, tensors):
    weights.save(tmp_path / "mine", tensors, CARD)
    with pytest.raises(UserError, match=rf"no network 'mine'; name your own weights by their path: {tmp_path}/mine$"):
        networks.locate("mine", tmp_path)
    with pytest.raises(UserError, match=rf"holds 1 weights folders; name one of them, such as {tmp_path}/mine$"):
        networks.locate(str(tmp_path))
