"""The tensors and functions that methods can ask for, about one target; each is made when first asked for, and once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import Literal

import torch
from torch import Tensor

from whylight.cells import WHOLE, lay
from whylight.engine.probe import Prober
from whylight.engine.scene import Scene, share_forward, try_size
from whylight.errors import MethodError, TargetError
from whylight.methods.registry import Method, Probe
from whylight.models import backprop
from whylight.models.blocked import reaching
from whylight.models.split.cut import context_of, repeat
from whylight.targets import Resolved

_ABLATED_AT_ONCE = 64  # channels whose ablated copies are in memory together; the result does not depend on it
_FROM_ONE_FORWARD = frozenset({"activations", "gradients", "scores", "logits", "indices", "grid"})
_LOOKED_AT_ONCE = 16  # moved copies of pictures in one forward


class About:
    """One target in one scene: attributes are named as in `methods.registry`, whose table says what each is.

    Args:
        scene: the inputs and what the model gives.
        target: what is explained.
        indices: where the class is settled already, as for moved copies of pictures whose top class was found before: (N,).
    """

    def __init__(self, scene: Scene, target: Resolved, indices: Tensor | None = None) -> None:
        self.scene, self.target = scene, target
        self._settled = indices
        self._elsewhere: dict[tuple[str, frozenset[str]], About] = {}  # the same question at other layers

    def moved(self, x: Tensor, pictures: Tensor | None = None) -> About:
        """The same question about other inputs (M, 3, H, W), such as turned copies; `pictures` (M,) says of which pictures.

        Raises:
            MethodError: if the network does not take inputs of that size.
        """
        scene, indices = self.scene, self.indices_or_none
        if indices is not None and pictures is not None:
            indices = indices[pictures.to(indices.device)]
        x = scene.model.prepare(x)
        about = About(Scene(scene.model, x, scene.needs, scene.precision, scene.tick, scene.most), self.target, indices)
        if about.scene.size != scene.size:
            try_size(about.scene)
        return about

    def at_layers(self, layers: Sequence[str], method: Method) -> list[About]:
        """The same question at several layers, for a method; from one forward where activations and gradients are all it takes.

        Raises:
            MethodError: if the method does not apply at one of them.
        """
        scene, needs = self.scene, self.scene.needs | frozenset(method.needs)
        fresh = {layer: scene.split_model.at(layer) for layer in layers if (layer, needs) not in self._elsewhere}
        for model in fresh.values():
            reason = model.why_not(method)
            if reason is not None:
                raise MethodError(f"{reason}. These work there: {', '.join(model.applicable_methods())}")
        scenes = [Scene(model, scene.x, needs, scene.precision, scene.tick, scene.most) for model in fresh.values()]
        if frozenset(method.needs) <= _FROM_ONE_FORWARD and len(scenes) > 1:
            share_forward(scenes)
        for layer, one in zip(fresh, scenes, strict=True):
            self._elsewhere[layer, needs] = About(one, self.target, self.indices_or_none)
        return [self._elsewhere[layer, needs] for layer in layers]

    # The target

    @cached_property
    def indices_or_none(self) -> Tensor | None:  # (N,)
        return self._settled if self._settled is not None else self.target.indices(self.scene.logits)

    @property
    def indices(self) -> Tensor:  # (N,)
        if self.indices_or_none is None:
            raise TargetError(
                f"target {self.target.name}: this method compares classes, so the target must be a class, not a function"
            )
        return self.indices_or_none

    def _score(self, logits: Tensor, pictures: Tensor | slice = slice(None)) -> Tensor:
        """Scores (M,) from logits (M, C) of copies of the given pictures."""
        indices = self.indices_or_none
        if indices is None:
            return self.target.scores(logits).float()
        return logits.gather(1, indices[pictures].unsqueeze(1)).squeeze(1).float()

    @property
    def logits(self) -> Tensor:  # (N, C)
        return self.scene.logits.detach().float()

    @cached_property
    def scores(self) -> Tensor:  # (N,)
        with torch.enable_grad():
            return self._score(self.scene.logits)

    # At the split

    @cached_property
    def activations(self) -> Tensor:  # (N, K, h, w)
        return self.scene.grid.float()

    @property
    def grid(self) -> tuple[int, int]:
        h, w = self.scene.grid.shape[2:]
        return h, w

    @cached_property
    def gradients(self) -> Tensor:  # (N, K, h, w)
        return self.gradients_of(self._score)

    def gradients_of(self, function: Callable[[Tensor], Tensor]) -> Tensor:  # (N, K, h, w)
        scene = self.scene
        if scene.linear is not None:
            return (self._direction(function)[:, :, None, None] / scene.grid[0, 0].numel()).expand(scene.grid.shape)
        with torch.enable_grad():
            # Pictures do not depend on one another, so the sum's gradient holds each one's own.
            total = _differentiable(self.target, function(scene.logits)).sum()
        (gradient,) = torch.autograd.grad(total, scene.leaf, retain_graph=True, allow_unused=True)
        model = scene.split_model
        gradient = reaching(torch.zeros_like(scene.leaf) if gradient is None else gradient, model, model.layer)
        return model.layout.to_grid(gradient, scene.size).float()

    @cached_property
    def curvature(self) -> Tensor:  # (N, K, h, w)
        scene = self.scene
        if scene.linear is not None and self.indices_or_none is not None:
            return torch.zeros_like(self.activations)
        if scene.linear is not None:  # a function of linear logits may be curved itself
            return self._curvature_through(scene.grid.detach().float().requires_grad_())
        with torch.enable_grad():
            total = _differentiable(self.target, self.scores).sum()
            (first,) = torch.autograd.grad(total, scene.leaf, create_graph=True)
            if not first.requires_grad:  # the head is linear in A, though not average pooling
                return torch.zeros_like(self.activations)
            along = (first * scene.leaf.detach()).sum()
            (second,) = torch.autograd.grad(along, scene.leaf, retain_graph=True, allow_unused=True)
        second = torch.zeros_like(scene.leaf) if second is None else second
        return scene.split_model.layout.to_grid(second.detach(), scene.size).float()

    def _curvature_through(self, grid: Tensor) -> Tensor:
        linear = self.scene.linear
        assert linear is not None
        with torch.enable_grad():
            logits = grid.mean((2, 3)) @ linear.weight.to(grid.device).T + linear.bias.to(grid.device)
            total = _differentiable(self.target, self._score(logits)).sum()
            (first,) = torch.autograd.grad(total, grid, create_graph=True)
            if not first.requires_grad:
                return torch.zeros_like(first)
            (second,) = torch.autograd.grad((first * grid.detach()).sum(), grid, allow_unused=True)
        return torch.zeros_like(grid).detach() if second is None else second.detach()

    @cached_property
    def class_weights(self) -> Tensor:  # (N, K)
        return self._direction(self._score)

    def _direction(self, function: Callable[[Tensor], Tensor]) -> Tensor:
        """(N, K): by how much a function of a linear head's logits grows with the mean of each channel."""
        linear = self.scene.linear
        assert linear is not None  # why_not has seen to it
        weight = linear.weight.to(self.scene.grid.device)  # (C, K)
        if function == self._score and self.indices_or_none is not None:
            return weight[self.indices_or_none]
        # A function of the logits acts through its derivative by them: (N, C) @ (C, K).
        with torch.enable_grad():
            logits = self.logits.requires_grad_()
            (direction,) = torch.autograd.grad(_differentiable(self.target, function(logits)).sum(), logits)
        return direction @ weight

    @cached_property
    def ablated_scores(self) -> Tensor:  # (N, K)
        if self.scene.linear is not None and self.indices_or_none is not None:
            return self.scores.detach().unsqueeze(1) - self.class_weights * self.activations.mean((2, 3))
        return torch.stack([self._ablate(picture) for picture in range(len(self.scene.x))])

    def _ablate(self, picture: int) -> Tensor:
        """Scores (K,) of one picture with each channel in turn set to zero, run through the head."""
        scene, one = self.scene, slice(picture, picture + 1)
        grid, channels, pictures = scene.grid[one], scene.grid.shape[1], len(scene.x)
        context = context_of(scene.context, picture, pictures)
        scores, some = [], scene.most or _ABLATED_AT_ONCE
        for first in range(0, channels, some):
            chunk = range(first, min(first + some, channels))
            ablated = grid.repeat(len(chunk), 1, 1, 1)  # (chunk, K, h, w)
            ablated[range(len(chunk)), list(chunk)] = 0
            with torch.no_grad():
                spread = repeat(scene.leaf[one].detach(), context, len(chunk))
                logits = scene.split_model.decode(ablated, *spread)
                scores.append(self._score(logits, torch.full((len(chunk),), picture)))
        return torch.cat(scores)

    def look_at(self, x: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Activations and gradients (M, K, h, w) of copies (M, 3, H, W) of the given pictures (M,)."""
        found: list[tuple[Tensor, Tensor]] = []
        for some, of in self._in_turn(x, pictures):
            about = self.moved(some, of)
            found.append((about.activations, about.gradients))
        return torch.cat([a for a, _ in found]), torch.cat([g for _, g in found])

    def _in_turn(self, x: Tensor, pictures: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Some copies at a time and whose they are; says how far it is."""
        some = self.scene.most or _LOOKED_AT_ONCE
        for first in range(0, len(x), some):
            yield x[first : first + some], pictures[first : first + some]
            if self.scene.tick is not None:
                self.scene.tick(min(first + some, len(x)), len(x))

    def covering(self, maps: Tensor, finer: int = 4) -> Tensor:
        """Maps (…, h, w) on a grid of the network's, laid evenly over the whole input where they are not, on a finer grid."""
        h, w = maps.shape[-2:]
        span = self.scene.span((h, w))
        return maps if span == WHOLE else lay(maps, span, (finer * h, finer * w))

    # At the input

    @property
    def inputs(self) -> Tensor:  # (N, 3, H, W)
        return self.scene.x.float()

    @cached_property
    def input_gradients(self) -> Tensor:  # (N, 3, H, W)
        model = self.scene.split_model
        return reaching(backprop.input_gradients(model.module, self.scene.x, self._score)[1].float(), model, None)

    @cached_property
    def guided_gradients(self) -> Tensor:  # (N, 3, H, W)
        _ = self.indices_or_none  # settled by a plain forward
        return backprop.guided_gradients(self.scene.split_model.module, self.scene.x, self._score)[1].float()

    @cached_property
    def bias_gradients(self) -> tuple[Tensor, ...]:  # each (N, C_l, h_l, w_l)
        return backprop.bias_gradients(self.scene.split_model.module, self.scene.x, self._score)

    def gradient_at(self, x: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (M,) and gradients by the input (M, 3, H, W) at copies of the given pictures (M,)."""
        scores, gradients = [], []
        for some, of in self._in_turn(x, pictures):
            copies, score = self.scene.model.prepare(some), partial(self._score, pictures=of)
            logits, found = backprop.input_gradients(self.scene.split_model.module, copies, score)
            scores.append(self._score(logits.detach(), of))
            gradients.append(found.float())
        return torch.cat(scores), reaching(torch.cat(gradients), self.scene.split_model, None)

    @cached_property
    def probe(self) -> Probe:
        def score(logits: Tensor, picture: int, after: Literal["auto", "logit", "probability"]) -> Tensor:
            of = torch.full((len(logits),), picture, device=logits.device)
            if after == "logit" or (after == "auto" and self.indices_or_none is None):
                return self._score(logits, of)
            if self.indices_or_none is None:
                raise TargetError(
                    f"target {self.target.name}: a function of the logits has no probability; ask for after='logit'"
                )
            return self._score(self.scene.model.probabilities(logits), of)

        scene = self.scene
        return Prober(
            scene.x, scene.model.fast(scene.precision), score, chunk=scene.most, tick=scene.tick, covering=self.covering
        )

    # In the attention of a transformer

    @cached_property
    def attentions(self) -> Sequence[Tensor]:  # each (N, heads, T, T)
        with torch.no_grad():
            _, found = self.scene.split_model.attention.run(self.scene.x)
        return tuple(one.float() for one in found)

    @cached_property
    def attention_gradients(self) -> Sequence[Tensor]:  # each (N, heads, T, T)
        _ = self.indices_or_none  # settled before the network is watched: each block has a top class of its own
        found = self.scene.split_model.attention.gradients(self.scene.x, self._score)
        return tuple(one.float() for one in found)

    @property
    def prefix(self) -> int:
        return self.scene.split_model.attention.prefix


def _differentiable(target: Resolved, scores: Tensor) -> Tensor:
    if not scores.requires_grad:
        raise TargetError(
            f"target {target.name}: its scores cannot be differentiated by the logits. Compute them from the logits it is given, "
            "without detach(), argmax or NumPy"
        )
    return scores
