"""The main ways through the package, each as a user's own process: what must work with every version that it allows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image


def whylight(*arguments: object) -> str:
    command = [sys.executable, "-m", "whylight", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_starts() -> None:
    assert whylight("--version").startswith("whylight ")
    assert "explain" in whylight("--help")
    assert "--device" in whylight("explain", "--help")


def test_it_explains_and_locates(photo: Path, tmp_path: Path) -> None:
    whylight("explain", photo, "--model", "face", "--out", tmp_path / "maps")
    with Image.open(next((tmp_path / "maps").glob("*.png"))) as picture:
        assert min(picture.size) > 100
    whylight("locate", photo, "--model", "face", "--target", "face", "--fast", "--out", tmp_path / "boxes")
    found = json.loads((tmp_path / "boxes" / "boxes.jsonl").read_text().splitlines()[0])
    assert found["boxes"]


def test_it_trains_and_loads(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("val", 4)):
        for number in range(count):
            for name, shade in (("dark", 60), ("light", 190)):
                (tmp_path / "data" / split / name).mkdir(parents=True, exist_ok=True)
                grey = (shade + rng.integers(-30, 30, (40, 40, 3))).astype(np.uint8)
                Image.fromarray(grey).save(tmp_path / "data" / split / name / f"{number}.png")
    options = [
        "--arch",
        "test_resnet.r160_in1k",
        "--scratch",
        "--size",
        "32",
        "--epochs",
        "1",
        "--batch",
        "8",
        "--workers",
        "0",
    ]
    whylight("train", tmp_path / "data", "--out", tmp_path / "run", *options)
    code = (
        f"import whylight; model = whylight.load({str(tmp_path / 'run')!r}, device='cpu'); print(model.classes); "
        f"print(whylight.explain(model, {str(tmp_path / 'data/val/dark/0.png')!r}).map.shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("('dark', 'light')")
