"""Writes what the tests compare TypeScript with: a tiny world of random weights, its goldens, and those of the rules.

    python -m training.package.fixture --out tests/goldens

`tiny-world/` is a complete package. `tiny-world.json` holds what torch computes with it over a few ticks, past the
window's edge: the parity test of onnxruntime in Python is `tests/test_fixture.py`, that of TypeScript is
`src/model/parity.test.ts`. `tiny-prompt/` is a world that takes prompts; its goldens also hold what texts are encoded
as. `tiny-guide/` is one that takes guides. `rng.json` and `kv-window.json` hold the stream of random numbers and the
window's rules.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import math
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from worldloop.errors import PromptError
from worldloop.kv_window import ages_of, slot_of
from worldloop.prompt import parse_words
from worldloop.provenance import actions_sha256
from worldloop.rng import normals, philox

from ..model.guide import GREY
from .manifest import write_manifest

SIDE, TOKENS, CHANNELS = 16, 4, 6  # px, N, C
LAYERS, WIDTH = 2, 8  # L, D
KV = {"sink": 1, "memory": 1, "window": 3}
SLOTS = sum(KV.values())
MAX_AGE = 4
EVALUATIONS, ACTIONS = 2, 2  # K, A
PROMPT = 5  # P
SEED, TICKS, START_FRAMES, CONTEXT_FRAMES = 7, 10, 3, 2


class TinyNetwork(nn.Module):
    """The tick contract in few operators: attention over the window and itself, two denoising steps, a decoder."""

    def __init__(self, prompts: int = 0, *, guided: bool = False) -> None:
        """`prompts`: numbers of a prompt; 0: it takes none."""
        super().__init__()
        self.embed = nn.Linear(CHANNELS, WIDTH)
        self.action = nn.Linear(ACTIONS, WIDTH)
        self.qkv = nn.ModuleList(nn.Linear(WIDTH, 3 * WIDTH) for _ in range(LAYERS))
        self.age_bias = nn.Parameter(-0.3 * torch.arange(MAX_AGE + 1.0))
        self.head = nn.Linear(WIDTH + CHANNELS, CHANNELS)
        self.pixels = nn.Linear(CHANNELS, 3 * (SIDE // 2) ** 2)
        self.encoder = nn.Linear(3 * (SIDE // 2) ** 2, CHANNELS)
        self.prompt = nn.Linear(prompts, WIDTH, bias=False) if prompts else None
        self.guide = nn.Linear(3 * (SIDE // 2) ** 2, WIDTH, bias=False) if guided else None

    def forward(
        self, noise: Tensor, action: Tensor, latent: Tensor, kv: Tensor, age: Tensor, further: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """`further`: the prompt or the guide, of a network that takes one of them."""
        x = self.embed(latent[0]) + self.action(action)  # [N, D]
        if self.prompt is not None:
            x = x + self.prompt(further)
        if self.guide is not None:
            assert further is not None
            x = x + 8 * self.guide(in_quarters(further.float() / 255 - 0.5))
        ages = torch.cat([age, torch.zeros(1, dtype=age.dtype)])
        bias = self.age_bias[ages.clamp(0, MAX_AGE).long()] + torch.where(ages < 0, -1e4, 0.0)  # [S + 1]
        bias = bias[:, None].expand(-1, TOKENS).reshape(-1)
        written = []
        for layer, qkv in enumerate(self.qkv):
            q, k, v = qkv(x).chunk(3, -1)
            written.append(torch.stack([k, v]))
            keys = torch.cat([kv[:, layer, 0].reshape(-1, WIDTH), k])  # [(S + 1) N, D]
            values = torch.cat([kv[:, layer, 1].reshape(-1, WIDTH), v])
            x = x + F.softmax(q @ keys.T / WIDTH**0.5 + bias, -1) @ values
        clean = latent[0]
        for step in range(EVALUATIONS):
            noised = (1 - step / EVALUATIONS) * noise[step] + step / EVALUATIONS * clean
            clean = torch.tanh(0.5 * latent[0] + self.head(torch.cat([x, noised], -1)))
        return self.decode(clean), clean[None], torch.stack(written)

    def decode(self, clean: Tensor) -> Tensor:
        """Latent [N, C] to RGBA uint8 [H, W, 4]; a token is a quarter of the picture."""
        rgb = torch.sigmoid(3 * self.pixels(clean)).reshape(2, 2, SIDE // 2, SIDE // 2, 3)
        rgb = rgb.permute(0, 2, 1, 3, 4).reshape(SIDE, SIDE, 3)
        return (torch.cat([rgb, torch.ones(SIDE, SIDE, 1)], -1) * 255 + 0.5).to(torch.uint8)

    def encode(self, picture: Tensor, before: Tensor) -> Tensor:
        """uint8 [H, W, 3], and the picture before it, to a latent [1, N, C]."""
        x = (picture.float() + 0.5 * (picture.float() - before.float())) / 255 - 0.5
        return torch.tanh(self.encoder(in_quarters(x)))[None]

    def encoded(self, pictures: np.ndarray) -> Tensor:
        """uint8 [n, H, W, 3] that follow each other to latents [n, N, C]."""
        shown = torch.from_numpy(pictures)
        return torch.cat([self.encode(*both) for both in zip(shown, torch.cat([shown[:1], shown[:-1]]), strict=True)])


def in_quarters(picture: Tensor) -> Tensor:
    """[H, W, 3] to tokens [N, 3 H W / N]."""
    return picture.reshape(2, SIDE // 2, 2, SIDE // 2, 3).permute(0, 2, 1, 3, 4).reshape(TOKENS, -1)


class Encoder(nn.Module):
    """`TinyNetwork.encode` as a module of its own, for the exporter."""

    def __init__(self, network: TinyNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: Tensor, before: Tensor) -> Tensor:
        return self.network.encode(picture, before)


def make_network(prompts: int = 0, *, guided: bool = False) -> TinyNetwork:
    """The network of the fixture, the same on every call."""
    torch.manual_seed(0)
    return TinyNetwork(prompts, guided=guided).eval()


def export(module: nn.Module, inputs: dict[str, Tensor], outputs: list[str], path: Path) -> dict:
    """Writes an ONNX file with static shapes and embedded weights; gives its entry in the manifest."""
    program = torch.onnx.export(
        module,
        tuple(inputs.values()),
        dynamo=True,
        opset_version=20,
        input_names=list(inputs),
        output_names=outputs,
        verbose=False,
    )
    assert program is not None  # it is, with dynamo
    model = program.model_proto
    for item in (
        model,
        model.graph,
        *model.graph.node,
        *model.graph.value_info,
        *model.graph.input,
        *model.graph.output,
    ):
        item.ClearField("metadata_props")  # where in the Python source each operator came from: bulk, and private
        item.ClearField("doc_string")
    del model.graph.value_info[:]
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    results = module(*inputs.values())
    results = results if isinstance(results, tuple) else (results,)
    return {
        "file": path.name,
        "inputs": {name: describe(tensor) for name, tensor in inputs.items()},
        "outputs": {name: describe(tensor) for name, tensor in zip(outputs, results, strict=True)},
    }


def describe(tensor: Tensor) -> dict:
    return {"dtype": str(tensor.dtype).removeprefix("torch."), "shape": list(tensor.shape)}


def write_world(network: TinyNetwork, folder: Path) -> dict:
    """The package; gives its manifest."""
    (folder / "starts").mkdir(parents=True, exist_ok=True)
    tick_inputs = {
        "noise": torch.zeros(EVALUATIONS, TOKENS, CHANNELS),
        "action": torch.zeros(1, ACTIONS),
        "latent": torch.zeros(1, TOKENS, CHANNELS),
        "kv": torch.zeros(SLOTS, LAYERS, 2, TOKENS, WIDTH),
        "age": torch.full((SLOTS,), -1, dtype=torch.int32),
    }
    if network.prompt is not None:
        tick_inputs["prompt"] = torch.zeros(1, PROMPT)
        (folder / "words.json").write_text(json.dumps(tiny_words()) + "\n")
    if network.guide is not None:
        tick_inputs["guide"] = torch.zeros(SIDE, SIDE, 3, dtype=torch.uint8)
    tick = export(network, tick_inputs, ["rgba", "latent_next", "slot"], folder / "tick.onnx")
    seen = {name: torch.zeros(SIDE, SIDE, 3, dtype=torch.uint8) for name in ("picture", "before")}
    encoder = export(Encoder(network).eval(), seen, ["latent"], folder / "encoder.onnx")
    starts = []
    for index, frames in enumerate((START_FRAMES, 1)):
        pictures = draw_pictures(frames, seed=index)
        latents = network.encoded(pictures)
        contents = {
            "latents": latents.numpy().astype("<f4").tobytes(),
            "actions": draw_actions(frames - 1, seed=index).astype("<f4").tobytes(),
            "picture": pictures[-1].tobytes(),
        }
        paths = {key: f"starts/{index}.{key}" for key in contents}
        for key, path in paths.items():
            (folder / path).write_bytes(contents[key])
        starts.append({"title": f"Start {index}", "frames": frames, **paths})
    action = {"unit": "share of full deflection", "rest": 0}
    manifest = {
        "schema": 1,
        "name": folder.name,
        "title": "Tiny world",
        "description": "Random weights, for tests.",
        "picture": {"width": SIDE, "height": SIDE},
        "frameRate": 25,
        "actions": [
            {
                "name": "steer",
                "min": -1,
                "max": 1,
                "keys": {"ArrowLeft": -1, "ArrowRight": 1},
                "gamepad": "leftX",
                **action,
            },
            {"name": "gas", "min": 0, "max": 1, "keys": {"ArrowUp": 1}, "gamepad": "rightTrigger", **action},
        ],
        "latent": {"tokens": TOKENS, "channels": CHANNELS},
        "kv": {"layers": LAYERS, "tokens": TOKENS, "width": WIDTH, **KV, "maxAge": MAX_AGE},
        "evaluations": EVALUATIONS,
        "tick": tick,
        "encoder": encoder,
        **({} if network.prompt is None else {"prompt": {"file": "words.json", "width": PROMPT}}),
        "starts": starts,
        "files": {},
        "recordedFrom": {"environment": "none: random weights", "licence": "MIT", "frames": 0},
        "metrics": {},
    }
    write_manifest(folder, manifest)
    return manifest


def draw_pictures(count: int, *, seed: int) -> np.ndarray:
    """uint8 [count, H, W, 3]."""
    words = philox(np.arange(count * SIDE * SIDE * 4, dtype=np.uint32).reshape(-1, 4), (seed, 1))
    return (words[:, :3] >> 24).astype(np.uint8).reshape(count, SIDE, SIDE, 3)


def draw_actions(count: int, *, seed: int) -> np.ndarray:
    """float32 [count, A], within the ranges of the manifest."""
    values = np.tanh(normals(seed, 99, count * ACTIONS).reshape(count, ACTIONS))
    values[:, 1] = np.abs(values[:, 1])
    return values


def drawn(tick: int) -> np.ndarray:
    """Noise of a tick, float32 [K, N, C]; zeros for the history's (0 and below)."""
    shape = (EVALUATIONS, TOKENS, CHANNELS)
    return normals(SEED, tick - 1, math.prod(shape)).reshape(shape) if tick > 0 else np.zeros(shape, np.float32)


