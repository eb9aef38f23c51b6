"""Which device to compute on, whether it computes in bfloat16, and whether its memory ran out."""

from __future__ import annotations

from pathlib import Path

import torch

from whylight.errors import ModelError


def resolve_device(name: str | torch.device = "auto") -> torch.device:
    """Turn `"auto"` into CUDA, then Apple's MPS, then the processor; insist on any other name.

    Raises:
        ModelError: if the device that was asked for is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModelError(f"device {name!r} is not a device: use auto, cpu, cuda, cuda:1 or mps") from error
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(device.type, False) or (
        device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()
    ):
        raise ModelError(f"device {str(name)!r} is not available on this machine: use auto or cpu")
    return device


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out, on whatever device."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error).lower()
    return "out of memory" in text or "can't allocate memory" in text or "not enough memory" in text


def why_not_bf16(device: torch.device) -> str:
    """Why bfloat16 does not pay on a device, in words; "" where the device computes in it."""
    if device.type == "cuda":
        # The first generation with bfloat16 units; before it, it is emulated.
        return "" if torch.cuda.get_device_capability(device)[0] >= 8 else "this GPU does not compute in bfloat16"
    if device.type == "cpu":
        if not (torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled):
            return "PyTorch runs without oneDNN here"
        return "" if _processor_has_bf16() else "this processor does not compute in bfloat16"
    return f"it is not used on {device.type}"


def _processor_has_bf16() -> bool:
    known = getattr(torch.cpu, "get_capabilities", None)  # newer than the oldest PyTorch that we support
    if known is not None:
        found = known()
        if any(found.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16")):
            return True
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return False
    lines = info.read_text(errors="replace").splitlines()
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return not {"amx_bf16", "avx512_bf16", "bf16"}.isdisjoint(flags.split())
