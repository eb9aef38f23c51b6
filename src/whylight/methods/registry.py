"""The methods by name. A method is a pure function of tensors; the names of its parameters say what it needs.

The engine offers, for N pictures with K channels of h × w places, and one target each:

| parameter | what it is |
|---|---|
| `activations` | (N, K, h, w): A at the split |
| `gradients` | (N, K, h, w): g = ∂s/∂A of the target's score s |
| `class_weights` | (N, K): w of the target; only where the head is global average pooling + linear |
| `scores` | (N,): s, the target's logit before softmax |
| `ablated_scores` | (N, K): s when channel k is set to zero |
| `logits` | (N, C) |
| `indices` | (N,): class of the target; only where it is one |
| `curvature` | (N, K, h, w): the Hessian of s by A, applied to A; zero on a linear head |
| `gradients_of` | function: (logits (N, C) → (N,)) → its gradient by A, (N, K, h, w) |
| `inputs` | (N, 3, H, W): x |
| `input_gradients` | (N, 3, H, W): ∂s/∂x |
| `guided_gradients` | (N, 3, H, W): the same with negative gradients stopped at every rectifier |
| `bias_gradients` | tuple of (N, Cₗ, hₗ, wₗ): b ⊙ ∂s/∂z of every bias |
| `gradient_at` | function: x' (M, 3, H, W), pictures (M,) → scores (M,), ∂s/∂x' (M, 3, H, W) |
| `look_at` | function: x' (M, 3, H, W), pictures (M,) → activations, gradients (M, K, h, w) |
| `probe` | function: scores of many perturbed inputs, chunk by chunk, see `Probe` |
| `covering` | function: maps (…, h, w) on the grid → the same laid evenly over the whole input, where the grid is not |
| `attentions` | tuple over blocks of (N, heads, T, T): attention probabilities, T = prefix + h·w |
| `attention_gradients` | tuple over blocks of (N, heads, T, T): ∂sₗ/∂attention, sₗ read from block l's tokens |
| `prefix` | int: tokens before the grid |
| `grid` | (h, w) |

and computes only what the chosen methods ask for. A function returns raw maps (N, h, w), on the grid or at the size of the
input. Keyword-only parameters are options.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from torch import Tensor

from whylight.errors import MethodError
from whylight.methods import naming

EVIDENCE = (
    "activations",
    "gradients",
    "class_weights",
    "scores",
    "ablated_scores",
    "logits",
    "indices",
    "curvature",
    "gradients_of",
    "inputs",
    "input_gradients",
    "guided_gradients",
    "bias_gradients",
    "gradient_at",
    "look_at",
    "covering",
    "probe",
    "attentions",
    "attention_gradients",
    "prefix",
    "grid",
)

F = TypeVar("F", bound=Callable[..., Any])
_OWN_INPUTS = frozenset({"probe", "look_at", "gradient_at"})  # by which a method looks at inputs of its own making
Display = Literal["max", "robust"]
GradientsOf = Callable[[Callable[[Tensor], Tensor]], Tensor]
GradientAt = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
LookAt = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Covering(Protocol):
    """Lays maps (…, h, w) on the grid evenly over the whole input, where they are not, on a grid so much finer."""

    def __call__(self, maps: Tensor, finer: int = 4) -> Tensor: ...


def same(maps: Tensor, finer: int = 4) -> Tensor:
    """Maps as they are: `covering` where a grid is spread evenly."""
    return maps


class Probe(Protocol):
    """Scores of inputs made from a picture, chunk by chunk; leave the loop to stop early."""

    def __call__(
        self,
        picture: int,
        count: int,
        make: Callable[[range], Tensor],
        *,
        after: Literal["auto", "logit", "probability"] = "logit",
    ) -> Iterator[tuple[range, Tensor]]:
        """Yield (range(i, j), scores (j - i,) float32) of the inputs `make(range(i, j))` → (j - i, 3, H, W)."""


class Maps(NamedTuple):
    """What a method returns that has more to tell than the maps."""

    values: Tensor  # (N, h, w)
    details: list[dict[str, Any]]  # one for each picture: JSON values, shown with the explanation
    levels: Tensor | None = None  # (N,): the value that means no evidence, where it is not 0
    whole: bool = False  # they cover the whole input evenly already, whatever grid they are on


class Method(ABC):
    """A way to make a map: a registered function, or a wrapper around another method.

    Attributes:
        name: what it is called in results.
        units: what the numbers of its map are measured in.
        scale: how its maps are best shown: `"max"`, or `"robust"` where single pixels stand out (`Explanation.heatmap`).
    """

    name: str
    units: str
    scale: Display = "max"

    @property
    @abstractmethod
    def needs(self) -> tuple[str, ...]:
        """Names of the evidence it takes, of the module's table."""

    @property
    def is_slow(self) -> bool:
        """Whether it runs the network many times for each picture."""
        return not _OWN_INPUTS.isdisjoint(self.needs)

    @abstractmethod
    def run(self, about: Any) -> Maps:
        """Make the maps (N, h, w) from an object whose attributes are the evidence."""