@torch.no_grad()
def dream(
    network: nn.Module, latents: Tensor, actions: np.ndarray, further: dict[int, np.ndarray] | None = None
) -> list[dict]:
    """What torch gives: `latents` [n, N, C] and the first n - 1 of `actions` are history, the rest are ticks.

    `further`: tick: vector of a prompt [P], or guide [H, W, 3], that holds from it on; at 0 what there is before.
    """
    kv = torch.zeros(SLOTS, LAYERS, 2, TOKENS, WIDTH)
    written, ticks, history = [-1] * SLOTS, [], len(latents) - 1
    latent, given = latents[:1], () if further is None else (torch.from_numpy(further[0]),)
    for number, action in enumerate(actions):
        tick = number - history + 1
        if further and tick in further and tick > 0:
            given = (torch.from_numpy(further[tick]),)
        noise, age = torch.from_numpy(drawn(tick)), torch.from_numpy(ages_of(written, number))
        rgba, following, slot = network(noise, torch.from_numpy(action[None]), latent, kv, age, *given)
        index = slot_of(number, **KV)
        kv[index], written[index] = slot, number
        latent = following if tick > 0 else latents[number + 1][None]
        if tick > 0:
            ticks.append(
                {
                    "action": action.tolist(),
                    "ages": ages_of(written, number + 1).tolist(),
                    "written": list(written),
                    "latent": latent.flatten().tolist(),
                    "slot": slot.flatten().tolist(),
                    "rgba": base64.b64encode(rgba.numpy().tobytes()).decode(),
                }
            )
    return ticks


