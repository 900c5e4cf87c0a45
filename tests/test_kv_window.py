"""The goldens that TypeScript reads too, and the property they stand for: the window holds the newest passes."""

import json
from pathlib import Path

from worldloop.kv_window import ages_of, slot_of

GOLDENS = json.loads((Path(__file__).parent / "goldens" / "kv-window.json").read_text())


def test_slots_and_ages_are_the_goldens() -> None:
    for golden in GOLDENS:
        layout = {key: golden[key] for key in ("sink", "memory", "window")}
        written = [-1] * sum(layout.values())
        for number, expected in enumerate(golden["passes"]):
            assert ages_of(written, number).tolist() == expected["ages"]
            slot = slot_of(number, **layout)
            assert slot == expected["slot"]
            written[slot] = number


def test_the_window_holds_the_newest_passes_and_the_sink_the_first() -> None:
    layout = {"sink": 2, "memory": 1, "window": 4}
    written = [-1] * 7
    for number in range(1000):
        written[slot_of(number, **layout)] = number
    assert sorted(ages_of(written, 1000).tolist()) == [-1, 1, 2, 3, 4, 999, 1000]
