"""The attention probabilities of a vision transformer, caught during a forward; the network is left as it was.

Whether what is caught are maps from every token to every token is found by running the network, not by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import Any, cast

import torch
from torch import Tensor, nn

from whylight.models.attention_hooks import Site, sites_by_running, sites_of, watching
from whylight.models.eval_mode import borrowed
from whylight.models.split.cut import UNTRACEABLE, logits_of
from whylight.models.split.layout import Layout, Size, layout_of

Score = Callable[[Tensor], Tensor]  # logits (N, C) → scores (N,)


class AttentionMaps:
    """The attention of a network's blocks, first to last. Made by `find_attention`.

    Args:
        module: the network.
        sites: where it attends, in the order in which they run.
        prefix: class and register tokens before the grid.
        grid: (h, w) of the grid for the input that was tried; T = prefix + h·w.
        tail: from the tokens (N, T, K) behind the last block to the logits (N, C), or the reason why it was not found.
    """

    def __init__(
        self,
        module: nn.Module,
        sites: tuple[Site, ...],
        prefix: int,
        grid: Size,
        tail: Callable[[Tensor], Tensor] | str,
    ) -> None:
        self._module, self._sites, self._tail = module, sites, tail
        self.prefix, self.grid = prefix, grid

    def __len__(self) -> int:
        """Number of blocks."""
        return len(self._sites)

    @property
    def why_no_gradients(self) -> str | None:
        """Why `gradients` does not work on this network, or None where it does."""
        return self._tail if isinstance(self._tail, str) else None

    def run(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run the network: its logits (N, C), and of each block the probabilities (N, heads, T, T), each row summing to 1.

        Where gradients are enabled, the logits hang on the probabilities in autograd's graph, frozen network or not.

        Args:
            x: inputs (N, 3, H, W), on the network's device and of its type.
        """
        enabled = torch.is_grad_enabled()
        found: dict[int, Tensor] = {}
        with borrowed(self._module), torch.set_grad_enabled(enabled):
            x = _outside(x).requires_grad_(enabled)
            with watching(self._sites, found.__setitem__):
                logits = logits_of(self._module(x))
        return logits, tuple(found[i] for i in range(len(self)))

    def gradients(self, x: Tensor, score: Score) -> tuple[Tensor, ...]:
        """∂s_l/∂attention_l of each block l, (N, heads, T, T) float32, as LeGrad takes them.

        s_l is the score of the logits that the network's final norm and head read from block l's own output tokens Z_l, so only
        block l itself lies between the two. One forward; the graph of one block is in memory at a time.

        Args:
            x: inputs (N, 3, H, W), on the network's device and of its type.
            score: logits (N, C) → (N,). Each block has logits of its own: a top class is to be settled before.

        Source: Bousselham et al., LeGrad: An Explainability Method for Vision Transformers via Feature Formation Sensitivity, 2024.
        """
        leaves: dict[int, Tensor] = {}
        found: dict[int, Tensor] = {}
        reading = False  # the tail may be the network itself, whose blocks are watched

        def cut(block: int, attention: Tensor) -> Tensor:
            leaves[block] = attention.detach().requires_grad_()
            return leaves[block]

        def differentiate(block: int, tokens: Tensor) -> Tensor | None:
            nonlocal reading
            if reading:
                return None
            reading = True
            total = score(self._read(tokens)).sum()  # pictures do not depend on one another
            reading = False
            leaf = leaves.pop(block)
            (gradient,) = torch.autograd.grad(total, leaf, allow_unused=True)
            found[block] = torch.zeros_like(leaf, dtype=torch.float32) if gradient is None else gradient.float()
            return tokens.detach()  # nothing of this block stays in the next one's graph

        with borrowed(self._module), torch.enable_grad(), watching(self._sites, cut, differentiate):
            self._module(_outside(x))
        return tuple(found[i].detach() for i in range(len(self)))

    def _read(self, tokens: Tensor) -> Tensor:
        assert callable(self._tail), self._tail
        return self._tail(tokens)


