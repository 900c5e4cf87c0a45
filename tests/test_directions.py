"""Imports in training/ run one way, and the networks and their training know no world and no truth about one.

worlds <- data <- stages <- package <- judge <- run, and model under stages. `CONTRIBUTING.md` has the table.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "training"
SHARED = {"errors", "processes"}  # named errors, which anyone may raise; and how processes end
DESCRIPTION = "worlds.world"  # the typed description of a world, the one part of `worlds` that stages may know
MAY_IMPORT = {
    "model": set(),
    "worlds": set(),
    "data": {"worlds"},
    "stages": {"model", "data", DESCRIPTION},
    "package": {"worlds", "data", "model", "stages"},
    "judge": {"worlds", "data", "model", "stages", "package"},
}
# Recordings hold pictures, actions and where episodes start, no more: where things are is asked by the judge alone.
STATE = re.compile(r"\b(states|poses?)\b")
# Fields of `World` that only recorder and judge may read.
TRUTH = {"source", "live", "pose", "objects", "loops", "road", "task"}


def files_of(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Modules of `training` that a file imports, wherever in it, dotted and without `training.`."""
    here = ("training", *path.relative_to(ROOT).with_suffix("").parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(here[: len(here) - node.level]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith("training."):
                yield name.removeprefix("training.")


def allowed(name: str, room: str) -> bool:
    return any(name == part or name.startswith(f"{part}.") for part in {room, *SHARED, *MAY_IMPORT[room]})


def test_every_file_is_in_a_room_or_begins_a_run():
    begins = {"run.py", "stage.py"}
    assert {path.name for path in ROOT.glob("*.py")} == {"__init__.py", "errors.py", "processes.py"} | begins
    assert {path.parent.name for path in ROOT.glob("*/*.py")} == set(MAY_IMPORT)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_run_one_way(room):
    assert files_of(room)
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in files_of(room)
        for name in imported(path)
        if not allowed(name, room)
    ]
    assert wrong == []


@pytest.mark.parametrize("room", ["model", "stages"])
def test_networks_and_their_training_see_no_truth(room):
    wrong = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files_of(room)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if STATE.search(line)
    ]
    wrong += [
        f"{path.relative_to(ROOT)}:{node.lineno}: .{node.attr}"
        for path in files_of(room)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in TRUTH
    ]
    assert wrong == []


def test_recordings_hold_pictures_and_actions_only():
    for name in ("episodes", "record"):
        assert "states" not in (ROOT / f"data/{name}.py").read_text()


@pytest.mark.parametrize(
    ("line", "room", "fine"),
    [
        ("from ..worlds.world import World", "stages", True),
        ("from ..worlds.registry import find_world", "stages", False),
        ("from ..worlds import push_t", "stages", False),
        ("from ..data.episodes import load_episodes", "model", False),
        ("import training.worlds.push_t", "model", False),
        ("from ..judge import evaluate", "package", False),
        ("from . import loop", "stages", True),
        ("import torch", "model", True),
    ],
)
def test_the_rule_finds_what_it_forbids(tmp_path, monkeypatch, line, room, fine):
    monkeypatch.setattr("test_directions.ROOT", tmp_path)
    path = tmp_path / room / "some.py"
    path.parent.mkdir()
    path.write_text(f"def late():\n    {line}\n")
    assert all(allowed(name, room) for name in imported(path)) == fine
