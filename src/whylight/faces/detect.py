"""Which detector finds the faces."""

from __future__ import annotations

from pathlib import Path

from whylight.errors import WhylightError
from whylight.faces.types import Detector

NAMES = ("haar", "yunet", "cam")


def detector(name: str = "haar", *, cascades: Path | None = None, weights: Path | None = None) -> Detector:
    """A detector by its name.

    Args:
        name: `"haar"`: OpenCV's cascades, nothing else needed. `"yunet"`: a small network that also tells five points; needs
            `weights`. `"cam"`: whylight's own face model.
        cascades: for `haar`: a folder with `haarcascade_*.xml` to use in place of OpenCV's of the same names.
        weights: for `yunet`: its ONNX file.

    Raises:
        FaceError: code 2, if the cascades or the weights cannot be loaded.
        WhylightError: if there is no such detector.

    >>> detector().name
    'haar'
    """
    if name == "haar":
        from whylight.faces.detectors.haar import HaarDetector

        return HaarDetector(None if cascades is None else Path(cascades))
    if name == "yunet":
        from whylight.faces.detectors.yunet import YuNetDetector

        return YuNetDetector(None if weights is None else Path(weights))
    if name == "cam":
        from whylight.faces.detectors.cam import CamDetector

        return CamDetector()
    raise WhylightError(f"detector: there is no {name!r}; it is one of {', '.join(NAMES)}")