def find_attention(module: nn.Module, x: Tensor, layout: Layout | None = None) -> AttentionMaps | str:
    """Find out whether all blocks of a network attend from every token to every token, by running it.

    Args:
        module: the network, in any mode.
        x: an input it takes, (1, 3, H, W), on its device and of its type.
        layout: where the grid lies among the tokens behind a layer of it, where that is known.

    Returns:
        What catches the maps, or one sentence that says why there are none.
    """
    name = type(module).__name__
    x = _outside(x)
    with borrowed(module), torch.no_grad():
        plain = logits_of(module(x))
        candidates = sites_of(module)
        seen: list[tuple[int, Tensor]] = []
        with watching(candidates, lambda block, attention: seen.append((block, attention))):
            watched = logits_of(module(x))
        if not seen:
            candidates = sites_by_running(module, lambda: module(x))
            with watching(candidates, lambda block, attention: seen.append((block, attention))):
                watched = logits_of(module(x))
    if not seen:
        return f"{name} has no attention whose probabilities can be caught"
    order = [block for block, _ in seen]
    size = (x.shape[2], x.shape[3])
    tokens = seen[0][1].shape[-1]
    if layout is None or layout.tokens(size) != tokens:
        shape = torch.Size((1, tokens, 1))
        layout = layout_of(shape, size, prefix=_prefix_of(module)) or layout_of(shape, size)
    reason = _unlike(name, seen, candidates)
    if reason is None and len(set(order)) < len(order):
        reason = f"{name} runs one attention layer several times in a forward"
    if reason is None and layout is None:
        reason = f"{name} attends over {tokens} entries, which are no grid of a {size[0]}×{size[1]} input"
    if reason is None and layout is not None and (layout.suffix or layout.turned):
        reason = f"{name} has tokens behind those of the picture, or takes the picture column by column"
    if reason is None and not _close(watched, plain):
        reason = f"{name} computes something else when its attention is caught"
    if reason is not None:
        return reason
    assert layout is not None
    sites = tuple(candidates[block] for block in order)
    _, _, h, w = layout.to_grid(torch.zeros(1, tokens, 1), size).shape
    return AttentionMaps(module, sites, layout.prefix, (h, w), _find_tail(module, sites, x, plain))


def _unlike(name: str, seen: list[tuple[int, Tensor]], sites: tuple[Site, ...]) -> str | None:
    """Say what is wrong with the maps of the probe, if they are not all (1, heads, T, T) with the same T."""
    first = seen[0][1].shape
    for block, attention in seen:
        shape = tuple(attention.shape)
        kind = type(sites[block].attention).__name__
        if attention.ndim != 4 or shape[0] != 1:
            return f"{name} attends within windows or parts of the picture: its {kind} gives maps of shape {shape} for one picture"
        if shape[2] != shape[3]:
            return f"{name} attends from {shape[2]} to {shape[3]} tokens in its {kind}, not from each token to each"
        if shape[2] != first[-1]:
            return f"{name} has another number of tokens in some blocks: {first[-1]} and {shape[2]}"
        heads = getattr(sites[block].attention, "num_heads", shape[1])
        if heads != shape[1]:
            return f"{name} combines several maps for each head: its {kind} has {heads} heads and {shape[1]} maps"
        if bool(((attention.float().sum(-1) - 1).abs() > 2e-2).any()):  # half precision rounds
            return f"{name} has attention that is no probability: the rows of its {kind} do not sum to 1"
    return None


def _prefix_of(module: nn.Module) -> int | None:
    prefix = getattr(module, "num_prefix_tokens", None)
    return prefix if isinstance(prefix, int) else None


