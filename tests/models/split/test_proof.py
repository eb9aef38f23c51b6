"""What is read as places must be places: cells that change where the picture is changed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import whylight
from whylight.errors import ModelError
from whylight.models.split.layout import Layout

GREY = {"mean": (0, 0, 0), "std": (1, 1, 1)}


class Latents(nn.Module):
    """Learned queries read the picture by attention, as Perceiver's, DETR's and attention pooling's do: they are no places."""

    def __init__(self, count: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Conv2d(3, 32, 8, 8), nn.ReLU())
        self.queries = nn.Parameter(torch.randn(1, count, 32))
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
        self.norm, self.fc = nn.LayerNorm(32), nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        places = self.body(x).flatten(2).transpose(1, 2)
        queries = self.queries.expand(len(x), -1, -1)
        return self.fc(self.norm(queries + self.attention(queries, places, places)[0]).mean(1))


class Tokens(nn.Module):
    """A transformer on patches, with tokens before and behind them, row by row or column by column."""

    def __init__(self, size: tuple[int, int], before: int, behind: int, turned: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patches, self.turned = nn.Conv2d(3, 32, 8, 8), turned
        self.places = nn.Parameter(0.02 * torch.randn(1, size[0] * size[1] // 64, 32))
        self.before = nn.Parameter(torch.randn(1, before, 32))
        self.behind = nn.Parameter(torch.randn(1, behind, 32))
        block = nn.TransformerEncoderLayer(32, 4, 64, 0.0, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)
        self.norm, self.fc = nn.LayerNorm(32), nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        grid = self.patches(x)
        grid = grid.transpose(2, 3) if self.turned else grid
        tokens = grid.flatten(2).transpose(1, 2) + self.places
        every = torch.cat([self.before.expand(len(x), -1, -1), tokens, self.behind.expand(len(x), -1, -1)], dim=1)
        return self.fc(self.norm(self.blocks(every)).mean(1))


class Last(nn.Module):
    """Channels last, with as many channels as rows and columns."""

    def __init__(self, turned: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.order = (0, 3, 2, 1) if turned else (0, 2, 3, 1)
        self.patches, self.norm, self.fc = nn.Conv2d(3, 8, 8, 8), nn.LayerNorm(8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.norm(self.patches(x).permute(*self.order)).mean((1, 2)))


@pytest.mark.parametrize("count", [16, 20, 32, 36, 64, 100, 160])
def test_queries_are_no_places(count: int) -> None:
    net = Latents(count).eval()
    model = whylight.wrap(net, size=64, **GREY)
    assert (model.layer.split(".")[0], model.grid) == ("body", (8, 8))
    with pytest.raises(ModelError, match="no grid of places"):
        whylight.wrap(net, layer="norm", size=64, **GREY)


@pytest.mark.parametrize(
    ("size", "before", "behind", "turned"),
    [
        ((64, 64), 0, 0, False),
        ((64, 64), 1, 0, False),
        ((32, 64), 5, 0, False),  # 36 tokens would be 4 × 9 behind one
        ((64, 64), 1, 20, False),  # detection tokens
        ((64, 64), 1, 100, False),
        ((64, 64), 12, 3, False),  # prompts
        ((64, 64), 1, 0, True),
        ((32, 64), 1, 0, True),
        ((96, 48), 2, 0, False),
    ],
)
def test_tokens_that_are_places(size: tuple[int, int], before: int, behind: int, turned: bool) -> None:
    net = Tokens(size, before, behind, turned).eval()
    model = whylight.wrap(net, size=size, **GREY)
    assert model.grid == (size[0] // 8, size[1] // 8)
    assert (model.layout.prefix, model.layout.suffix, model.layout.turned) == (before, behind, turned)
    x = torch.rand((2, 3, *size), generator=torch.Generator().manual_seed(1))
    grid = model.features(x)
    torch.testing.assert_close(model.head(grid), net(x).detach(), rtol=1e-4, atol=1e-5)

    # The cell that changes most is the one that lies where the picture was changed.
    changed = x[:1].clone()
    changed[:, :, 8:16, size[1] - 16 : size[1] - 8] = 3.0
    moved = (model.features(changed) - grid[:1]).norm(dim=1)[0]
    assert divmod(int(moved.argmax()), moved.shape[1]) == (1, model.grid[1] - 2)


@pytest.mark.parametrize("turned", [False, True])
def test_channels_last_with_as_many_channels_as_rows(turned: bool) -> None:
    model = whylight.wrap(Last(turned).eval(), size=64, **GREY)
    assert model.layout == Layout("nhwc", turned=turned)


@pytest.mark.parametrize("size", [(64, 64), (64, 32), (32, 64)])
@pytest.mark.parametrize("channels", [2, 3, 4])
def test_what_is_pooled_is_no_grid_of_its_channels(size: tuple[int, int], channels: int) -> None:
    body = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()]
    net = nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, channels, 1), nn.Flatten())
    assert whylight.wrap(net.eval(), size=size, **GREY).grid == size
