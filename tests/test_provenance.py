"""The hash of actions against the goldens that TypeScript reads, and the version against package.json."""

import json
from pathlib import Path

import numpy as np
from worldloop.provenance import GENERATOR, actions_sha256, record

ROOT = Path(__file__).parent.parent
GOLDENS = json.loads((ROOT / "tests/goldens/actions-hash.json").read_text())


def test_actions_have_the_hash_that_typescript_gives() -> None:
    for case in GOLDENS:
        assert actions_sha256(case["actions"]) == case["sha256"]
    assert len({case["sha256"] for case in GOLDENS}) == len(GOLDENS) - 1  # two differ by -0 alone


def test_a_record_says_which_program_made_it_and_counts_its_ticks() -> None:
    version = json.loads((ROOT / "package.json").read_text())["version"]
    assert GENERATOR == f"Worldloop {version}"
    made = record("pong", "0" * 64, seed=3, start=1, actions=np.zeros((4, 1), np.float32))
    assert made["shots"] == [
        {"seed": 3, "start": 1, "from": 0, "to": 4, "actionsSha256": actions_sha256([[0], [0], [0], [0]])}
    ]
    assert made["digitalSourceType"].endswith("/trainedAlgorithmicMedia")
