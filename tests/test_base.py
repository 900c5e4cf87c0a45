"""The base comes back as it was saved, serves worlds that it saw and new ones, and nothing else is taken for it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_stages import LAYERS, SHAPES

from training.errors import TrainingError
from training.model.critic import Critic
from training.model.world_model import WorldModel, WorldModelConfig
from training.package.base import CODER_BEFORE, CODER_FILE, FILE, Base, load, save

CONFIG = WorldModelConfig(actions=3, worlds=2, **SHAPES, **LAYERS)


def base(model: WorldModel | None = None) -> Base:
    torch.manual_seed(0)
    return Base(model or WorldModel(CONFIG).eval(), ("left", "right"), 1234, Critic(CONFIG))


def test_it_comes_back_rounded_to_half(tmp_path):
    saved = base()
    assert save(tmp_path, saved) == tmp_path / FILE
    found = load(tmp_path)
    assert (found.worlds, found.frames) == (("left", "right"), 1234)
    assert found.model.config == saved.model.config and not found.model.training
    for name, value in saved.model.state_dict().items():
        assert torch.equal(value.half().float(), found.model.state_dict()[name]), name
    assert saved.critic is not None and found.critic is not None
    for name, value in saved.critic.state_dict().items():
        assert torch.equal(value.half().float(), found.critic.state_dict()[name]), name
    save(tmp_path / "again", found)
    again = load(tmp_path / "again").model.state_dict()
    assert all(torch.equal(value, again[name]) for name, value in found.model.state_dict().items())
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [FILE]


def test_it_serves_worlds_that_it_saw_and_new_ones():
    ours = base()
    right, new = ours.world_model(["right"], 3), ours.world_model(["nowhere"], 4)
    assert torch.equal(right.trunk.action_weight[0], ours.model.trunk.action_weight[1])
    assert (right.config.worlds, new.config.worlds, new.config.actions) == (1, 1, 4)
    assert new.trunk.action_weight.shape[1] == 4
    both = ours.world_model(["nowhere", "right"], 3)
    assert torch.equal(both.trunk.action_weight[1], right.trunk.action_weight[0])


def test_one_without_a_critic_comes_back_so(tmp_path):
    save(tmp_path, replace(base(), critic=None))
    assert load(tmp_path).critic is None


def test_its_coder_lies_in_a_file_of_its_own(tmp_path, capsys):
    plain = save(tmp_path / "plain", base())
    model = WorldModel(replace(CONFIG, codes=16, code_wide=16, code_narrow=8))
    model.load_state_dict(base().model.state_dict(), strict=False)
    folder = save(tmp_path / "coded", base(model)).parent
    with np.load(folder / FILE) as coded, np.load(plain) as before:
        same = [np.array_equal(coded[name], before[name]) for name in before if not name.startswith("critic.")]
        assert coded.files == before.files and all(same)
    found = load(folder).model
    assert found.config == model.config and load(folder, coder=False).model.coder is None
    for name, value in model.state_dict().items():
        assert torch.equal(value.half().float(), found.state_dict()[name]), name
    (folder / CODER_FILE).write_bytes((folder / CODER_FILE).read_bytes()[:3000])
    with pytest.raises(TrainingError, match=f"{CODER_FILE}': expected a base"):
        load(folder)
    spoilt = (folder / CODER_FILE).read_bytes()
    save(folder, base())
    assert load(folder).model.coder is None and not (folder / CODER_FILE).exists()
    assert (folder / CODER_BEFORE).read_bytes() == spoilt and f"is now {CODER_BEFORE}" in capsys.readouterr().err


def test_its_critic_serves_them_as_well():
    ours = base()
    assert ours.critic is not None and ours.numbers(["right", "nowhere"]) == [1, None]
    config = replace(CONFIG, worlds=2, actions=4)
    critic = ours.critic.for_worlds(ours.numbers(["right", "nowhere"]), config)
    assert torch.equal(critic.world.weight[0], ours.critic.world.weight[1])
    torch.testing.assert_close(critic.world.weight[1], ours.critic.world.weight.mean(0))
    assert torch.equal(critic.action.weight[:, :3], ours.critic.action.weight)
    assert torch.equal(critic.enter.weight, ours.critic.enter.weight)


def write_npz_without_weights(path: Path) -> None:
    np.savez(path, about=np.array("{}"))


def drop(name: str):
    def spoil(path: Path) -> None:
        with np.load(path) as archive:
            arrays = {key: archive[key] for key in archive.files if key != name}
        np.savez(path, **arrays)

    return spoil


BAD = {
    "text": lambda path: path.write_text("a base"),
    "empty": lambda path: path.write_bytes(b""),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:3000]),
    "one array": lambda path: np.save(path.open("wb"), np.zeros(3)),
    "nothing about it": drop("about"),
    "a weight missing": drop("trunk.position"),
    "no weights": write_npz_without_weights,
}


@pytest.mark.parametrize("name", BAD)
def test_another_file_is_refused(tmp_path, name):
    path = save(tmp_path, base())
    BAD[name](path)
    with pytest.raises(TrainingError, match="expected a base of training.run, got something else") as caught:
        load(tmp_path)
    assert str(path) in str(caught.value)


def test_no_base_is_said(tmp_path):
    with pytest.raises(TrainingError, match="found none; --from none trains from nothing"):
        load(tmp_path)


def test_a_base_of_other_shapes_is_refused(tmp_path):
    path = save(tmp_path, base())
    with np.load(path) as archive:
        arrays = {key: archive[key] for key in archive.files}
    other = save(tmp_path / "other", base(WorldModel(replace(CONFIG, mlp=16))))
    with np.load(other) as archive:
        arrays["about"] = archive["about"]
    np.savez(path, **arrays)
    with pytest.raises(TrainingError, match="got something else"):
        load(tmp_path)