@torch.no_grad()
def world_goldens(network: TinyNetwork, folder: Path) -> dict:
    """From a start of the package, and from pictures."""
    latents = np.fromfile(folder / "starts/0.latents", "<f4").reshape(START_FRAMES, TOKENS, CHANNELS)
    before = np.fromfile(folder / "starts/0.actions", "<f4").reshape(START_FRAMES - 1, ACTIONS)
    actions = draw_actions(TICKS, seed=50)
    pictures, between = draw_pictures(CONTEXT_FRAMES, seed=60), draw_actions(CONTEXT_FRAMES - 1, seed=60)
    encoded = network.encoded(pictures)
    return {
        "seed": SEED,
        "fromStart": dream(network, torch.from_numpy(latents), np.concatenate([before, actions])),
        "context": {"frames": base64.b64encode(pictures.tobytes()).decode(), "actions": between.flatten().tolist()},
        "fromContext": dream(network, encoded, np.concatenate([between, actions[:3]])),
    }


def tiny_words() -> dict:
    """Ten words, two of them in no caption, with random vectors."""
    words = ["night", "snow", "rain", "road", "day", "ice", "fog", "dusk", "dusky", "blizzard"]
    numbers = np.round(30 * normals(SEED, 98, len(words) * PROMPT)).clip(-127, 127).astype(np.int8)
    return {
        "words": words,
        "own": 8,
        "fillers": ["a", "and", "at", "in", "the"],
        "width": PROMPT,
        "scale": 0.03125,
        "vectors": base64.b64encode(numbers.tobytes()).decode(),
    }