def _find_tail(
    module: nn.Module, sites: tuple[Site, ...], x: Tensor, logits: Tensor
) -> Callable[[Tensor], Tensor] | str:
    """Find what reads the logits from the last block's tokens, and check it against the network's logits."""
    outputs: list[Any] = []
    with borrowed(module), torch.no_grad():
        with ExitStack() as hooks:
            for site in sites:
                note = site.block.register_forward_hook(lambda part, inputs, output: outputs.append(output))
                hooks.callback(note.remove)
            module(x)
        packed = [isinstance(output, tuple) for output in outputs]
        tokens = outputs[-1][0] if packed[-1] else outputs[-1]
        if isinstance(tokens, Tensor) and tokens.ndim == 3:
            # The network's own rest is asked where pictures come first among its tokens' dimensions.
            rest = [_rest(module, sites, packed, x)] if len(tokens) == 1 and len(packed) == len(sites) else []
            for tail in (*_tails(module), *rest):
                with suppress(*UNTRACEABLE):  # what it was not made for
                    if _close(tail(tokens), logits):
                        return tail
    return (
        f"{type(module).__name__}: no final norm and head were found that give its logits from its last block's tokens, "
        "as forward_head(norm(tokens)) does in timm's networks"
    )


def _tails(module: nn.Module) -> Iterator[Callable[[Tensor], Tensor]]:
    """What may follow the blocks: timm's norm and `forward_head`, or torchvision's norm and heads on the class token."""
    for part in module.modules():  # a classifier may lie within another module, which normalises its input say
        norm, head = getattr(part, "norm", None), getattr(part, "forward_head", None)
        if isinstance(norm, nn.Module) and callable(head):
            yield _timm_tail(norm, head)
        encoder, heads = getattr(part, "encoder", None), getattr(part, "heads", None)
        if isinstance(getattr(encoder, "ln", None), nn.Module) and isinstance(heads, nn.Module):
            yield _torchvision_tail(cast(nn.Module, cast(Any, encoder).ln), heads)


def _timm_tail(norm: nn.Module, head: Callable[[Tensor], Any]) -> Callable[[Tensor], Tensor]:
    return lambda tokens: logits_of(head(norm(tokens)))


def _torchvision_tail(norm: nn.Module, heads: nn.Module) -> Callable[[Tensor], Tensor]:
    return lambda tokens: logits_of(heads(norm(tokens)[:, 0]))


def _rest(module: nn.Module, sites: tuple[Site, ...], packed: Sequence[bool], x: Tensor) -> Callable[[Tensor], Tensor]:
    """The network itself from its last block's tokens on: run with its blocks handing on what they get, and the last one these.

    `packed` says which blocks return a tuple, of which their tokens are the first.
    """

    def read(tokens: Tensor) -> Tensor:
        def handing_on(last: bool, pack: bool) -> Callable[..., Any]:
            def forward(*inputs: Any, **more: Any) -> Any:
                given = tokens if last else next(one for one in (*inputs, *more.values()) if isinstance(one, Tensor))
                return (given,) if pack else given

            return forward

        with ExitStack() as undo:
            for site, pack in zip(sites, packed, strict=True):
                forward = site.block.__dict__.get("forward")
                site.block.__dict__["forward"] = handing_on(site is sites[-1], pack)
                undo.callback(_put_back, site.block, forward)
            return logits_of(module(x[:1].expand(len(tokens), *x.shape[1:])))

    return read


def _put_back(block: nn.Module, forward: Any) -> None:
    if forward is None:
        del block.__dict__["forward"]
    else:
        block.__dict__["forward"] = forward


def _outside(x: Tensor) -> Tensor:
    """The same values as a tensor that autograd takes, wherever they were made."""
    with torch.inference_mode(False):
        return x.clone() if x.is_inference() else x.detach()


def _close(a: Tensor, b: Tensor) -> bool:
    tolerance = (
        1e-4 if a.dtype in (torch.float32, torch.float64) and b.dtype in (torch.float32, torch.float64) else 2e-2
    )
    return a.shape == b.shape and torch.allclose(
        a.float(), b.float(), rtol=tolerance, atol=tolerance * float(b.abs().max())
    )
