"""Worlds on a server (`worldloop serve`), with the methods of `local.py`; docs/serve.md is the protocol."""

from __future__ import annotations

import base64
import json
import math
import os
from contextlib import ExitStack

import numpy as np
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import connect

from .errors import GuideError, ResetError, ServerError, error_named
from .manifest import parse_manifest
from .prompt import parse_words
from .world import Beginning, Tick, check_action, check_beginning, encoded_prompt

ANSWER_SECONDS = 120  # the first message may have to wait until the server has opened the world
MAX_ANSWER_BYTES = 1 << 28  # pictures of many worlds
MAX_MESSAGE_BYTES = (1 << 19) - 1024  # docs/serve.md, less what stands around the worlds


class RemoteWorlds:
    """`count` worlds of the server's world `name`, stepped by one message, or by several where one is too small."""

    def __init__(self, server: str, name: str, *, count: int, token: str | None = None, samples: int = 0) -> None:
        """`token` is printed when the server starts; by default it is taken from `WORLDLOOP_TOKEN`.

        Raises ServerError, UnknownWorldError; and of its manifest what `parse_manifest` raises.
        """
        token = token or os.environ.get("WORLDLOOP_TOKEN", "")
        self._server, self._samples = server, samples
        self._open = ExitStack()  # holds the connection until close()
        try:
            connection = connect(
                server,
                additional_headers={"Authorization": f"Bearer {token}"},
                compression=None,
                proxy=None,
                max_size=MAX_ANSWER_BYTES,
            )
            self._socket = self._open.enter_context(connection)
        except InvalidStatus as error:
            body = (error.response.body or b"").decode("utf-8", "replace").strip()
            raise ServerError(f"{server}: refused with {error.response.status_code}: {body}") from error
        except (OSError, WebSocketException) as error:
            raise ServerError(f"{server}: expected a server that answers, got {error}. Is it running?") from error
        try:
            opened, _ = self._ask({"type": "open", "world": name, "count": count})
            # A server is believed no more than a folder: the same checks.
            self.manifest, self.sha256 = parse_manifest(json.dumps(opened.get("manifest")).encode()), opened["sha256"]
            takes, words = self.manifest.get("prompt"), str(opened.get("words")).encode()
            self._words = None if takes is None else parse_words(words, takes["width"])
        except Exception:
            self.close()
            raise
        self._told: dict[int, str] = {}  # goes with the next step
        self.reward_source = self.manifest["reward"]["file"] if "reward" in self.manifest else "none"
        self._side = (self.manifest["picture"]["height"], self.manifest["picture"]["width"], 3)

    def reset(self, beginnings: dict[int, Beginning]) -> dict[int, np.ndarray]:
        """World index: its beginning, to its first picture. Raises ResetError, and then no world has changed."""
        for beginning in beginnings.values():
            check_beginning(beginning, self.manifest)
        worlds = [{"index": index, **_as_json(beginning)} for index, beginning in beginnings.items()]
        for index in beginnings:
            self._told.pop(index, None)
        return {entry["index"]: picture for entry, picture in self._frames({"type": "reset", "worlds": worlds})}

    def prompt(self, texts: dict[int, str]) -> dict[int, tuple[str, ...]]:
        """World index: what it is told from its next step on, to the words that mean nothing to it.

        Raises PromptError, and then no world has been told anything.
        """
        told = {index: encoded_prompt(self._words, text, self.manifest) for index, text in texts.items()}
        self._told |= {index: prompt.text for index, prompt in told.items()}
        return {index: prompt.unknown for index, prompt in told.items()}

    def check_prompts(self, texts: dict[int, str]) -> None:
        """Raises PromptError."""
        for text in texts.values():
            encoded_prompt(self._words, text, self.manifest)

    def guide(self, pictures: dict[int, np.ndarray]) -> None:
        """Raises GuideError: a server is told no guides."""
        raise GuideError("guide: expected a world in this process, got one of a server; leave the server out")

    def step(self, actions: dict[int, np.ndarray]) -> dict[int, Tick]:
        """World index: its action, to what follows. Raises ActionError, and then no world has changed; StateError."""
        checked = {index: check_action(action, self.manifest) for index, action in actions.items()}
        told = {index: {"prompt": self._told[index]} if index in self._told else {} for index in checked}
        worlds = [{"index": index, "action": action.tolist(), **told[index]} for index, action in checked.items()]
        message = {"type": "step", "worlds": worlds, "samples": self._samples}
        frames = self._frames(message)
        for index in checked:
            self._told.pop(index, None)
        return {
            entry["index"]: Tick(
                picture=picture,
                ms=entry["ms"],
                uncertainty=entry.get("uncertainty"),
                reward=entry.get("reward", 0.0),
                done=entry.get("done", False),
            )
            for entry, picture in frames
        }

    def close(self) -> None:
        """Leaves the server; calling it again does nothing."""
        self._open.close()

    def _frames(self, message: dict) -> list[tuple[dict, np.ndarray]]:
        """An answer in bytes: the length of its JSON as uint32, the JSON, the pictures uint8 [n, H, W, 3]."""
        if not message["worlds"]:
            return []
        frames = []
        for worlds in _in_messages(message["worlds"]):
            answer, contents = self._ask({**message, "worlds": worlds})
            entries = answer.get("worlds")
            if not _are_entries(entries, [world["index"] for world in worlds]):
                raise self._strange("figures for each world")
            if len(contents) != len(entries) * math.prod(self._side):
                raise self._strange(f"a picture of {self._side} for each world")
            pictures = np.frombuffer(contents, np.uint8).reshape(-1, *self._side)
            frames += [(entry, picture.copy()) for entry, picture in zip(entries, pictures, strict=True)]
        return frames

    def _ask(self, message: dict) -> tuple[dict, bytes]:
        """The answer's JSON, and the bytes behind it."""
        wanted = "opened" if message["type"] == "open" else "frames"
        try:
            self._socket.send(json.dumps(message))
            answer = self._socket.recv(timeout=ANSWER_SECONDS)
        except TimeoutError as error:
            raise ServerError(f"{self._server}: expected an answer in {ANSWER_SECONDS} s, got none.") from error
        except (ConnectionClosed, OSError) as error:
            raise ServerError(
                f"{self._server}: the server has ended the connection ({error}). Connect again."
            ) from error
        end = 4 + int.from_bytes(answer[:4], "little") if isinstance(answer, bytes) else 0
        try:
            parsed, contents = (json.loads(answer), b"") if end == 0 else (json.loads(answer[4:end]), answer[end:])
        except (ValueError, RecursionError) as error:
            raise self._strange("JSON") from error
        if isinstance(parsed, dict) and parsed.get("type") == "error":
            raise error_named(str(parsed.get("name")), str(parsed.get("message")))
        known = isinstance(parsed, dict) and parsed.get("type") == wanted
        if not known or (wanted == "opened" and not isinstance(parsed.get("sha256"), str)):
            raise self._strange(f'an answer of the type "{wanted}"')
        return parsed, contents

    def _strange(self, expected: str) -> ServerError:
        return ServerError(f"{self._server}: expected {expected}, got something else. Another protocol's server?")


