"""What is said about a look: several phrasings of its attributes, synonyms, parts left out by chance.

The grammar is closed: `vocabulary()` is all that it can say. `UNSEEN` was chosen before anything was trained, for the
judge: words that are near and that no caption holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from .roads_look import ATTRIBUTES

# Attribute, class: ways to name it by itself, and ways to say it in a sentence.
SAID: dict[str, dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "land": {
        "meadow": (("meadow", "grass", "grassland", "green fields"), ("through a meadow", "between green fields")),
        "desert": (("desert", "sand", "sandy desert"), ("through the desert", "across the sand")),
        "snow": (("snow", "snowy land", "winter"), ("through the snow", "across a snowy land")),
        "mud": (("mud", "muddy ground", "swamp"), ("through mud", "across a swamp")),
        "autumn": (("autumn", "autumn leaves", "autumn forest"), ("through autumn leaves", "in autumn")),
    },
    "light": {
        "day": (("day", "daylight", "noon"), ("by day", "in daylight", "at noon")),
        "dusk": (("dusk", "sunset", "evening"), ("at dusk", "at sunset", "in the evening")),
        "night": (("night", "darkness", "headlights"), ("at night", "in the dark", "by headlights")),
        "fog": (("fog", "mist", "thick fog"), ("in the fog", "through mist")),
    },
    "weather": {
        "dry": (("dry", "clear sky", "dry weather"), ("in dry weather", "under a clear sky")),
        "rain": (("rain", "rainy", "heavy rain"), ("in the rain", "in rainy weather")),
        "snowfall": (("snowfall", "snowing", "snowflakes"), ("in snowfall", "while it is snowing")),
    },
    "road": {
        "asphalt": (("asphalt", "asphalt road", "tarmac"), ("on asphalt", "on tarmac")),
        "gravel": (("gravel", "gravel road", "pebbles"), ("on gravel", "over pebbles")),
        "ice": (("ice", "frozen road", "ice road"), ("on ice", "on a frozen road")),
        "dirt": (("dirt", "dirt road", "earth track"), ("on dirt", "on an earth track")),
    },
}
BEGINNINGS = ("driving", "a car", "a drive", "racing")
FILLERS = frozenset(  # hold a sentence together and say nothing of a look
    "a an the and of in on at by to with is it its are this that there while through across between over under into "
    "along around me us i we you go going show make let lets now then please very some all back "
    "driving drive drives racing race car cars road roads track weather land ground scene place world".split()
)
UNSEEN: dict[str, tuple[str, str]] = {  # word: attribute and class
    **{word: ("land", "meadow") for word in ("prairie", "pasture")},
    **{word: ("land", "desert") for word in ("dunes", "arid")},
    **{word: ("land", "mud") for word in ("marsh", "sludge")},
    **{word: ("land", "autumn") for word in ("foliage", "october")},
    **{word: ("light", "day") for word in ("midday", "daytime")},
    **{word: ("light", "dusk") for word in ("dusky", "twilight")},
    **{word: ("light", "night") for word in ("midnight", "nighttime")},
    **{word: ("light", "fog") for word in ("foggy", "haze")},
    **{word: ("weather", "rain") for word in ("drizzle", "downpour")},
    **{word: ("weather", "snowfall") for word in ("blizzard",)},
    **{word: ("road", "gravel") for word in ("cobblestones",)},
}
LEFT_OUT = 0.3  # share of what could be said and isn't


def caption(rng: np.random.Generator, names: dict[str, str], always: tuple[str, ...] = ()) -> str:
    """One of the ways to say a look. `always`: attributes that are never left out."""
    kept = [name for name in ATTRIBUTES if name in always or rng.random() >= LEFT_OUT]
    kept = kept or [str(rng.choice(list(ATTRIBUTES)))]
    return say(rng, {attribute: names[attribute] for attribute in kept})


def say(rng: np.random.Generator, names: Mapping[str, str]) -> str:
    """One of the ways to say the classes of some attributes."""
    kept = list(names)
    rng.shuffle(kept)
    in_words = rng.random() < 0.4
    parts = [str(rng.choice(SAID[attribute][names[attribute]][int(in_words)])) for attribute in kept]
    return " ".join([str(rng.choice(BEGINNINGS)), *parts]) if in_words else ", ".join(parts)


def vocabulary() -> list[str]:
    """Every word that a caption may hold, in order."""
    said = [text for classes in SAID.values() for ways in classes.values() for texts in ways for text in texts]
    return list(dict.fromkeys(re.findall(r"[a-z]+", " ".join([*said, *BEGINNINGS]))))
