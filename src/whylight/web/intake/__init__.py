"""Bytes from strangers to upright pixels: told by their signature, decoded in a child process that may cost only so much.

Nothing here imports Django but `receiving`, and nothing in the process of the caller decodes.
"""

from whylight.web.intake.decoders import Decoders, Frame, Limits, Upright
from whylight.web.intake.refused import Refused
from whylight.web.intake.signatures import sniff

__all__ = ["Decoders", "Frame", "Limits", "Refused", "Upright", "sniff"]
