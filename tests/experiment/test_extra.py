"""Without the extra that an experiment's report needs, a sentence says so before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from whylight.errors import TrainError
from whylight.experiment import read
from whylight.experiment.run import check_measure


def test_what_is_not_installed_is_told_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whylight.experiment.curves.find_spec", lambda name: None)
    with pytest.raises(TrainError, match=r"torchmetrics, which is not installed: pip install 'whylight\[train\]'"):
        check_measure(read("noise"), tmp_path)