GUIDED = (2, 3, 4, 8)  # of the goldens: ticks that bring a guide
TOLD = ((1, "night, snow"), (5, "Rain at dusk"))  # of the goldens: from which tick on


@torch.no_grad()
def prompt_goldens(network: TinyNetwork, folder: Path) -> dict:
    """Texts as vectors or as what is wrong with them; a dream under two of them; hashes that cover what was told."""
    words = parse_words((folder / "words.json").read_bytes(), PROMPT)
    texts = [
        *("night, snow", "Rain at dusk", "  SNOW  ", "night night night", "the dusky road's end", "a blizzard’s rain"),
        *("snow and zebra", "no-snow", "day", " ".join(words.words), "zebra", "in the", "", "   ", "!!!", "x" * 10_000),
        *("snow 😀", "雪", "снег", "café", "night\tsnow", "night\x07", "snow\u200b", "😀" * 200),
    ]
    encoded = []
    for text in texts:
        try:
            got = words.encode(text)
        except PromptError as error:
            encoded.append({"given": text, "error": str(error)})
        else:
            fields = {"text": got.text, "vector": got.vector.tolist(), "known": got.known, "unknown": got.unknown}
            encoded.append({"given": text, **fields})
    latents = np.fromfile(folder / "starts/0.latents", "<f4").reshape(START_FRAMES, TOKENS, CHANNELS)
    before = np.fromfile(folder / "starts/0.actions", "<f4").reshape(START_FRAMES - 1, ACTIONS)
    actions = np.concatenate([before, draw_actions(TICKS, seed=51)])
    vectors = {0: np.zeros((1, PROMPT), np.float32)}
    vectors |= {tick: words.encode(text).vector[None] for tick, text in TOLD}
    hashed = [{"actions": rows, "told": TOLD, "sha256": actions_sha256(rows, TOLD)} for rows in ([], [[0.1, 1, -0.5]])]
    dreamed = dream(network, torch.from_numpy(latents), actions, vectors)
    return {"seed": SEED, "texts": encoded, "told": TOLD, "fromStart": dreamed, "hashes": hashed}


