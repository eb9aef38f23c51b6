"""A model as one file for other programs: pictures in, logits and class activation maps out."""

from whylight.export.writing import FORMATS, export

__all__ = ["FORMATS", "export"]
