"""One tick of a dreamed world in Python: the same window, noise and graphs as the TypeScript runtime.

A `Dream` holds the sessions of one package; any number of `World`s share it, from any number of threads. What an agent
sees of it (episodes, rewards, spaces) is `env.py`'s.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
import onnxruntime

from .errors import ActionError, GuideError, PromptError, ResetError, ShapeError, StateError
from .kv_window import ages_of, slot_of
from .manifest import check_tensors, contract_of, encoded, is_guided
from .package import Package, read_start, read_words
from .prompt import Prompt, Words
from .rng import normals_ahead

GREY = 128  # of a guide that isn't there, in each channel: zero, nearly, as a network reads it
AHEAD = 64  # ticks whose noise is drawn at once
PASS = ["rgba", "latent_next", "slot"]  # what a tick gives
MAX_MEMORY = 2**32  # bytes of all graphs of this process, their weights included
MAX_SEED = 2**53 - 1  # the largest whole number that TypeScript holds exactly
DTYPES = {"tensor(float)": "float32", "tensor(int32)": "int32", "tensor(uint8)": "uint8"}


@dataclass(frozen=True)
class Beginning:
    """Where a session begins: at a start of the package, or after pictures of one's own."""

    seed: int  # of every random number of the session, in [0, 2^53)
    start: int | None = None  # index into the manifest's starts; excludes frames and actions
    frames: np.ndarray | None = None  # uint8 [n, H, W, 3]
    actions: np.ndarray | None = None  # float32 [n - 1, A], those between the frames


@dataclass(frozen=True)
class Tick:
    """What follows an action. The receiver owns the picture."""

    picture: np.ndarray  # uint8 [H, W, 3]
    ms: float = 0.0  # how long the step took
    uncertainty: float | None = None  # see World.step; None when no samples were asked for
    reward: float = 0.0  # of the package's reward head, 0 without one
    done: bool = False  # the reward head says that the episode is over


@dataclass(frozen=True)
class Step:
    """A step that was computed and not taken."""

    tick: Tick
    latent: np.ndarray  # [1, N, C]
    slot: np.ndarray  # [L, 2, N, D]


