"""Gradients through the whole network, down to the input: plain, guided, and those by the biases.

What the network calls is watched by a `TorchFunctionMode`, not by hooks on modules: it sees functions as well as layers, gets
the very weights that are used, and leaves nothing behind on the network. It sees a call that Python makes; of a scripted
network it sees none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from whylight.models.eval_mode import borrowed
from whylight.models.split.cut import logits_of

Score = Callable[[Tensor], Tensor]  # logits (N, C) → scores (N,)


def input_gradients(module: nn.Module, x: Tensor, score: Score) -> tuple[Tensor, Tensor]:
    """∂s/∂x through the whole network.

    Args:
        module: the classifier; handed back as it came, nothing is added to its parameters' `.grad`.
        x: inputs (N, 3, H, W), on the network's device and of its type.
        score: logits (N, C) → (N,).

    Returns:
        Logits (N, C) in the network's type, and the gradient (N, 3, H, W) float32; zero where s does not depend on x.
    """
    return _input_gradients(module, x, score, nullcontext())


def guided_gradients(module: nn.Module, x: Tensor, score: Score) -> tuple[Tensor, Tensor]:
    """Guided backpropagation: ∂s/∂x, with every rectifier passing back only what is positive: g ↦ g · [z > 0] · [g > 0].

    A rectifier is a call of relu, relu_ or relu6, as a layer, function or tensor method, in place or not. For relu6 (and a
    hardtanh from 0), [0 < z < 6] stands for [z > 0]. Other activations keep their derivative.

    The arguments and the result are those of `input_gradients`.

    Source: Springenberg et al., Striving for Simplicity: The All Convolutional Net, ICLR 2015 workshop.
    """
    return _input_gradients(module, x, score, _Guided())


def has_rectifiers(module: nn.Module, x: Tensor) -> bool:
    """Whether a rectifier lies on the way from the input to the logits: without one, guided backpropagation is the plain gradient.

    Args:
        module: the classifier.
        x: an input it takes, (1, 3, H, W), on its device and of its type.
    """
    # With a graph, since fused kernels for inference (of nn.TransformerEncoderLayer, say) hide what they are made of.
    mode = _Guided()
    _input_gradients(module, x, lambda logits: logits.sum(1), mode)
    return mode.passed > 0


def bias_gradients(module: nn.Module, x: Tensor, score: Score) -> tuple[Tensor, ...]:
    """b ⊙ ∂s/∂z for every bias b, z being what it was added to make: FullGrad's second half.

    The biases are those of convolutions and linear layers, and the implicit ones: of batch norm in evaluation mode
    β − γμ/√(σ² + ε), of a rectifier that saturates (ReLU6) its highest value, where it is reached. On a network of these,
    rectifiers and pooling, Σ x ⊙ ∂s/∂x + Σ over all of these = s.

    Args:
        module: the classifier.
        x: inputs (N, 3, H, W), on the network's device and of its type.
        score: logits (N, C) → (N,).

    Returns:
        One tensor (N, C_l, h_l, w_l) float32 for each bias, in the order in which they run. A bias after the pooling has one
        place, h_l = w_l = 1; of a bias on tokens (N, T, K), or on what else is no grid, the sum stands at one place.

    Source: Srinivas and Fleuret, Full-Gradient Representation for Neural Network Visualization, NeurIPS 2019.
    """
    return _full_gradients(module, x, score)[3]


def why_no_bias_gradients(module: nn.Module, x: Tensor) -> str | None:
    """Why input and bias gradients do not add up to the score on this network, in one sentence; None where they do.

    Found out by running: on a probe, for a mixture of all logits with alternating signs.

    Args:
        module: the classifier.
        x: an input it takes, (1, 3, H, W), on its device and of its type.
    """

    def mixture(logits: Tensor) -> Tensor:  # (N, C) → (N,)
        signs = torch.ones(logits.shape[1], device=logits.device)
        signs[1::2] = -0.5
        return logits.float() @ signs

    scores, x, gradient, biased = _full_gradients(module, x, mixture)
    if any(len(part) != len(x) for part in biased):
        return (
            f"{type(module).__name__} runs layers on windows or other parts of the picture, and their bias gradients have no place "
            "in the whole"
        )
    found = sum((part.flatten(1).sum(1) for part in biased), (x.float() * gradient).flatten(1).sum(1))
    # Terms of both signs may cancel, so what is left is measured against the size of the terms; not of those behind the pooling,
    # since a new network's score is often little more than its last bias.
    placed = [part for part in biased if part.shape[2:] != (1, 1)]
    size = sum((part.flatten(1).sum(1).abs() for part in placed), (x.float() * gradient).flatten(1).sum(1).abs())
    tolerance, rounding = (2e-5, 1e-5) if x.dtype in (torch.float32, torch.float64) else (5e-2, 5e-2)
    if bool(((found - scores).abs() <= tolerance * size + rounding * scores.abs() + 1e-12).all()):
        return None
    return (
        f"{type(module).__name__} does more than convolutions, batch norm, rectifiers and pooling do (layer norm, gates, other "
        f"activations): input and bias gradients add up to {float(found[0]):.4g} there, not to the score {float(scores[0]):.4g}"
    )


def _input_gradients(
    module: nn.Module, x: Tensor, score: Score, mode: AbstractContextManager[Any]
) -> tuple[Tensor, Tensor]:
    with borrowed(module), torch.enable_grad():
        leaf = _leaf(x)
        with mode:  # around the network alone: what the score calls is the caller's
            logits = logits_of(module(leaf))
        (gradient,) = _gradients(score(logits), [leaf])
    return logits.detach(), torch.zeros_like(leaf, dtype=torch.float32) if gradient is None else gradient.float()


def _full_gradients(module: nn.Module, x: Tensor, score: Score) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, ...]]:
    """Scores (N,), the input, its gradient (N, 3, H, W), and the bias gradients, by one backward."""
    with borrowed(module), torch.enable_grad():
        leaf = _leaf(x)
        with _Biases() as mode:
            logits = logits_of(module(leaf))
        scores = score(logits)
        gradient, *found = _gradients(scores, [leaf, *(edge for edge, _, _ in mode.met)])
        parts = []
        for (_, bias, shape), part in zip(mode.met, found, strict=True):
            by_output = torch.zeros(shape, device=leaf.device) if part is None else part.float()
            parts.append(_placed(by_output, bias))
    zero = torch.zeros_like(leaf, dtype=torch.float32)
    return scores.detach().float(), leaf.detach(), zero if gradient is None else gradient.float(), tuple(parts)


def _placed(gradient: Tensor, bias: tuple[Tensor, int]) -> Tensor:
    """b ⊙ g as (N, C, h, w), from g in the layout of the layer and the axis of its channels."""
    values, axis = bias
    if axis == 0:  # a bias for each number
        product = gradient * values
        return product if product.ndim == 4 else product.flatten(1).sum(1).reshape(-1, 1, 1, 1)
    if axis == 1 and gradient.ndim == 4:  # (N, C, h, w)
        g = gradient
    elif axis == 1:  # (N, C), (N, C, L), …
        g = gradient.reshape(*gradient.shape[:2], -1).sum(2)[:, :, None, None]
    elif gradient.ndim == 4:  # (N, h, w, C)
        g = gradient.permute(0, 3, 1, 2)
    else:  # (N, …, C)
        g = gradient.flatten(1, -2).sum(1)[:, :, None, None]
    return g * values.reshape(1, -1, 1, 1)


def _gradients(scores: Tensor, inputs: list[Any]) -> tuple[Tensor | None, ...]:
    """∂Σs/∂input of each input; None where s does not depend on it. Pictures do not depend on one another."""
    if not scores.requires_grad:
        return (None,) * len(inputs)
    found: tuple[Tensor | None, ...] = torch.autograd.grad(scores.sum(), inputs, allow_unused=True)
    return found


def _leaf(x: Tensor) -> Tensor:
    """The same values as a leaf of autograd, wherever they were made."""
    with torch.inference_mode(False):
        return (x.clone() if x.is_inference() else x.detach()).requires_grad_()


class _Rectify(torch.autograd.Function):
    """Clamp to [0, top], passing back only positive gradients, only where the clamp passed its input."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, top: float, in_place: bool, mode: _Guided) -> Tensor:
        ctx.save_for_backward((z > 0) & (z < top))
        ctx.mode = mode
        if in_place:
            ctx.mark_dirty(z)
            return z.clamp_(0, top)
        return z.clamp(0, top)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (passed,) = ctx.saved_tensors
        ctx.mode.passed += 1
        return gradients[0].clamp(min=0) * passed, None, None, None


