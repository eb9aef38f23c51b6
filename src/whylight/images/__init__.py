"""From anything a user calls a picture to the input of a network, and back to a place in the picture."""

from whylight.images.decoding import (
    MAX_PIXELS,
    MAX_SCANNED,
    MAX_SCANS,
    MAX_SIDE,
    Picture,
    Read,
    decode,
    name_of,
    pixels_in,
    read,
    size_of,
)
from whylight.images.limits import MOST_MEGAPIXELS, allowing
from whylight.images.walking import FORMATS, SUFFIXES, walk

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "MAX_SCANNED",
    "MAX_SCANS",
    "MAX_SIDE",
    "MOST_MEGAPIXELS",
    "SUFFIXES",
    "Picture",
    "Read",
    "allowing",
    "decode",
    "name_of",
    "pixels_in",
    "read",
    "size_of",
    "walk",
]
