"""One tree of errors: catch `WhylightError` and you have caught everything whylight raises on purpose.

Each message names the file or argument, says what is wrong with it and what to do about it.
"""

from __future__ import annotations


class WhylightError(Exception):
    """The root of every error of ours."""


class ImageError(WhylightError):
    """A picture cannot be read: missing, empty, truncated, too large, or not a picture."""


class ModelError(WhylightError):
    """A model cannot be found, built, loaded, split or run."""


class WeightsError(ModelError):
    """An architecture's published weights cannot be had: neither here nor, now, on the network."""


class MethodError(WhylightError):
    """An explanation method is unknown, or does not apply to this model."""


class TargetError(WhylightError):
    """A target names no class of the model, or a callable target returned something unusable."""


class WriteError(WhylightError):
    """A result cannot be written: the disk is full, the folder is gone or closed."""


class DataError(WhylightError):
    """A set of training or evaluation pictures cannot be used as it stands."""


class TrainError(WhylightError):
    """A training run cannot start, go on or be resumed."""


class FaceError(WhylightError):
    """A picture of a face cannot be identified or explained; `code` says at which step, and is the exit code of `whylight face`.

    1: the picture cannot be loaded. 2: the cascades cannot be loaded. 3: no face was found. 4: the forward pass or the explanation
    failed. 5: the names cannot be read, or the label has none. 6: no significant feature was found.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[type[FaceError], tuple[int, str]]:
        return type(self), (self.code, str(self))  # an exception is unpickled from `args`, which hold the message alone


class WhylightWarning(UserWarning):
    """Something was done differently from what was asked, and the result is still right."""


def cause_of(error: BaseException) -> str:
    """Another library's error in one line, without PyTorch's advice to switch its safety off.

    >>> cause_of(RuntimeError("Weights only load failed. Re-running `torch.load` with `weights_only` set to `False` will"))
    'it holds more than numbers'
    >>> cause_of(KeyError())
    'KeyError'
    """
    lines = str(error).strip().splitlines()
    if not lines:
        return type(error).__name__
    return "it holds more than numbers" if "weights_only" in lines[0] else lines[0]


def of_picture(name: str, error: Exception) -> WhylightError:
    """Whatever went wrong with one picture, as an error of ours that names it.

    >>> of_picture("a.jpg", KeyError("x"))
    ImageError("a.jpg: KeyError: 'x'")
    """
    if isinstance(error, WhylightError):
        return error
    text = str(error).lower()
    if isinstance(error, MemoryError) or "out of memory" in text or "not enough memory" in text:
        found = ImageError(f"{name}: it needs more memory than there is; make the picture smaller")
    else:
        found = ImageError(f"{name}: {type(error).__name__}: {error}")
    found.__cause__ = error
    return found


def is_of_question(error: BaseException) -> bool:
    """Whether an error says that what was asked cannot be answered, of whatever picture; anything else is one picture's."""
    return isinstance(error, WhylightError) and not isinstance(error, ImageError | ModelError | DataError | FaceError)