def _are_entries(entries: object, indices: list[int]) -> bool:
    """Whether they are of these worlds, in their order, with finite figures where there are any."""
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        return False
    figures = [entry.get(name, 0) for entry in entries for name in ("ms", "uncertainty", "reward")]
    ends = [entry.get("done", False) for entry in entries]
    return (
        [entry.get("index") for entry in entries] == indices
        and all(isinstance(figure, (int, float)) and math.isfinite(figure) for figure in figures)
        and all(isinstance(end, bool) for end in ends)
        and all("ms" in entry for entry in entries)
    )


def _in_messages(worlds: list[dict]) -> list[list[dict]]:
    """The worlds in as few messages as the server's limit allows. Raises ResetError when a history exceeds it alone."""
    messages, room = [], 0
    for world in worlds:
        size = len(json.dumps(world)) + 2  # with ", "
        if size > MAX_MESSAGE_BYTES:
            raise ResetError(
                f"frames: expected a history of at most {MAX_MESSAGE_BYTES} bytes in base64 for a server, got {size}; "
                "give its last pictures only, or compute in this process"
            )
        if size > room:
            messages.append([])
            room = MAX_MESSAGE_BYTES
        messages[-1].append(world)
        room -= size
    return messages


def _as_json(beginning: Beginning) -> dict:
    if beginning.frames is None:
        return {"seed": int(beginning.seed), "start": int(beginning.start or 0)}
    frames = np.ascontiguousarray(beginning.frames)
    actions = [] if beginning.actions is None else np.asarray(beginning.actions, np.float32).ravel().tolist()
    return {
        "seed": int(beginning.seed),
        "context": {"frames": base64.b64encode(frames.tobytes()).decode(), "actions": actions},
    }
