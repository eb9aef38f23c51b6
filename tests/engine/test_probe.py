"""The engine's probe: chunks, memory that runs out, progress, stopping early."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from whylight.engine.probe import Prober, chunk_of
from whylight.errors import ModelError, WhylightWarning


def forward(x: Tensor) -> Tensor:
    """(M, 3, H, W) → (M, 2) logits."""
    return torch.stack([x.sum((1, 2, 3)), -x.mean((1, 2, 3))], 1)


def score(logits: Tensor, picture: int, after: str) -> Tensor:
    logits = logits + picture
    return logits[:, 0] if after == "logit" else logits.softmax(1)[:, 0]


def make(indices: range) -> Tensor:
    return torch.arange(indices.start, indices.stop, dtype=torch.float32).reshape(-1, 1, 1, 1).expand(-1, 3, 2, 2) / 10


@pytest.mark.parametrize("chunk", [1, 3, 10, 64])
def test_every_index_once_and_in_order(chunk: int) -> None:
    probe = Prober(torch.zeros((1, 3, 2, 2)), forward, score, chunk=chunk)
    found = list(probe(0, 10, make))
    assert [i for indices, _ in found for i in indices] == list(range(10))
    assert all(len(indices) == len(scores) <= chunk for indices, scores in found)
    torch.testing.assert_close(torch.cat([scores for _, scores in found]), torch.arange(10.0) * 1.2)


def test_score_is_told_the_picture_and_what_is_asked() -> None:
    probe = Prober(torch.zeros((1, 3, 2, 2)), forward, score)
    ((_, logit),) = probe(3, 2, make)
    torch.testing.assert_close(logit, torch.tensor([3.0, 4.2]))
    ((_, probability),) = probe(3, 2, make, after="probability")
    torch.testing.assert_close(probability, torch.tensor([0.5, 1 / (1 + 2.718281828 ** (-1.2 - 0.1))]))


def test_scores_are_float32_and_without_gradient() -> None:
    probe = Prober(torch.zeros((1, 3, 2, 2)), lambda x: forward(x).double().requires_grad_(), score)
    ((_, scores),) = probe(0, 2, make)
    assert scores.dtype == torch.float32
    assert not scores.requires_grad


def test_progress_and_stopping_early() -> None:
    ticks: list[tuple[int, int]] = []
    ran: list[int] = []

    def counted(x: Tensor) -> Tensor:
        ran.append(len(x))
        return forward(x)

    probe = Prober(
        torch.zeros((1, 3, 2, 2)), counted, score, chunk=4, tick=lambda done, count: ticks.append((done, count))
    )
    for indices, _ in probe(0, 10, make):
        if indices.stop == 8:
            break
    assert ran == [4, 4], "nothing is run ahead"
    assert ticks == [(4, 10), (8, 10)]
    list(probe(0, 10, make))
    assert ticks[2:] == [(4, 10), (8, 10), (10, 10)]


class Small:
    """Memory for so many inputs."""

    def __init__(self, room: int, error: BaseException) -> None:
        self.room, self.error = room, error
        self.ran: list[int] = []

    def __call__(self, x: Tensor) -> Tensor:
        if len(x) > self.room:
            raise self.error
        self.ran.append(len(x))
        return forward(x)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("no"), MemoryError(), RuntimeError("can't allocate memory")])
def test_halves_when_memory_runs_out(error: BaseException) -> None:
    small = Small(3, error)
    probe = Prober(torch.zeros((1, 3, 2, 2)), small, score, chunk=8)
    with pytest.warns(WhylightWarning, match="chunks of"):
        scores = torch.cat([scores for _, scores in probe(0, 7, make)])
    torch.testing.assert_close(scores, torch.arange(7.0) * 1.2)
    assert max(small.ran) <= 3
    tried = len(small.ran)
    list(probe(0, 7, make))
    assert len(small.ran) == 2 * tried, "the smaller chunk is remembered"


def test_one_that_does_not_fit() -> None:
    probe = Prober(torch.zeros((1, 3, 2, 2)), Small(0, MemoryError()), score, chunk=1)
    with pytest.raises(ModelError, match="does not fit"):
        list(probe(0, 3, make))


def test_other_errors_pass() -> None:
    def broken(x: Tensor) -> Tensor:
        raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError, match="shape mismatch"):
        list(Prober(torch.zeros((1, 3, 2, 2)), broken, score)(0, 3, make))


def test_chunks_follow_the_size_of_the_input() -> None:
    sizes = [chunk_of(torch.empty((1, 3, side, side)), "fp32") for side in (32, 112, 224, 448, 4000)]
    assert sizes == [128, 24, 6, 1, 1]
    assert chunk_of(torch.empty((1, 3, 224, 224)), "bf16") == 10


def test_chunks_follow_what_the_network_computes_in() -> None:
    class Settles:
        precision = ""

        def __call__(self, x: Tensor) -> Tensor:
            self.precision = "bf16"
            return forward(x)

    probe = Prober(torch.zeros((1, 3, 224, 224)), Settles(), score)
    assert [len(indices) for indices, _ in probe(0, 40, make)] == [6, 10, 10, 10, 4]
