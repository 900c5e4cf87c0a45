"""torch against onnxruntime in Python, on the tiny world; TypeScript is held to the same goldens."""

import base64
import json
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from worldloop.kv_window import ages_of, slot_of

from training.package.fixture import KV, SLOTS, drawn, make_network, world_goldens

GOLDENS = Path(__file__).parent / "goldens"
WORLD = GOLDENS / "tiny-world"


def test_torch_gives_the_stored_goldens() -> None:
    stored = json.loads((GOLDENS / "tiny-world.json").read_text())
    fresh = world_goldens(make_network(), WORLD)
    for old, new in zip(
        stored["fromStart"] + stored["fromContext"], fresh["fromStart"] + fresh["fromContext"], strict=True
    ):
        np.testing.assert_allclose(new["latent"], old["latent"], atol=1e-5)
        assert new["ages"] == old["ages"]


def test_onnx_gives_what_torch_gives_past_the_edge_of_the_window() -> None:
    goldens = json.loads((GOLDENS / "tiny-world.json").read_text())
    manifest = json.loads((WORLD / "world.json").read_text())
    shapes = {name: tensor["shape"] for name, tensor in manifest["tick"]["inputs"].items()}
    session = onnxruntime.InferenceSession(WORLD / "tick.onnx", providers=["CPUExecutionProvider"])
    latents = np.fromfile(WORLD / "starts/0.latents", "<f4").reshape(-1, *shapes["latent"])
    history = np.fromfile(WORLD / "starts/0.actions", "<f4").reshape(-1, shapes["action"][1])
    kv, written = np.zeros(shapes["kv"], np.float32), [-1] * SLOTS
    latent = latents[0]
    for number in range(len(history) + len(goldens["fromStart"])):
        tick = number - len(history) + 1
        golden = goldens["fromStart"][tick - 1] if tick > 0 else None
        action = np.array([golden["action"]], np.float32) if golden else history[number : number + 1]
        rgba, following, slot = session.run(
            ["rgba", "latent_next", "slot"],
            {
                "noise": drawn(tick),
                "action": action,
                "latent": latent,
                "kv": kv,
                "age": ages_of(written, number),
            },
        )
        index = slot_of(number, **KV)
        kv[index], written[index] = slot, number
        latent = following if golden else latents[number + 1]
        if golden:
            np.testing.assert_allclose(latent.flatten(), golden["latent"], atol=1e-4)
            expected = np.frombuffer(base64.b64decode(golden["rgba"]), np.uint8)
            assert np.abs(rgba.flatten().astype(int) - expected).max() <= 1


def test_the_encoder_gives_what_torch_gives() -> None:
    before = (np.arange(16 * 16 * 3) % 251).astype(np.uint8).reshape(16, 16, 3)
    picture = before[::-1].copy()
    session = onnxruntime.InferenceSession(WORLD / "encoder.onnx", providers=["CPUExecutionProvider"])
    with torch.no_grad():
        expected = make_network().encode(torch.from_numpy(picture), torch.from_numpy(before))
    found = session.run(None, {"picture": picture, "before": before})[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)
