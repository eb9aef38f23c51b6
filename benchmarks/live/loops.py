"""The loop one writes first: OpenCV reads a video, a library explains each frame, OpenCV writes what is seen.

    python -m benchmarks.live.loops LIBRARY VIDEO OUT.mp4 [--frames N]

LIBRARY is pytorch-grad-cam or torch-cam, called as its manual shows it. The network is the bundled `person` model's, on PyTorch.
It prints one line of JSON: frames, and the seconds from opening the video to closing what was written; loading is not counted.
`speed.py` runs each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision import transforms

Pixels = NDArray[np.uint8]
Draw = Callable[[Pixels, Tensor], Pixels]


def pytorch_grad_cam(module: Any, layer: Any) -> Draw:
    """Overlays by pytorch-grad-cam."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.image import show_cam_on_image

    cam = GradCAM(model=module, target_layers=[layer])

    def draw(pixels: Pixels, x: Tensor) -> Pixels:
        heat = cam(input_tensor=x, targets=None)[0]  # of the top class, at the input's size
        heat = cv2.resize(heat, (pixels.shape[1], pixels.shape[0]))
        drawn: Pixels = show_cam_on_image(pixels.astype(np.float32) / 255, heat, use_rgb=True)
        return drawn

    return draw


def torch_cam(module: Any, layer: Any) -> Draw:
    """Overlays by torch-cam."""
    from torchcam.methods import GradCAM
    from torchcam.utils import overlay_mask
    from torchvision.transforms.functional import to_pil_image

    cam = GradCAM(module, layer)

    def draw(pixels: Pixels, x: Tensor) -> Pixels:
        scores = module(x)
        heat = cam(scores.squeeze(0).argmax().item(), scores)[0]
        return np.asarray(overlay_mask(Image.fromarray(pixels), to_pil_image(heat, mode="F"), alpha=0.5))

    return draw


LIBRARIES = {"pytorch-grad-cam": pytorch_grad_cam, "torch-cam": torch_cam}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("library", choices=LIBRARIES)
    parser.add_argument("video")
    parser.add_argument("out")
    parser.add_argument("--frames", type=int, help="stop after so many")
    given = parser.parse_args()
    import whylight

    model: Any = whylight.load("person", device="cpu")
    preparing = model.preprocessing
    assert preparing.mode == "squash"
    prepare = transforms.Compose(
        [
            transforms.Resize(preparing.size),
            transforms.ToTensor(),
            transforms.Normalize(preparing.mean, preparing.std),
        ]
    )
    module = model.module.requires_grad_(True)  # as networks come
    draw = LIBRARIES[given.library](module, module.get_submodule(model.layer))
    font, count, writer = cv2.FONT_HERSHEY_SIMPLEX, 0, None
    began = time.perf_counter()
    video = cv2.VideoCapture(given.video)
    while given.frames is None or count < given.frames:
        there, picture = video.read()
        if not there:
            break
        pixels = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
        x = prepare(Image.fromarray(pixels)).unsqueeze(0)
        drawn = cv2.cvtColor(draw(pixels, x), cv2.COLOR_RGB2BGR)
        if writer is None:
            size = drawn.shape[1], drawn.shape[0]
            # OpenCV's wheels have no encoder of H.264; this one is cheaper, and what its users take
            fourcc = cv2.VideoWriter.fourcc(*"mp4v")
            writer = cv2.VideoWriter(given.out, fourcc, video.get(cv2.CAP_PROP_FPS), size)
        cv2.putText(drawn, given.library, (8, 24), font, 0.7, (255, 255, 255), 2)
        writer.write(drawn)
        count += 1
    video.release()
    if writer is not None:
        writer.release()
    print(json.dumps({"frames": count, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
