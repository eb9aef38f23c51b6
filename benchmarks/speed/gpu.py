"""Maps on a GPU: the same as on the processor, and how long they take there beside pytorch-grad-cam.

    python -m benchmarks.speed.gpu [--quick]

Needs CUDA; where there is none, it says so and records nothing. ResNet-50 with the weights of `networks.build`, 224 pixels,
batches of 1, 16 and 256. Times are medians of whole calls, the device waited for before and after.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.common.networks import TARGET, build, last_layer, pictures
from benchmarks.common.report import Row, record

TOLERANCE = 1e-3  # of the map's peak; TF32 is off
MASKS = 4000
BATCHES = (1, 16, 256)


def timed(call: Callable[[], Any], times: int) -> float:
    """Median seconds of a call, after one that is not counted."""
    call()
    seconds = []
    for _ in range(times):
        torch.cuda.synchronize()
        start = time.perf_counter()
        call()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def peer(module: nn.Module, name: str, x: Tensor) -> Callable[[], Any]:
    """pytorch-grad-cam as its manual shows it."""
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    module = deepcopy(module)
    cam = getattr(pytorch_grad_cam, name)(model=module, target_layers=[last_layer(module)])
    return lambda: cam(input_tensor=x, targets=[ClassifierOutputTarget(TARGET)] * len(x))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few masks and batches: to see that it runs, not to quote")
    quick = parser.parse_args().quick
    if not torch.cuda.is_available():
        print("gpu: no CUDA device here, nothing was measured", file=sys.stderr)
        return 0
    import whylight
    from whylight import engine, methods

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    module = build("resnet50")
    host, card = whylight.wrap(deepcopy(module)), whylight.wrap(deepcopy(module).cuda())
    small, masks = pictures(2), 64 if quick else MASKS
    rows = []
    for name, options in (("gradcam", {}), ("scorecam", {}), ("rise", {"masks": 200})):
        method = methods.get(name, **options)
        ours = engine.maps(card, small.cuda(), [method], [TARGET], precision="fp32").cpu()
        reference = engine.maps(host, small, [method], [TARGET], precision="fp32")
        off = float((ours - reference).abs().max() / reference.abs().max())
        rows.append(Row(f"{name}: largest difference from the processor's map, of its peak", off, "", TOLERANCE))
    for batch in (1,) if quick else BATCHES:
        x = pictures(batch).cuda()
        for name, method in (
            ("gradcam", methods.get("gradcam")),
            ("scorecam", methods.get("scorecam")),
            (f"rise, {masks:,} masks", methods.get("rise", masks=masks)),
        ):
            seconds = timed(
                lambda m=method, x=x: engine.maps(card, x, [m], [TARGET]).cpu(), 1 if name != "gradcam" else 9
            )
            rows.append(Row(f"whylight {name}, batch {batch}", seconds, "s"))
            print(f"  {rows[-1].name}: {seconds:.4f} s", file=sys.stderr, flush=True)
        rows.append(Row(f"pytorch-grad-cam gradcam, batch {batch}", timed(peer(card.module, "GradCAM", x), 9), "s"))
        if batch == 1:
            rows.append(Row("pytorch-grad-cam scorecam, batch 1", timed(peer(card.module, "ScoreCAM", x), 1), "s"))
    about = f"ResNet-50, 224 pixels, {torch.cuda.get_device_name()}."
    record("speed/gpu", "On a GPU", rows, about=about + (" Quick run: not to be quoted." if quick else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