class Dream:
    """The graphs of a package, ready to run. Running them changes nothing here: worlds may share a dream."""

    def __init__(self, package: Package, *, threads: int = 1, batched: bool = False) -> None:
        """`threads` work inside one operator; `batched` opens the package's batch graph, if it has one, as well.

        Raises ShapeError when a graph isn't what the manifest says, ValueError for fewer threads than one.
        """
        check_count("threads", threads, 1)
        _limit_memory()
        self.package, self.manifest = package, package.manifest
        self._options = onnxruntime.SessionOptions()
        self._options.intra_op_num_threads = threads
        self._options.inter_op_num_threads = 1
        self._options.log_severity_level = 4  # what goes wrong is an error of ours
        self._options.add_session_config_entry("session.use_env_allocators", "1")  # of `_limit_memory`
        contract = contract_of(self.manifest)
        wanted = [graph for graph in contract if batched or graph != "batch"]
        self._sessions = {graph: self._session(graph, contract[graph]) for graph in wanted}
        self.noise_shape = contract["tick"]["inputs"]["noise"][1]  # [K, N, C]
        self.kv_shape = contract["tick"]["inputs"]["kv"][1]  # [S, L, 2, N, D]
        self.words = read_words(package)
        side = self.manifest["picture"]["height"], self.manifest["picture"]["width"]
        self.grey = np.full((*side, 3), GREY, np.uint8) if is_guided(self.manifest) else None
        self.silence = None if self.words is None else np.zeros((1, self.words.vectors.shape[1]), np.float32)

    def __deepcopy__(self, _: dict) -> Dream:
        return self  # nothing here changes, and onnxruntime's sessions can't be copied

    def run(self, graph: str, feeds: dict[str, np.ndarray], outputs: list[str]) -> list[np.ndarray]:
        """One run of "tick", "encoder" or "reward". Raises ShapeError when the graph can't be run."""
        try:
            return self._sessions[graph].run(outputs, feeds)
        except Exception as error:  # onnxruntime's own have no common base
            file, reason = self.manifest[graph]["file"], str(error).partition("\n")[0]
            raise ShapeError(f"{file}: onnxruntime can't run the graph ({reason}). Export the world again.") from error

    def encoded(self, pictures: Iterable[np.ndarray]) -> list[np.ndarray]:
        """Latents [1, N, C] of pictures uint8 [H, W, 3] that follow each other."""
        latents, before = [], None
        for picture in pictures:
            given = {"picture": picture, "before": picture if before is None else before}
            latents += self.run("encoder", {name: given[name] for name in encoded(self.manifest)}, ["latent"])
            before = picture
        return latents

    @property
    def has_reward(self) -> bool:
        return "reward" in self._sessions

    @property
    def batch(self) -> int:
        """How many worlds one run of the batch graph steps; 0 where it isn't open."""
        return self.manifest["batch"]["inputs"]["noise"]["shape"][0] if "batch" in self._sessions else 0

    def run_batch(self, feeds: list[dict[str, np.ndarray] | None]) -> list[list[np.ndarray]]:
        """Up to `batch` ticks in one run, each at its own place; where None stands, what comes out is of no use."""
        some = next(feed for feed in feeds if feed is not None)
        empty = {name: np.zeros_like(value) for name, value in some.items()}
        feeds = [*(feed or empty for feed in feeds), *[empty] * (self.batch - len(feeds))]
        together = {name: np.stack([feed[name] for feed in feeds]) for name in some}
        return list(zip(*self.run("batch", together, PASS), strict=True))

    def _session(self, graph: str, sides: dict) -> onnxruntime.InferenceSession:
        file = self.manifest[graph]["file"]
        try:
            session = onnxruntime.InferenceSession(
                self.package.files[file], self._options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's own have no common base
            raise ShapeError(f"{file}: onnxruntime can't load the graph ({error}). Export the world again.") from error
        for side, tensors in (("inputs", session.get_inputs()), ("outputs", session.get_outputs())):
            found = {t.name: {"dtype": DTYPES.get(t.type, t.type), "shape": t.shape} for t in tensors}
            check_tensors(f"{file}, {side}", sides[side], found)
        return session


@cache
def _limit_memory() -> None:
    """Once a process: what graphs compute may be larger than all that they are given, and theirs to choose."""
    kinds = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    settings = {
        "max_mem": MAX_MEMORY,
        "arena_extend_strategy": -1,
        "initial_chunk_size_bytes": -1,
        "max_dead_bytes_per_chunk": -1,
    }
    onnxruntime.create_and_register_allocator(
        onnxruntime.OrtMemoryInfo("Cpu", *kinds), onnxruntime.OrtArenaCfg(settings)
    )


class World:
    """`reset`, then `step` for ever. `copy.deepcopy` gives a second one that goes on from the same state."""

    def __init__(self, dream: Dream) -> None:
        self.dream, self.manifest = dream, dream.manifest
        self.latent: np.ndarray | None = None  # [1, N, C], the newest; None before reset
        self.told: str | None = None  # the newest prompt since reset
        self._prompt, self._guide = dream.silence, dream.grey
        self.passes = 0  # of the network so far; those over the history count

    def reset(self, beginning: Beginning) -> np.ndarray:
        """Forgets everything, then begins; gives the last picture of the history.

        Raises ResetError, and then nothing has changed; StateError, and then it has no state.
        """
        check_beginning(beginning, self.manifest)
        self.latent = None  # until all has gone well
        if beginning.frames is None:
            latents, actions, picture = read_start(self.dream.package, beginning.start or 0)
        else:
            frames = np.ascontiguousarray(beginning.frames)
            latents = self.dream.encoded(frames)
            for number, latent in enumerate(latents):
                if not np.isfinite(latent).all():
                    raise ResetError(
                        f"frames, {number}: expected one that the world's encoder can read, got NaN or infinity. "
                        "Take pictures like the world's own."
                    )
            actions, picture = beginning.actions, frames[-1].copy()
        self._seed, self._tick, self.passes = beginning.seed, 0, 0
        self.told, self._prompt, self._guide = None, self.dream.silence, self.dream.grey
        self._kv = np.zeros(self.dream.kv_shape, np.float32)
        self._written = [-1] * len(self._kv)
        silence = np.zeros(self.dream.noise_shape, np.float32)  # context passes draw no noise
        for latent, action in zip(latents[:-1], actions if actions is not None else (), strict=True):
            self._write(self._pass(latent, np.float32(action), silence)[2])
        self.latent = self._finite(latents[-1])
        return picture

    def prompt(self, text: str) -> tuple[str, ...]:
        """What the world is told from the next step on, until `reset`; gives the words that mean nothing to it.

        Raises StateError before `reset`, PromptError for a text that can't be one, and where the world takes none.
        """
        if self.latent is None:
            raise StateError("The world has no state yet. Call reset first.")
        prompt = encoded_prompt(self.dream.words, text, self.manifest)
        self.told, self._prompt = prompt.text, prompt.vector[None]
        return prompt.unknown

    def guide(self, picture: np.ndarray) -> None:
        """The guide of the next step, uint8 [H, W, 3], a picture of the moment that it makes; later ones go on with it.

        Raises StateError before `reset`, GuideError for another shape, and where the world takes none.
        """
        if self.latent is None:
            raise StateError("The world has no state yet. Call reset first.")
        self._guide = check_guide(picture, self.manifest)

    def step(self, action: np.ndarray, *, samples: int = 0, guide: np.ndarray | None = None) -> Tick:
        """One action, one frame; under a guide, as if `guide` were called first.

        With `samples` of 1 or more the same tick is dreamed as often again, with the noise of the seeds that follow;
        `uncertainty` is then the standard deviation over these pictures and the frame itself, as a share of the full
        range, averaged over pixels and channels: 0 where all agree, at most 0.5.

        Raises StateError before `reset` and when the network gives NaN or infinity, ActionError, GuideError; then
        nothing has changed, but for a guide that was taken.
        """
        if guide is not None:
            self.guide(guide)
        return self.take(self.compute(action, samples=samples))

    def compute(self, action: np.ndarray, *, samples: int = 0) -> Step:
        """A step that changes nothing until `take` is given it. Raises as `step`."""
        began = time.perf_counter()
        feeds = self.prepare(action)
        outputs = self.dream.run("tick", feeds, PASS)
        return self.finish(feeds, outputs, ms=1000 * (time.perf_counter() - began), samples=samples)

    def prepare(self, action: np.ndarray) -> dict[str, np.ndarray]:
        """What the tick graph takes for the next step; its outputs go to `finish`. Raises as `step`."""
        if self.latent is None:
            raise StateError("The world has no state yet. Call reset first.")
        action = check_action(action, self.manifest)
        if self._tick % AHEAD == 0:
            self._ahead = self._draw(self._seed, AHEAD)
        return self._feeds(self.latent, action, self._ahead[self._tick % AHEAD])

    def finish(
        self, feeds: dict[str, np.ndarray], outputs: list[np.ndarray], *, ms: float = 0.0, samples: int = 0
    ) -> Step:
        """The step that `prepare` began; nothing changes before `take`. Raises StateError."""
        rgba, latent, slot = outputs
        action = feeds["action"]
        picture = np.empty((*rgba.shape[:2], 3), np.uint8)
        for channel in range(3):  # three times as quick as copying [..., :3] at once
            picture[..., channel] = rgba[..., channel]
        uncertainty = None
        if samples > 0:
            seeds = [(self._seed + number) % (MAX_SEED + 1) for number in range(1, samples + 1)]
            others = [self._pass(self.latent, action[0], self._draw(seed, 1)[0])[0][..., :3] for seed in seeds]
            uncertainty = float(np.std(np.stack([picture, *others]).astype(np.float64), axis=0).mean() / 255)
        reward, done = 0.0, False
        if self.dream.has_reward:
            judged = {"latent": self.latent, "action": action, "latent_next": latent}
            values = self.dream.run("reward", judged, ["reward", "done"])
            if not np.isfinite(values).all():
                raise StateError(
                    f"Tick {self._tick + 1}: expected a finite reward and end, got {values[0][0]} and {values[1][0]}."
                )
            reward, done = float(values[0][0]), bool(values[1][0] > 0.5)
        tick = Tick(picture=picture, ms=ms, uncertainty=uncertainty, reward=reward, done=done)
        return Step(tick, self._finite(latent), slot)

    def take(self, step: Step) -> Tick:
        """The world goes on."""
        self.latent = step.latent
        self._write(step.slot)
        self._tick += 1
        return step.tick

    def _draw(self, seed: int, ticks: int) -> np.ndarray:
        """Noise of the tick to come and of those after it, [ticks, K, N, C]."""
        shape = self.dream.noise_shape
        return normals_ahead(seed, self._tick, ticks, math.prod(shape)).reshape(ticks, *shape)

    def _pass(self, latent: np.ndarray, action: np.ndarray, noise: np.ndarray) -> list[np.ndarray]:
        """rgba uint8 [H, W, 4], latent [1, N, C], slot [L, 2, N, D]; changes nothing."""
        return self.dream.run("tick", self._feeds(latent, action, noise), PASS)

    def _feeds(self, latent: np.ndarray, action: np.ndarray, noise: np.ndarray) -> dict[str, np.ndarray]:
        age = ages_of(self._written, self.passes)
        feeds = {"noise": noise, "action": action[None], "latent": latent, "kv": self._kv, "age": age}
        further = {"prompt": self._prompt, "guide": self._guide}
        return {**feeds, **{name: value for name, value in further.items() if value is not None}}

    def _write(self, slot: np.ndarray) -> None:
        kv = self.manifest["kv"]
        index = slot_of(self.passes, sink=kv["sink"], memory=kv["memory"], window=kv["window"])
        self._kv[index], self._written[index] = slot, self.passes
        self.passes += 1

    def _finite(self, latent: np.ndarray) -> np.ndarray:
        if np.isfinite(latent).all():
            return latent
        raise StateError(
            f"Tick {self._tick}: expected finite latents from the network, got NaN or infinity. "
            "Reset; if it comes back from a start of the package, the package is broken."
        )


def encoded_prompt(words: Words | None, text: str, manifest: dict) -> Prompt:
    """Raises PromptError for a text that can't be one, and where the world takes none."""
    if words is None:
        raise PromptError(f"prompt: {manifest['name']} takes none; expected no prompt")
    return words.encode(text)


def check_guide(picture: np.ndarray, manifest: dict) -> np.ndarray:
    """uint8 [H, W, 3], a copy. Raises GuideError."""
    if not is_guided(manifest):
        raise GuideError(f"guide: {manifest['name']} takes none; expected no guide")
    shape = manifest["picture"]["height"], manifest["picture"]["width"], 3
    try:
        given = np.asarray(picture)
    except (TypeError, ValueError, RuntimeError) as error:
        raise GuideError(f"guide: expected uint8 {shape}, got {type(picture).__name__} ({error})") from error
    if given.dtype != np.uint8 or given.shape != shape:
        raise GuideError(f"guide: expected uint8 {shape}, got {given.dtype} {given.shape}")
    return np.array(given, order="C")


def check_beginning(beginning: Beginning, manifest: dict) -> None:
    """Raises ResetError."""
    seed, start, frames = beginning.seed, beginning.start, beginning.frames
    if not is_whole(seed) or not 0 <= seed <= MAX_SEED:
        raise ResetError(f"seed: expected an integer from 0 to {MAX_SEED}, got {seed}")
    if frames is None:
        last = len(manifest["starts"]) - 1
        if start is not None and (not is_whole(start) or not 0 <= start <= last):
            raise ResetError(f"start: expected an integer from 0 to {last}, got {start}")
        if beginning.actions is not None:
            raise ResetError("actions: expected frames with them, got none")
        return
    if start is not None:
        raise ResetError("expected a start or frames, got both")
    side = (manifest["picture"]["height"], manifest["picture"]["width"], 3)
    frames = _array("frames", frames)
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[1:] != side or len(frames) == 0:
        raise ResetError(f"frames: expected uint8 [n, {', '.join(map(str, side))}], got {frames.dtype} {frames.shape}")
    wanted = (len(frames) - 1, len(manifest["actions"]))
    actions = np.zeros(wanted, np.float32) if beginning.actions is None and len(frames) == 1 else beginning.actions
    if actions is not None:
        actions = _array("actions", actions)
    found = "none" if actions is None else actions.shape
    if found != wanted and not (wanted[0] == 0 and actions is not None and actions.size == 0):
        raise ResetError(f"actions: expected {wanted} between {len(frames)} frames, got {found}")
    for number, action in enumerate(actions):
        try:
            check_action(action, manifest)
        except ActionError as error:
            raise ResetError(f"actions, {number}: {error}") from error


def check_action(action: np.ndarray, manifest: dict) -> np.ndarray:
    """float32 [A], a copy. Bounds are compared as float32, as everywhere. Raises ActionError."""
    specs = manifest["actions"]
    try:
        given = np.asarray(action)
    except (TypeError, ValueError, RuntimeError) as error:  # rows of several lengths, a tensor on a GPU
        raise ActionError(f"action: expected {len(specs)} numbers, got {type(action).__name__} ({error})") from error
    if given.dtype.kind not in "biuf":
        raise ActionError(f"action: expected {len(specs)} numbers, got {type(action).__name__} of {given.dtype}")
    with np.errstate(over="ignore"):  # it becomes infinite, which is refused below
        values = given.astype(np.float32)
    if values.shape != (len(specs),):
        names = ", ".join(spec["name"] for spec in specs)
        raise ActionError(f"action: expected {len(specs)} values ({names}), got an array of shape {values.shape}")
    for value, spec in zip(values, specs, strict=True):
        if not np.float32(spec["min"]) <= value <= np.float32(spec["max"]):
            raise ActionError(
                f"{spec['name']}: expected a number in [{spec['min']}, {spec['max']}], got {value}; "
                "gymnasium.wrappers.ClipAction clips"
            )
    return values


def _array(name: str, values: object) -> np.ndarray:
    """Raises ResetError."""
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ResetError(f"{name}: expected an array, got {type(values).__name__} ({error})") from error


def is_whole(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def check_count(name: str, value: object, least: int) -> None:
    """Of a setting. Raises ValueError."""
    if not is_whole(value) or value < least:
        raise ValueError(f"{name}: expected a whole number from {least}, got {value!r}")
