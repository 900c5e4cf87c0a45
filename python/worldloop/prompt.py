"""What a world is told in words, as the numbers that its network takes; bit for bit that of `src/model/prompt.ts`.

A package that takes prompts carries the few thousand words that matter to it, each with a vector (`words.json`). A
prompt is the sum of its different words' vectors by the root of their count. Order, commas and small words (`fillers`)
say nothing; words that the package doesn't know are reported, never dropped silently.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .errors import ManifestError, PromptError

LONGEST = 300  # characters of a prompt
MOST_WORDS = 20_000
MOST_WIDTH = 1024
TYPOGRAPHIC = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-"})


@dataclass(frozen=True)
class Prompt:
    text: str  # as it is recorded: printable ASCII, no spaces around it
    vector: np.ndarray  # float32 [P]
    known: tuple[str, ...]  # its words that mean something here, in order
    unknown: tuple[str, ...]  # those that don't, small words left out


@dataclass(frozen=True)
class Words:
    """The words of a package."""

    words: tuple[str, ...]
    own: int  # so many of them, the first, are what the world was told in training
    fillers: frozenset[str]  # hold a sentence together and mean nothing
    scale: float
    vectors: np.ndarray  # int8 [n, P], in steps of `scale`

    @cached_property
    def _index(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}

    def encode(self, text: str) -> Prompt:
        """Raises PromptError for what can't be a prompt, and where no word of it means anything."""
        text = clean(text)
        tokens = tokens_of(text)
        known = tuple(token for token in tokens if token in self._index)
        unknown = tuple(token for token in tokens if token not in self._index and token not in self.fillers)
        if not known:
            example = ", ".join(self.words[:3])
            raise PromptError(f'prompt: expected words that mean something here, such as {example}; got "{text}"')
        total = self.vectors[[self._index[token] for token in known]].astype(np.int64).sum(0)
        vector = (total * (self.scale / math.sqrt(len(known)))).astype(np.float32)
        return Prompt(text, vector, known, unknown)


def clean(text: object) -> str:
    """The text as it is recorded. Raises PromptError for what can't be a prompt in any world."""
    if not isinstance(text, str):
        raise PromptError(f"prompt: expected a text, got {type(text).__name__}")
    if len(text) > LONGEST:
        raise PromptError(f"prompt: expected at most {LONGEST} characters, got {len(text)}")
    text = text.translate(TYPOGRAPHIC).strip(" ")
    strange = re.search(r"[^ -~]", text)
    if strange:
        raise PromptError(f"prompt: expected English words in Latin letters, got U+{ord(strange[0]):04X}")
    if not tokens_of(text):
        raise PromptError('prompt: expected words, such as "night, snow", got none')
    return text


def tokens_of(text: str) -> list[str]:
    """The different words of a clean text, in order, in small letters."""
    return list(dict.fromkeys(re.findall(r"[a-z0-9]+", text.lower().replace("'", ""))))


def parse_words(contents: bytes, width: int | None = None) -> Words:
    """`width`: numbers a word, as the manifest says; none: as the words say themselves. Raises ManifestError."""
    try:
        data = json.loads(contents)
        width = data["width"] if width is None else width
        words, own, fillers = data["words"], data["own"], data["fillers"]
        packed, scale = base64.b64decode(data["vectors"], validate=True), data["scale"]
        sound = (
            all(isinstance(word, str) and re.fullmatch("[a-z0-9]+", word) for word in [*words, *fillers])
            and 0 < len(words) == len(set(words)) <= MOST_WORDS
            and type(own) is int
            and 0 <= own <= len(words)
            and isinstance(scale, float)
            and 0 < scale < math.inf
            and data["width"] == width <= MOST_WIDTH
            and len(packed) == len(words) * width
        )
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error) as error:
        raise ManifestError(f"words: expected words and vectors as JSON, got something else ({error}).") from error
    if not sound:
        raise ManifestError(f"words: expected different words with {width} numbers each, got something else.")
    vectors = np.frombuffer(packed, np.int8).reshape(-1, width)
    return Words(tuple(words), own, frozenset(fillers), scale, vectors)
