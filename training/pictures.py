"""Pictures from elsewhere: brought to a world's square, and read out of videos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from .errors import TrainingError

FITS = ("letterbox", "crop")


def fit(picture: np.ndarray, size: int, how: str) -> np.ndarray:
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


class Video:
    """A video, read from front to back. Raises TrainingError, naming the file, where it can't be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.next = 0  # number of the frame that comes next
        self.capture = cv2.VideoCapture(str(path)) if path.is_file() else None
        if self.capture is None or not self.capture.isOpened():
            got = "something that isn't one" if path.is_file() else "nothing there"
            raise TrainingError(f"'{path}': expected a video, got {got}.")
        self.frame_rate = float(self.capture.get(cv2.CAP_PROP_FPS))

    def __iter__(self) -> Iterator[np.ndarray]:
        while (picture := self.frame()) is not None:
            yield picture

    def frame(self) -> np.ndarray | None:
        """The next frame, uint8 [H, W, 3]; None after the last."""
        more, picture = self.capture.read()
        if not more:
            return None
        self.next += 1
        return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