@dataclass(frozen=True)
class Function(Method):
    """A method that is a pure function.

    Args:
        name: its name in the registry.
        function: evidence → raw maps (N, h, w), see the module's table.
        units: what the numbers of its map are measured in.
        options: values for the function's keyword-only parameters.
        scale: how its maps are best shown.
        signed: whether its maps tell what speaks against the target, too; None where that is no question of sign.
        cost: what it takes beside one forward where it runs the network on inputs of its own, options in braces.
    """

    name: str
    function: Callable[..., Tensor | Maps]
    units: str
    scale: Display = "max"
    options: Mapping[str, Any] = field(default_factory=dict)
    signed: bool | None = None
    cost: str = ""

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the evidence that the function takes."""
        return tuple(p.name for p in _parameters(self.function) if p.kind is not p.KEYWORD_ONLY)

    @property
    def defaults(self) -> dict[str, Any]:
        """The function's options and their values, where none are given."""
        return {p.name: p.default for p in _parameters(self.function) if p.kind is p.KEYWORD_ONLY}

    def with_options(self, **options: Any) -> Function:
        """Return this method with other option values.

        Raises:
            MethodError: if the method has no such option.
        """
        known = list(self.defaults)
        for key in options:
            if key not in known:
                have = f"its options: {', '.join(known)}" if known else "it has none"
                raise MethodError(f"method {self.name!r} has no option {key!r}; {have}")
        return replace(self, options={**self.options, **options})

    def __call__(self, **evidence: Any) -> Tensor | Maps:
        """Make the maps (N, h, w) from the evidence it needs."""
        return self.function(**evidence, **self.options)

    def run(self, about: Any) -> Maps:
        """Make the maps from an object whose attributes are the evidence.

        Raises:
            MethodError: if the function returns no maps.
        """
        found = self(**{need: getattr(about, need) for need in self.needs})
        if not isinstance(found, (Tensor, Maps)):
            raise MethodError(
                f"method {self.name!r} returned {type(found).__name__}; it must return a tensor of maps (N, h, w)"
            )
        return found if isinstance(found, Maps) else Maps(found, [])


_METHODS: dict[str, Function] = {}


def register(
    name: str, *, units: str, scale: Display = "max", signed: bool | None = None, cost: str = ""
) -> Callable[[F], F]:
    """Add a method: a decorator for a pure function that takes tensors of the module's table and returns maps (N, h, w).

    Args:
        name: the name by which users ask for it.
        units: what its numbers are measured in, shown on colour bars.
        scale: how its maps are best shown: `"max"`, or `"robust"` where single pixels stand out.
        signed: whether its maps tell what speaks against the target, too; None where that is no question of sign.
        cost: for a method that runs the network on inputs of its own: what that takes, options in braces, for `whylight methods`.

    Raises:
        MethodError: if the name is taken or means another method (`grad-cam`), or a parameter's name is not something the engine
            offers.

    >>> import whylight
    >>> @whylight.methods.register("meancam", units="activation")
    ... def meancam(activations):
    ...     return activations.mean(1)
    >>> "meancam" in whylight.methods.names()
    True
    >>> whylight.methods.unregister("meancam")
    """

    def add(function: F) -> F:
        method = Function(name, function, units, scale, signed=signed, cost=cost)
        unknown = [need for need in method.needs if need not in EVIDENCE]
        if unknown:
            raise MethodError(
                f"method {name!r} takes {', '.join(unknown)}, which the engine does not offer; "
                f"it offers {', '.join(EVIDENCE)}, and options are keyword-only (after a *)"
            )
        if (taken := meant(name)) is not None:
            raise MethodError(f"a method {taken!r} is registered already: choose another name, or unregister it first")
        _METHODS[name] = method
        return function

    return add


def unregister(name: str) -> None:
    """Take a method out of the registry."""
    del _METHODS[get(name).name]


def names() -> list[str]:
    """Names of the registered methods, sorted."""
    return sorted(_METHODS)


def meant(name: str) -> str | None:
    """The registered name that a name means, however it is written; None where it means none.

    >>> import whylight
    >>> whylight.methods.meant("Grad-CAM++"), whylight.methods.meant("IntegratedGradients"), whylight.methods.meant("catcam")
    ('gradcam++', 'integrated-gradients', None)
    """
    return naming.meant(name, _METHODS)


def get(name: str, **options: Any) -> Function:
    """Look a method up, and set its options. Case, hyphens and other libraries' names do not matter: `GradCAM++`, `grad-cam-pp`.

    Raises:
        MethodError: if there is no such method (the nearest names are given) or no such option.
    """
    found = meant(name)
    if found is None:
        raise MethodError(f"method {name!r} is not known. Near it: {', '.join(naming.near(name, names()))}")
    method = _METHODS[found]
    return method.with_options(**options) if options else method


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())
