"""Reads the frames of a video, from front to back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from ..errors import TrainingError


class Video:
    """A video, read from front to back. Raises TrainingError, naming the file, where it can't be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.next = 0  # number of the frame that comes next
        if not path.is_file():
            raise TrainingError(f"'{path}': expected a video, got nothing there.")
        self.capture = cv2.VideoCapture(str(path))
        if not self.capture.isOpened():
            raise TrainingError(f"'{path}': expected a video, got something that isn't one.")
        self.frame_rate = float(self.capture.get(cv2.CAP_PROP_FPS))
        self.frames = max(0, int(self.capture.get(cv2.CAP_PROP_FRAME_COUNT)))  # as the file says, unread

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
