"""From anything a user calls a picture to the input of a network, and back to a place in the picture."""

from whylight.images.decoding import MAX_PIXELS, Picture, decode, name_of, size_of
from whylight.images.walking import FORMATS, SUFFIXES, walk

__all__ = ["FORMATS", "MAX_PIXELS", "SUFFIXES", "Picture", "decode", "name_of", "size_of", "walk"]
