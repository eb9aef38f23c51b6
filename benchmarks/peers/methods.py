"""Every method of ours beside the other libraries: who has it, where it departs from its paper, what it costs.

    python -m benchmarks.peers.methods [--quick] [--no-cost]

Writes docs/peers.md. Whether a library has a method is looked up in the installed package, and each difference is tied to the
line of its code that makes it: where a line is not there any more, this stops and says so. xplique and the authors' RISE are
not installed; what is said of them comes from their published source. Costs are ratios to a plain forward of MobileNetV2 at
224 pixels, batch 1; what takes thousands of forwards is run on a part and scaled up.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common.places import ROOT
from benchmarks.common.report import Row, cores, machine, record
from benchmarks.peers.facts import DIFFERENCES, HAVE, PEERS, UNINSTALLED, Difference

PAGE = ROOT / "docs" / "peers.md"
LONG = 2.0  # seconds: what takes longer is timed twice


@dataclass
class Cost:
    """A ratio to a forward, and how it was taken where that needs saying."""

    value: float
    note: str = ""


def line_of(difference: Difference) -> str:
    """`file:line` of the code behind a difference, found by its text.

    Raises:
        SystemExit: if the installed version has no such line: then the statement has to be looked at again.
    """
    if not difference.code:
        return difference.file
    package, _, inner = difference.file.partition("/")
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{package} is not installed: scripts/setup bench")
    lines = (Path(spec.origin).parent / inner).read_text(encoding="utf-8").splitlines()
    found = [number for number, line in enumerate(lines, 1) if difference.code in line]
    if found:
        return f"{difference.file}:{found[-1]}"
    raise SystemExit(f"{difference.file}: no line holds {difference.code!r} any more; see whether it is still so")


def has(peer: str, method: str) -> bool:
    """Whether a library has a method; of the installed ones, whether the class is really there."""
    where = HAVE[peer].get(method)
    if where is None or peer in UNINSTALLED:
        return where is not None
    module, _, name = where.rpartition(".")
    if not hasattr(importlib.import_module(module), name):
        raise SystemExit(f"{peer}: {where} is not there any more")
    return True


def others(peer: str) -> list[str]:
    """What an installed library exports beyond the methods here."""
    known = {where.rpartition(".")[2] for where in HAVE[peer].values()}
    if peer == "pytorch-grad-cam":
        import pytorch_grad_cam
        from pytorch_grad_cam.base_cam import BaseCAM

        found = {k for k, v in vars(pytorch_grad_cam).items() if isinstance(v, type) and issubclass(v, BaseCAM)}
    elif peer == "torch-cam":
        from torchcam import methods

        found = {name for name, kind in vars(methods).items() if isinstance(kind, type) and name[0] != "_"}
    else:
        from captum import attr

        skipped = ("Layer", "Neuron", "Internal", "LLM", "VLLM", "Remote", "Data", "Feature Perm")
        found = {
            name
            for name in attr.__all__
            if isinstance(getattr(attr, name), type)
            and issubclass(getattr(attr, name), attr.Attribution)
            and not name.startswith(skipped)
            and not name.endswith("Attribution")
        }
    return sorted(found - known)


def cost(forward: Callable[[Any], Any], call: Callable[[Any], Any], x: Any, pairs: int) -> float:
    """The shortest of some runs over the shortest forward between them: what other programs take would only add to either."""

    def timed(what: Callable[[Any], Any]) -> float:
        start = time.perf_counter()
        what(x)
        return time.perf_counter() - start

    warm = timed(call)
    runs, forwards = ([warm] if warm > LONG else []), []
    for _ in range(1 if warm > LONG else pairs):
        forwards += [timed(forward) for _ in range(3)]
        runs.append(timed(call))
        forwards += [timed(forward) for _ in range(3)]
    return min(runs) / min(forwards)


def measure(quick: bool) -> dict[tuple[str, str], Cost]:
    """Costs by (library, method)."""
    os.environ["TQDM_DISABLE"] = "1"  # read when tqdm is imported
    import torch

    from benchmarks.common.networks import build, pictures
    from benchmarks.peers.calls import CALLS, plain
    from whylight import tune_allocator

    warnings.simplefilter("ignore")
    tune_allocator()
    torch.set_num_threads(cores())
    module, x, found = build("mobilenet_v2"), pictures(1), {}
    forward = plain(module)
    for _ in range(10):
        forward(x)
    for (library, method), (make, part, note) in CALLS.items():
        if method not in HAVE.get(library, {}) and library != "whylight":
            continue
        value = cost(forward, make(module), x, 3 if quick else 9) * part
        found[library, method] = Cost(value, note)
        print(f"  {library} {method}: {value:,.1f} ×", file=sys.stderr, flush=True)
    return found


def figure(value: float) -> str:
    return f"{value:,.0f} ×" if value >= 20 else f"{value:.1f} ×"


def page(costs: dict[tuple[str, str], Cost]) -> str:
    """docs/peers.md."""
    from whylight import methods

    names = methods.names()
    numbered = {key: number for number, key in enumerate(DIFFERENCES, 1)}
    packages = ", ".join(f"{peer} {version}" for peer, version in PEERS.items())
    about = (
        "Which methods other libraries have, and what they cost, as a multiple of a plain forward of MobileNetV2 (224 pixels, one "
        "picture). A dash: it is not there. A number in brackets: it departs from the paper, or from what is done here, see below. "
        "Written by `python -m benchmarks.peers.methods` from the installed packages; do not edit."
    )
    lines = [
        "# Other libraries",
        "",
        about,
        "",
        f"| method | here | {' | '.join(PEERS)} |",
        f"|---|---:|{'---:|' * len(PEERS)}",
    ]
    for name in names:
        own = costs.get(("whylight", name))
        cells = [f"[`{name}`](methods/{name}.md)", figure(own.value) if own else "yes"]
        for peer in PEERS:
            if not has(peer, name):
                cells.append("–")
                continue
            theirs = costs.get((peer, name))
            mark = f" [({numbered[peer, name]})](#where-they-differ)" if (peer, name) in numbered else ""
            cells.append((figure(theirs.value) if theirs else "yes") + mark)
        lines.append(f"| {' | '.join(cells)} |")
    counts = [str(len(names)), *(str(sum(has(peer, name) for name in names)) for peer in PEERS)]
    lines += [f"| **have it** | {' | '.join(counts)} |", ""]
    notes = [f"{library} {method}: {one.note}" for (library, method), one in costs.items() if one.note]
    if notes:
        lines += ["Costs of the perturbing methods: " + "; ".join(notes) + ".", ""]
    head = (
        "Costs here are of a network whose head is average pooling and one linear layer; on others the gradient methods take a "
        "backward through the head besides. `legrad` and `rollout` do not apply to it."
    )
    every = (
        "Each statement names the line of code. Every map of pytorch-grad-cam is rectified and scaled to 0 … 1 by itself "
        f"(`{line_of(Difference('', 'pytorch_grad_cam/base_cam.py', 'cam = np.maximum(cam, 0)'))}`), and torch-cam scales too "
        "unless told not to: size, sign and the absence of evidence are not to be seen in them."
    )
    lines += [head, "", "## Where they differ", "", every, ""]
    for (peer, method), difference in DIFFERENCES.items():
        lines.append(f"{numbered[peer, method]}. **{method}**, {peer}: {difference.text} (`{line_of(difference)}`)")
    lines += ["", "## What they have beyond this", ""]
    lines += [f"- {peer}: {', '.join(others(peer))}" for peer in PEERS if peer not in UNINSTALLED]
    lines += [
        "- xplique: VarGrad, SquareGrad, DeconvNet, Lime, KernelShap, Sobol and HSIC attributions",
        "",
        f"{packages}. {machine()}.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--no-cost", action="store_true", help="the facts alone")
    options = parser.parse_args()
    costs = {} if options.no_cost else measure(options.quick)
    if costs:
        rows = [Row(f"{library} {method}", one.value, "×", note=one.note) for (library, method), one in costs.items()]
        about = "Ratios to a plain forward: MobileNetV2, 224 pixels, batch 1. docs/peers.md says who has what and how."
        record("peers/methods", "Every method, here and elsewhere", rows, about=about)
    PAGE.write_text(page(costs), encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()
