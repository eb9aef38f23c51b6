"""From a network to an ONNX graph of what computes logits and maps: prepared pictures x (N, 3, H, W) in."""

from __future__ import annotations

import hashlib
import warnings
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whylight.errors import ModelError, cause_of
from whylight.models.adapters.runtimes import OUTPUTS, X, needed
from whylight.models.model import Model
from whylight.models.split.cut import logits_of
from whylight.models.split.graph import GraphSplit

OPSET = 20


class _Maps(nn.Module):
    """Logits (N, C) and maps (N, C, h, w) of a network that ends in average pooling and one linear layer: M = Σ_k w_k A_k.

    The logits are made of the maps, so that mean(map) = logit − bias holds of what comes out.
    """

    weight: Tensor  # (C, K, 1, 1)
    bias: Tensor  # (C,)

    def __init__(self, model: Model) -> None:
        super().__init__()
        assert model.linear is not None  # `check` has seen to it
        self.network, self._model = model.module, model
        like = next(model.module.parameters())
        self.register_buffer("weight", model.linear.weight[:, :, None, None].clone().to(like))
        self.register_buffer("bias", model.linear.bias.clone().to(like))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        split = self._model.split
        # Whether weights have changed since the last run is no question while a graph is made.
        raw, _ = split.body.forward(x) if isinstance(split, GraphSplit) else split.encode(x)
        grid = self._model.layout.to_grid(raw, (x.shape[2], x.shape[3]))
        maps = F.conv2d(grid, self.weight)
        return maps.mean((2, 3)) + self.bias, maps


class _Logits(nn.Module):
    """Logits (N, C) alone."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.network = model.module

    def forward(self, x: Tensor) -> Tensor:
        return logits_of(self.network(x))


def check(model: Any, *, logits_only: bool) -> Model:
    """The model, if it can be exported.

    Raises:
        ModelError: it is a black box, takes no pictures, is not in float32, or has no maps in closed form.
    """
    name = getattr(model, "name", "") or type(model).__name__
    if not isinstance(model, Model):
        what = "a network as it is: wrap it first, whylight.wrap(network, …)"
        if not isinstance(model, nn.Module):
            what = "a black box, whose network cannot be seen: give the PyTorch model it was made from"
        raise ModelError(f"export: {name} is {what}")
    model.check_pictures()
    if model.dtype != torch.float32:
        raise ModelError(f"export: {name} computes in {model.dtype}; load it in float32 and export that")
    if not logits_only and (why := model.lacks("class_weights")) is not None:
        raise ModelError(
            f"export: the maps of {name} cannot be in its graph: that {why}. Export the logits alone (logits_only=True), "
            "which makes a black box for methods like rise; or train it with such a head, as whylight train does"
        )
    return model


def graph_of(model: Model, *, logits_only: bool) -> Any:
    """The network as an ONNX model, with any number of pictures: x → logits, and maps unless they are left out.

    Raises:
        ModelError: PyTorch cannot export it.
    """
    needed("onnx")
    needed("onnxscript")
    size = model.preprocessing.size
    x = model.prepare(torch.randn((2, 3, *size), generator=torch.Generator().manual_seed(0)))
    with model.borrow(), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about its own code
        model.split.encode(x)  # folds batch norms into convolutions anew, where their weights have changed
        module = _Logits(model) if logits_only else _Maps(model)
        try:
            program = torch.onnx.export(
                module.eval(),
                (x,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[X],
                output_names=list(OUTPUTS[:1] if logits_only else OUTPUTS),
                dynamic_shapes=({0: torch.export.Dim("n", min=1)},),
                external_data=False,
                verbose=False,
            )
        except (torch.onnx.errors.OnnxExporterError, RuntimeError, TypeError, ValueError, AssertionError) as error:
            raise ModelError(f"export: PyTorch cannot make a graph of {model.name}: {_why(error)}") from error
    return cast(Any, program).model_proto


def _why(error: BaseException) -> str:
    """The innermost cause in one line: the exporter wraps it in advice on how to mend the exporter."""
    while error.__cause__ is not None:
        error = error.__cause__
    return cause_of(error)


def digest(module: nn.Module) -> str:
    """SHA-256 over names, kinds, shapes and bytes of a network's weights."""
    found = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        value = value.detach().cpu().contiguous()
        found.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        found.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
