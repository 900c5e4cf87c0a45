"""Prompts: the same tokens and numbers as in TypeScript, held together by `tests/goldens/tiny-prompt.json`."""

import json
from pathlib import Path

import numpy as np
import pytest
from worldloop.errors import ManifestError, PromptError
from worldloop.prompt import clean, parse_words
from worldloop.provenance import actions_sha256

from training.package.fixture import PROMPT, make_network, prompt_goldens
from training.worlds import roads
from training.worlds.roads_words import UNSEEN, vocabulary

GOLDENS = Path(__file__).parent / "goldens"
WORDS = (GOLDENS / "tiny-prompt/words.json").read_bytes()


def test_the_stored_goldens_are_what_is_computed():
    stored = json.loads((GOLDENS / "tiny-prompt.json").read_text())
    fresh = json.loads(json.dumps(prompt_goldens(make_network(PROMPT), GOLDENS / "tiny-prompt")))
    assert fresh["texts"] == stored["texts"] and fresh["hashes"] == stored["hashes"]
    for old, new in zip(stored["fromStart"], fresh["fromStart"], strict=True):
        np.testing.assert_allclose(new["latent"], old["latent"], atol=1e-5)
    errors = [entry["error"] for entry in stored["texts"] if "error" in entry]
    assert len(errors) == 14 and all(error.startswith("prompt: expected") and len(error) < 200 for error in errors)


def test_what_is_told_is_part_of_the_hash_and_nothing_else_changes_it():
    rows = [[0.5, 0.0]]
    assert actions_sha256(rows, []) == actions_sha256(rows)
    hashes = {actions_sha256(rows, told) for told in ([], [(1, "snow")], [(1, "rain")], [(2, "snow")])}
    assert len(hashes) == 4


def test_a_prompt_is_a_text():
    with pytest.raises(PromptError, match="expected a text, got int"):
        clean(5)


def test_words_of_another_width_are_refused():
    with pytest.raises(ManifestError, match="6 numbers each"):
        parse_words(WORDS, PROMPT + 1)
    with pytest.raises(ManifestError, match="as JSON"):
        parse_words(WORDS[:40], PROMPT)


def test_the_words_of_roads_hold_all_that_captions_say_and_near_words_lie_near():
    words = parse_words(roads.WORLD.words.read_bytes(), 64)
    assert 2990 < len(words.words) <= 3000
    for word in vocabulary():
        assert word in words.fillers or word in words.words[: words.own], word

    def alike(a: str, b: str) -> float:
        x, y = (words.encode(text).vector for text in (a, b))
        return float(x @ y / np.linalg.norm(x) / np.linalg.norm(y))

    assert alike("blizzard", "snowfall") > alike("blizzard", "desert") + 0.3
    assert alike("dusky", "night") > alike("dusky", "gravel")
    assert sum(word in words.words for word in UNSEEN) >= 18
    assert words.encode("a car in the rain, no quokkas").unknown == ("no", "quokkas")
