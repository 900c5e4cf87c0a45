"""What a machine gives is measured, not assumed; a lease says what it lacks before it begins."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from training.judge import throughput

LEASE = Path(__file__).parents[1] / "training" / "lease.sh"


def test_a_step_is_measured_beside_a_product(monkeypatch, capsys):
    monkeypatch.setattr(throughput, "SECONDS", 0.05)
    monkeypatch.setattr(throughput, "PRODUCT", {"cpu": 256, "cuda": 256})
    assert throughput.main(["--batch", "2", "--no-compile"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured["batch"] == 2 and measured["frames_per_s"] > 0
    assert measured["share"] == pytest.approx(measured["tflops"] / measured["product_tflops"], rel=0.2, abs=0.01)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["push-t", "10", "."], "expected WORLD MINUTES WHEELS OUT [BEFORE], got 3 arguments"),
        (["push-t", "ten", ".", "out"], "MINUTES: expected a whole number from 1, got 'ten'"),
        (["push-t", "10", "nowhere", "out"], "WHEELS: expected a folder, got 'nowhere'"),
        (["push-t", "10", ".", "out", "nowhere"], "BEFORE: expected the results of an earlier lease, got 'nowhere'"),
    ],
)
def test_a_lease_refuses_before_it_spends_minutes(tmp_path, arguments, words):
    done = subprocess.run(["bash", LEASE, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and words in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_lease_wants_pytorch(tmp_path):
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)
    environment = {"PATH": "/usr/bin:/bin", "PYTHON": str(bare)}
    call = ["bash", LEASE, "push-t", "10", str(tmp_path), str(tmp_path / "out")]
    done = subprocess.run(call, capture_output=True, text=True, env=environment)
    assert done.returncode == 2 and "with PyTorch, got one without" in done.stderr
    assert not (tmp_path / "out").exists()
