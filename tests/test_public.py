"""The public names hold, load lazily, and a user can add a method."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor

import whylight
from nets import gap_net
from whylight import engine, methods
from whylight.errors import MethodError


def test_public_names() -> None:
    assert set(whylight.__all__) == {
        "Audit",
        "BlackBox",
        "Box",
        "Concepts",
        "Explanation",
        "Explanations",
        "Exported",
        "Location",
        "Model",
        "Preprocess",
        "Receipt",
        "__version__",
        "audit",
        "concepts",
        "detector",
        "errors",
        "explain",
        "explain_each",
        "export",
        "faces",
        "grid",
        "jobs",
        "live",
        "load",
        "load_onnx",
        "locate",
        "locate_each",
        "methods",
        "open_maps",
        "segmenter",
        "targets",
        "tune_allocator",
        "verify",
        "view",
        "wrap",
        "wrap_callable",
    }
    for name in whylight.__all__:
        assert getattr(whylight, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'explian'"):
        whylight.explian  # type: ignore[attr-defined]  # noqa: B018


def test_public_names_of_faces() -> None:
    for name in whylight.faces.__all__:
        assert getattr(whylight.faces, name).__module__.startswith("whylight.faces.")
    with pytest.raises(AttributeError, match="no attribute 'detect_all'"):
        whylight.faces.detect_all  # noqa: B018


def test_import_is_light() -> None:
    code = (
        "import sys, whylight; print([m for m in ('torch', 'numpy', 'PIL', 'cv2', 'matplotlib') if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_the_eight_methods_are_there() -> None:
    expected = {"cam", "gradcam", "gradcam++", "hirescam", "layercam", "xgradcam", "eigencam", "ablationcam"}
    assert expected <= set(methods.names())


def test_a_method_of_ones_own() -> None:
    @methods.register("powercam", units="activation")
    def powercam(activations: Tensor, class_weights: Tensor, *, power: float = 1.0) -> Tensor:
        return (methods.cam(activations, class_weights).relu()) ** power

    try:
        model = whylight.wrap(gap_net(), size=32)
        x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        plain, squared = engine.maps(model, x, ["powercam", methods.get("powercam", power=2.0)], [0])
        torch.testing.assert_close(squared, plain**2)
        with pytest.raises(MethodError, match="has no option 'pover'; its options: power"):
            methods.get("powercam", pover=1)
        with pytest.raises(MethodError, match="registered already"):
            methods.register("powercam", units="")(powercam)
    finally:
        methods.unregister("powercam")


def test_a_method_that_asks_for_what_there_is_not() -> None:
    with pytest.raises(MethodError, match="takes activation, which the engine does not offer; it offers activations"):

        @methods.register("typo", units="")
        def typo(activation: Tensor) -> Tensor:
            return activation


def test_a_method_that_returns_the_wrong_shape() -> None:
    @methods.register("wrong", units="")
    def wrong(activations: Tensor) -> Tensor:
        return activations

    try:
        with pytest.raises(MethodError, match=r"returned shape \(1, 6, 8, 8\); it must return one \(h, w\) map"):
            engine.maps(whylight.wrap(gap_net(), size=32), torch.zeros(1, 3, 32, 32), ["wrong"])
    finally:
        methods.unregister("wrong")


def test_allocator_tuning_says_whether_it_took() -> None:
    code = "import whylight, sys; print(whylight.tune_allocator() == sys.platform.startswith('linux'))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "True"
    )
