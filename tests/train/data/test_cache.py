"""What frozen layers make of pictures is kept: the same run, in less time; and it is left where it would change something."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from whylight.errors import ModelError
from whylight.train import TrainConfig, train
from whylight.train.checkpoint import load
from whylight.train.data.cache import Cache
from whylight.train.network import blocks, freeze, last_frozen

Make = Callable[..., TrainConfig]


def losses(run: str) -> list[float]:
    rows = load(Path(run) / "last.pt")["rows"]
    return [row[name] for row in rows for name in ("train_loss", "val_loss")]


@pytest.mark.parametrize(
    "arch",
    [
        "test_resnet.r160_in1k",
        *(
            pytest.param(name, marks=pytest.mark.long)
            for name in ("torchvision/mobilenet_v2", "torchvision/squeezenet1_1")
        ),
    ],
)
def test_the_run_is_the_same_with_and_without(settings: Make, tmp_path: Path, arch: str) -> None:
    size = {"size": 64} if "squeeze" in arch else {}
    configs = [
        settings(
            arch=arch, out=str(tmp_path / f"{cache}"), augment=False, cache=cache, unfreeze=1, epochs=3, batch=5, **size
        )
        for cache in (True, False)
    ]
    for config in configs:
        train(config)
    kept, plain = (load(Path(config.out) / "last.pt") for config in configs)
    assert losses(configs[0].out) == losses(configs[1].out)
    assert all(torch.equal(kept["module"][name], value) for name, value in plain["module"].items())


def test_pictures_are_read_once(settings: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    from whylight.train.data import pictures as data

    real = data.decode
    monkeypatch.setattr(data, "decode", lambda path: read.append(str(path)) or real(path))
    train(settings(augment=False, unfreeze=1, epochs=4, keep="last"))
    # 32 to train on, 12 to validate on; and those again, in full, when the stored model is measured.
    assert len(read) == 32 + 12 + 12


@pytest.mark.parametrize("changes", [{"augment": True}, {"unfreeze": None}, {"cache": False}, {"ema": 0.9}])
@pytest.mark.long
def test_nothing_is_kept_where_it_would_change_something(
    settings: Make, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]
) -> None:
    def never(*arguments: object) -> None:
        raise AssertionError("features were kept")

    monkeypatch.setattr(Cache, "fill", never)
    train(settings(**{"augment": False, "unfreeze": 1, "epochs": 1, **changes}))


def test_dropout_before_the_cut_is_found_out() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Dropout(0.5), nn.Conv2d(4, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    network.append(nn.Linear(4, 2))
    freeze(network, 1)
    last = last_frozen(network)
    assert last == "0"
    # In the layout that the loop hands on: another one is added up in another order on some processors.
    probe = torch.randn(2, 3, 16, 16).to(memory_format=torch.channels_last)
    Cache(network, last, probe, freeze_bn=False)  # the dropout lies behind the cut, with what is trained
    freeze(network, 0)
    with pytest.raises(ModelError, match="gives other scores when it is cut behind 2"):
        Cache(network, "2", probe, freeze_bn=False)


def test_the_last_frozen_block() -> None:
    network = nn.Sequential(*(nn.Conv2d(3, 3, 1) for _ in range(3)), nn.Flatten(), nn.Linear(12, 2))
    assert [name for name, _ in blocks(network)] == ["0", "1", "2", "4"]
    for last, expected in ((0, "2"), (1, "1"), (2, "0"), (3, None)):
        freeze(network, last)
        assert last_frozen(network) == expected


def test_the_share_of_time_spent_on_reading_is_in_the_figures(settings: Make) -> None:
    config = settings(epochs=1)
    train(config)
    header, row = (Path(config.out) / "metrics.csv").read_text().splitlines()
    share = float(dict(zip(header.split(","), row.split(","), strict=True))["loading_share"])
    assert 0 < share < 1
