"""Errors in the words of the command line: the package speaks of arguments, and who typed options reads of options."""

from __future__ import annotations

import re

# Arguments that have an option.
_SAME = (
    "against alpha batch_size classes colormap crop depth device format groups identity int8 iou key "
    "layer logits_only max_objects mean method methods min_probability model multilabel out pictures "
    "positive precision prediction pretrained resize scales size std style target threshold verify "
    "weights"
)
_OPTIONS = {name: name.replace("_", "-") for name in _SAME.split()} | {
    "declared": "declare",
    "eraser": "erase",
    "fail-on": "fail-on",
    "margin": "margin",
    "layers": "layer",
    "targets": "target",
}
_NAMES = "|".join(sorted(_OPTIONS, key=len, reverse=True))
_CALL = re.compile(r"(?:whylight\.)?load\('([^']*)', weights='?([^')]*)'?\)")
_EITHER = re.compile(rf"\b(?:{_NAMES})=(?:\[…\]|…),? or (?=--)")
_NEGATED = re.compile(r"\b(pretrained|resize|verify|multilabel)=False")
_ARGUMENT = re.compile(rf"(?<![\w.-])({_NAMES})=(?:(\[…\]|…|True)|('[^']*'|[\w./-]+)?)")
# Of those that an error begins with, such as no file or folder is likely to be called.
_FIRST = re.compile(
    "^(against|declared|depth|fail-on|groups|margin|positive|prediction|classes|targets?|layers?|threshold|iou|alpha|size|mean|std|"
    "crop|eraser|max_objects|min_probability|batch_size|scales): "
)


def as_options(text: str) -> str:
    """An error's words with options in the place of arguments.

    >>> as_options("classes: 2 names were given, but ResNet has 1000 logits")
    '--classes: 2 names were given, but ResNet has 1000 logits'
    >>> as_options("Name the file beside it: load('resnet50', weights='mine.pth'), or pretrained=False")
    'Name the file beside it: --model resnet50 --weights mine.pth, or --no-pretrained'
    >>> as_options("brings its own weights: leave weights= and pretrained= out; name another with layer=…")
    'brings its own weights: leave --weights and --pretrained out; name another with --layer …'
    >>> as_options("in order: classes=[…], or --classes FILE; write rise.mean=3 as rise.mean=4")
    'in order: --classes FILE; write rise.mean=3 as rise.mean=4'
    """
    text = _CALL.sub(r"--model \1 --weights \2", text)
    text = _EITHER.sub("", text.replace('--weights FILE, weights="FILE"', "--weights FILE"))
    text = _NEGATED.sub(r"--no-\1", text)
    text = _ARGUMENT.sub(_option, text)
    return _FIRST.sub(lambda found: f"--{_OPTIONS[found[1]]}: ", text)


def _option(found: re.Match[str]) -> str:
    placeholder = "" if found[2] == "True" else "…"
    value = placeholder if found[2] else (found[3] or "").strip("'")
    return f"--{_OPTIONS[found[1]]} {value}".rstrip()
