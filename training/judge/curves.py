"""Draws curves over time as a small picture: one panel a measure, one colour a world."""

from __future__ import annotations

import math
import unicodedata

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PANEL = (420, 150)  # px
MARGIN = (52, 24, 12, 22)  # left, top, right, bottom, px
COLOURS = ((200, 60, 40), (40, 100, 190), (150, 150, 150), (40, 150, 90))
INK, FAINT = (30, 30, 30), (205, 205, 205)


def draw_curves(panels: dict[str, dict[str, list[float]]], *, levels: dict[str, float], step: int) -> Image.Image:
    """`panels`: title to curves by name, a value every `step` frames; `levels`: title to where a dashed line lies."""
    height = PANEL[1] * math.ceil(len(panels) / 2) + 24
    image = Image.new("RGB", (2 * PANEL[0], height), "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(11)
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    for number, (title, curves) in enumerate(panels.items()):
        left, top = number % 2 * PANEL[0] + MARGIN[0], number // 2 * PANEL[1] + MARGIN[1]
        right, bottom = left + PANEL[0] - MARGIN[0] - MARGIN[2], top + PANEL[1] - MARGIN[1] - MARGIN[3]
        values = np.concatenate([*curves.values(), [levels[title], 0.0]])
        low, high = float(min(values.min(), 0)), float(values.max()) or 1.0
        longest = max(len(curve) for curve in curves.values())

        def place(index: float, value: float, box=(left, right, bottom, top), ends=(low, high), n=longest):
            share = (value - ends[0]) / (ends[1] - ends[0])
            return box[0] + (box[1] - box[0]) * index / max(1, n - 1), box[2] + (box[3] - box[2]) * share

        spelt = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()  # the font has no accents
        pen.text((left, top - 16), spelt, INK, font)
        pen.rectangle((left, top, right, bottom), outline=FAINT)
        for value in (low, high):
            pen.text((left - 46, place(0, value)[1] - 7), f"{value:.3g}", INK, font)
        pen.text((right - 70, bottom + 4), f"{longest * step:,} frames", INK, font)
        level = place(0, levels[title])[1]
        for x in range(left, right, 8):
            pen.line((x, level, x + 4, level), INK)
        for name, curve in curves.items():
            points = [place(i, v) for i, v in enumerate(curve)]
            colour = COLOURS[names.index(name) % len(COLOURS)]
            pen.line(points if len(points) > 1 else points * 2, colour, 2)
    x = MARGIN[0]
    for name, colour in [*zip(names, COLOURS, strict=False), ("dashed: real", INK)]:
        pen.text((x, height - 18), name, colour, font)
        x += 24 + int(pen.textlength(name, font))
    return image
