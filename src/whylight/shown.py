"""Text that came from outside, made safe to look at: names of files and classes can hold anything."""

from __future__ import annotations

import unicodedata
from html import escape

# Marks that reorder or hide the text around them: a name with one reads as another name.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")  # Persian, Hindi and emoji are not themselves without these two
_MARKDOWN = frozenset("\\`*_{}[]()<>#|!~&$")


def shown(text: object, *, lines: bool = False) -> str:
    r"""A text as one line that a terminal can do nothing but print: what would act, or be invisible, is spelled out.

    Args:
        text: anything; paths too, whose bytes are not UTF-8 as Python holds them (surrogate escapes).
        lines: keep line ends, each followed by two spaces at least, so that no line can pass for one of the program's own.

    >>> shown("a\x1b[2Jb.jpg"), shown("one\ntwo"), shown("caf\udce9.jpg"), shown("naïve 猫.jpg")
    ('a\\x1b[2Jb.jpg', 'one\\ntwo', 'caf\\xe9.jpg', 'naïve 猫.jpg')
    """
    if lines:
        first, *rest = map(shown, str(text).split("\n"))
        return "\n".join([first, *(one if one.startswith("  ") else f"  {one}" for one in rest)])
    text = str(text)
    return text if text.isprintable() else "".join(map(_spelled, text))


def markdown(text: object) -> str:
    r"""The same, meaning nothing but itself in Markdown and in the HTML that Markdown lets through.

    >>> markdown("<b>cat</b> | [dog](x)")
    '\\<b\\>cat\\</b\\> \\| \\[dog\\]\\(x\\)'
    """
    return "".join("\\" + one if one in _MARKDOWN else one for one in shown(text))


def code(text: object) -> str:
    """The same as a code span of Markdown.

    >>> code("boxes`.csv")
    "`boxes'.csv`"
    """
    return f"`{shown(text).replace('`', chr(39))}`"


def html(text: object) -> str:
    """The same, meaning nothing but itself in HTML, in an attribute too.

    >>> html('<b title="x">')
    '&lt;b title=&quot;x&quot;&gt;'
    """
    return escape(shown(text, lines=True), quote=True)


def plural(count: int, word: str) -> str:
    """So many of something.

    >>> plural(1, "picture"), plural(1200, "picture")
    ('1 picture', '1,200 pictures')
    """
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def _spelled(one: str) -> str:
    code = ord(one)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if one in _JOINERS or unicodedata.category(one) not in _UNSEEN:
        return one
    if one in "\n\r\t":
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}[one]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
