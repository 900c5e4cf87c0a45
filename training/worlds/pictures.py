"""Pictures of other shapes and sizes, brought to a world's square."""

from __future__ import annotations

import numpy as np
from PIL import Image

FITS = ("letterbox", "crop")


def to_square(picture: np.ndarray, size: int, how: str) -> np.ndarray:
    """uint8 [H, W, 3] to uint8 [size, size, 3], each pixel the mean of those it covers; never stretched.

    `letterbox` keeps the whole picture between black bars, `crop` keeps its middle square. A picture that has the size
    already stays as it is, bit for bit.
    """
    height, width = picture.shape[:2]
    image, area = Image.fromarray(np.ascontiguousarray(picture)), Image.Resampling.BOX
    if how == "crop":
        side = min(height, width)
        left, top = (width - side) / 2, (height - side) / 2
        return np.array(image.resize((size, size), area, box=(left, top, left + side, top + side)))
    scale = size / max(height, width)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    square = np.zeros((size, size, 3), np.uint8)
    left, top = (size - w) // 2, (size - h) // 2
    square[top : top + h, left : left + w] = np.array(image.resize((w, h), area))
    return square


def shrunk(pictures: np.ndarray, times: int) -> np.ndarray:
    """uint8 [..., H, W, 3] to [..., H / times, W / times, 3], each block of pixels averaged."""
    high, wide = pictures.shape[-3] // times, pictures.shape[-2] // times
    blocks = pictures.astype(np.uint16).reshape(*pictures.shape[:-3], high, times, wide, times, 3)
    return ((blocks.sum((-4, -2)) + times**2 // 2) // times**2).astype(np.uint8)
