"""What tells one model from another, before anything is loaded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from whylight.models.zoo import bundled
from whylight.models.zoo.choice import ModelChoice


def test_a_bundled_name_wins_over_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = ModelChoice("face").identity()
    (tmp_path / "face").mkdir()
    (tmp_path / "face" / "model.safetensors").write_bytes(b"another")
    assert ModelChoice("face").identity() == before


def test_a_new_bundled_model_is_another_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = ModelChoice("face").identity()
    here = bundled.file_of("face")
    assert here is not None
    there = Path(shutil.copy(here, tmp_path))
    os.utime(there, (0, 0))
    monkeypatch.setattr(bundled, "_FOLDER", tmp_path)
    assert ModelChoice("face").identity() == before  # installed anew: another place and date, the same model
    there.write_bytes(there.read_bytes()[:-1] + b"?")
    assert ModelChoice("face").identity() != before


def test_it_is_told_without_torch() -> None:
    code = (
        "import sys; from whylight.models.zoo.choice import ModelChoice; ModelChoice('face').identity(); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
