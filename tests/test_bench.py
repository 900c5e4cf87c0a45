"""`python -m worldloop.bench`: the rows it measures and what it prints. No figure is held to anything."""

import json

import pytest
from tiny_world import TINY_WORLD
from worldloop.bench import Row, main, measure, rows_of


def test_rows_are_single_and_batched_and_the_real_environment_where_there_is_one() -> None:
    dreams = [Row("dream", 1, 1), Row("dream", 8, 1), Row("dream", 2, 2), Row("dream", 8, 2)]
    assert rows_of("tiny-world", batch=8, cores=2, batched=False) == dreams
    real = [Row("gym_pusht/PushT-v0", 1, 1), Row("gym_pusht/PushT-v0", 2, 2)]
    assert rows_of("push-t", batch=8, cores=2, batched=False) == dreams + real
    several = [Row("dream", 4, 1), Row("dream, batched", 4, 1)]
    assert rows_of("push-t", batch=4, cores=1, batched=True) == [Row("dream", 1, 1), *several, real[0]]


def test_the_real_environment_is_measured_with_its_pictures() -> None:
    assert measure(Row("gym_pusht/PushT-v0", 1, 1), "push-t", "push-t", seconds=0.05) > 0


def test_it_prints_a_table_and_ends_in_json(capsys: pytest.CaptureFixture) -> None:
    assert main(["--world", str(TINY_WORLD), "--rounds", "1", "--seconds", "0.05", "--batch", "3"]) == 0
    out, err = capsys.readouterr()
    *table, last = out.splitlines()
    figures = json.loads(last)
    assert figures["world"] == "tiny-world" and len(figures["model"]) == 64
    assert len(table) == 1 + len(figures["rows"])
    assert all(row["stepsPerSecond"] > 0 for row in figures["rows"])
    assert "of" in err.splitlines()[-1] and main(["--world", "nowhere"]) == 2