@torch.no_grad()
def guide_goldens(network: TinyNetwork, folder: Path) -> dict:
    """A dream under guides, of which one holds for several ticks; hashes that cover them."""
    latents = np.fromfile(folder / "starts/0.latents", "<f4").reshape(START_FRAMES, TOKENS, CHANNELS)
    before = np.fromfile(folder / "starts/0.actions", "<f4").reshape(START_FRAMES - 1, ACTIONS)
    actions = np.concatenate([before, draw_actions(TICKS, seed=52)])
    drawn = draw_pictures(len(GUIDED), seed=53)
    guides = dict(zip(GUIDED, drawn, strict=True))
    dreamed = dream(
        network, torch.from_numpy(latents), actions, {0: np.full((SIDE, SIDE, 3), GREY, np.uint8), **guides}
    )
    sha256 = hashlib.sha256(drawn.tobytes()).hexdigest()
    hashed = [
        {"actions": [[0.5]], "told": told, "sha256": actions_sha256([[0.5]], told, sha256)} for told in ((), TOLD)
    ]
    listed = [[tick, base64.b64encode(guide.tobytes()).decode()] for tick, guide in guides.items()]
    return {"seed": SEED, "guides": listed, "guidesSha256": sha256, "fromStart": dreamed, "hashes": hashed}


def kv_goldens() -> list[dict]:
    goldens = []
    for layout in (KV, {"sink": 0, "memory": 0, "window": 4}, {"sink": 2, "memory": 3, "window": 5}):
        written, passes = [-1] * sum(layout.values()), []
        for number in range(14):
            slot = slot_of(number, **layout)
            passes.append({"slot": slot, "ages": ages_of(written, number).tolist()})
            written[slot] = number
        goldens.append({**layout, "passes": passes})
    return goldens


def rng_goldens() -> dict:
    published = (  # kat_vectors of Random123 1.14: philox4x32, 10 rounds
        ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    )
    drawn = ((0, 0, 64), (7, 1, 4608), (7, 2, 4608), (123456789012345, 99999, 1001))
    drawn += ((2**53 - 1, 2**32 - 1, 257), (1, 5, 1), (42, 0, 2**18))
    words = [[[int(word, 16) for word in text.split()] for text in vector] for vector in published]
    return {
        "philox": [{"counter": counter, "key": key, "words": result} for counter, key, result in words],
        "normals": [
            {
                "seed": seed,
                "tick": tick,
                "count": count,
                "first": normals(seed, tick, count)[:2].tolist(),
                "sha256": hashlib.sha256(normals(seed, tick, count).astype("<f4").tobytes()).hexdigest(),
            }
            for seed, tick, count in drawn
        ],
    }


def actions_goldens() -> list[dict]:
    """Actions and their hash: none, exact and rounded values, the smallest and largest, and -0, which is 0."""
    rows = ([], [[0.1, 1, -0.5], [1 / 3, 0, 1e-3]], [[1e-45, 3.4e38]], [[0.0], [1.0]], [[-0.0], [1.0]])
    rows += ([[math.sin(t), t % 2, 0] for t in range(500)],)
    return [{"actions": actions, "sha256": actions_sha256(actions)} for actions in rows]


def write_fixture(out: Path) -> None:
    network, prompted, guided = make_network(), make_network(PROMPT), make_network(guided=True)
    with torch.no_grad():
        write_world(network, out / "tiny-world")
        write_world(prompted, out / "tiny-prompt")
        write_world(guided, out / "tiny-guide")
    goldens = {
        "tiny-world": world_goldens(network, out / "tiny-world"),
        "tiny-prompt": prompt_goldens(prompted, out / "tiny-prompt"),
        "tiny-guide": guide_goldens(guided, out / "tiny-guide"),
        "kv-window": kv_goldens(),
        "rng": rng_goldens(),
        "actions-hash": actions_goldens(),
    }
    for name, golden in goldens.items():
        (out / f"{name}.json").write_text(json.dumps(golden) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the tiny world and the goldens that the tests compare with.")
    parser.add_argument("--out", type=Path, default=Path("tests/goldens"))
    write_fixture(parser.parse_args().out)


if __name__ == "__main__":
    main()