class _Guided(TorchFunctionMode):
    """Puts `_Rectify` in the place of every rectifier that is called, and counts those that a backward passes.

    A rectifier that makes position biases, say, is called too, but lies on no way from the input.
    """

    def __init__(self) -> None:
        super().__init__()
        self.passed: int = 0

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        top, in_place = _rectifier(func, args, kwargs)
        if top is None:
            return func(*args, **kwargs)
        return _Rectify.apply(args[0] if args else kwargs["input"], top, in_place, self)


def _rectifier(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[float | None, bool]:
    """Where a rectifier saturates (infinity for a plain one), None for other functions; and whether it works in place."""
    if func in (torch.relu, Tensor.relu):
        return torch.inf, False
    if func in (torch.relu_, Tensor.relu_):
        return torch.inf, True
    if func in (F.relu, F.relu6):
        in_place = bool(args[1] if len(args) > 1 else kwargs.get("inplace", False))
        return torch.inf if func is F.relu else 6.0, in_place
    if func is F.hardtanh:  # what nn.ReLU6 calls
        given = dict(zip(("input", "min_val", "max_val", "inplace"), args, strict=False)) | dict(kwargs)
        if given.get("min_val", -1.0) == 0:
            return float(given.get("max_val", 1.0)), bool(given.get("inplace", False))
    return None, False


class _Biases(TorchFunctionMode):
    """Notes where a bias is added: the place in autograd's graph, (the bias, the axis of its channels), the output's shape.

    Axis 0 stands for a bias of the output's own shape.

    The place in the graph is that of the output as the layer made it: what is done to it in place afterwards comes behind.
    """

    _CONVOLUTIONS = (F.conv1d, F.conv2d, F.conv3d, F.conv_transpose2d)

    def __init__(self) -> None:
        super().__init__()
        self.met: list[tuple[GradientEdge, tuple[Tensor, int], torch.Size]] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        output = func(*args, **kwargs)
        bias, axis = None, 1
        if func in self._CONVOLUTIONS:
            bias = args[2] if len(args) > 2 else kwargs.get("bias")
        elif func is F.linear:
            bias, axis = args[2] if len(args) > 2 else kwargs.get("bias"), -1
        elif func is F.batch_norm:
            bias = _implicit_bias(*args, **kwargs)
        else:
            top, _ = _rectifier(func, args, kwargs)
            if top is not None and top != torch.inf:  # where it saturates it gives a constant
                bias, axis = top * (output.detach() >= top).float(), 0
        if bias is not None and output.requires_grad:
            if output._is_view():  # what is done to a view in place moves its place in the graph
                output = output.clone()
            axis = 1 if output.ndim == 2 and axis else axis
            self.met.append((get_gradient_edge(output), (bias.detach().float(), axis), output.shape))
        return output


def _implicit_bias(
    input: Tensor,  # noqa: A002
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor | None:
    """β − γμ/√(σ² + ε) of a batch norm (C,); None where it takes the batch's own statistics. The arguments are its own."""
    if training or running_mean is None or running_var is None:
        return None
    shift = -running_mean.detach().float() * (running_var.detach().float() + eps).rsqrt()
    if weight is not None:
        shift = shift * weight.detach().float()
    return shift if bias is None else shift + bias.detach().float()
