"""The table of the recipe's parts: every variant and stage that is there has its row, and rows say what was seen."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_stages import LAYERS, SHAPES, WORLD, matched, prepare

from training.judge.ablation import CHAIN, VARIANTS, Ablation, compare, markdown
from training.model.world_model import WorldModelConfig


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> list[dict]:
    folder: Path = tmp_path_factory.mktemp("ablation")
    prepare(folder, prediction="x")
    matched(folder, steps=2)
    config = WorldModelConfig(actions=2, **SHAPES, **LAYERS)
    world = replace(WORLD, policies={})  # the true environment's pictures are none of these
    return compare(Ablation(world, folder, steps=2, clips=4, model=config, compile=False))


def test_there_is_a_row_for_each(table):
    names = [row["name"] for row in table]
    assert names[:2] == ["copy-last-frame", "teacher, 50 steps"]
    denoising = [f"2 steps, diffusion forcing, {count}" for count in ("4 evaluations", "2 evaluations", "1 evaluation")]
    variants = [
        row for name in VARIANTS for row in (denoising if name == "diffusion forcing" else [f"2 steps, {name}"])
    ]
    assert variants == names[-len(variants) :]
    stages = [name.split(",")[0] for name in names[2 : -len(variants)]]
    assert stages == [stage for stage, counts in CHAIN.items() for _ in counts if stage != "self-forcing"]


def test_rows_differ_as_their_contestants_do(table):
    rows = {row["name"]: row for row in table}
    twin, recipe = rows["2 steps, deterministic twin"], rows["2 steps, the recipe"]
    assert twin["psnr"] != recipe["psnr"]
    assert rows["copy-last-frame"]["frechet"] > 0
    assert rows["copy-last-frame"]["sharpness"] == pytest.approx(1, abs=0.3)  # real pictures, as sharp as real ones
    assert rows["teacher, 50 steps"]["ms"] > 0
    several = [rows[f"world-model, {count}"]["psnr"] for count in ("4 evaluations", "1 evaluation")]
    assert several[0] != several[1]


def test_the_table_has_a_line_for_each(table):
    lines = markdown(table).splitlines()
    assert len(lines) == 2 + len(table)
    assert all(len(re.findall(r"\|", line)) == len(re.findall(r"\|", lines[0])) for line in lines)
