"""What a record, a job or another file of ours must hold: told once as types, checked when it is read."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Annotated, Any

if TYPE_CHECKING:
    from pydantic import TypeAdapter


class Schema:
    """A type that values from a file are held against; pydantic checks, and is imported when the first one is.

    Args:
        wanted: a `TypedDict`, a dataclass, or any other type.
    """

    def __init__(self, wanted: Any) -> None:
        self._wanted = wanted

    def fits(self, value: Any) -> bool:
        """Whether a value is of the type, nothing converted."""
        from pydantic import ValidationError

        try:
            self._checker.validate_python(value, strict=True)
        except (ValidationError, RecursionError):
            return False
        return True

    def read(self, value: Any) -> Any:
        """The value as the type: a dataclass out of a dict, say.

        Raises:
            ValueError: naming the first place that is wrong, and what is expected there.
        """
        from pydantic import ValidationError

        try:
            return self._checker.validate_python(value)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ValueError(f"{where}: {first['msg']}" if where else first["msg"]) from None

    @cached_property
    def _checker(self) -> TypeAdapter[Any]:
        from pydantic import TypeAdapter

        return TypeAdapter(self._wanted)


class _IsText:
    """Any str, names with bytes that are not UTF-8 included: pydantic's own check refuses these."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.is_instance_schema(str)


class _IsPlace:
    """A relative path that stays below the folder it is relative to."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        def check(value: Any) -> Any:
            if not isinstance(value, str) or not is_inside(value):
                raise ValueError("must be a path below the results folder")
            return value

        return core_schema.no_info_plain_validator_function(check)


class Sized:
    """A list of just so many."""

    def __init__(self, length: int) -> None:
        self._length = length

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic import Field

        return handler.generate_schema(Annotated[source, Field(min_length=self._length, max_length=self._length)])


class Within:
    """A number from one to another."""

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic import Field

        return handler.generate_schema(Annotated[source, Field(ge=self._least, le=self._most)])


Text = Annotated[str, _IsText()]
Count = Annotated[int, Within(0, 1 << 53)]
Place = Annotated[str, _IsPlace()]


def is_inside(name: str) -> bool:
    """Whether a relative path stays below its folder, by its words alone, on any system; links are another question.

    >>> is_inside("sub/a.png"), is_inside("../a.png"), is_inside("/etc/passwd"), is_inside("C:/a.png"), is_inside("")
    (True, False, False, False, False)
    """
    if not name or "\0" in name:
        return False
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    rooted = posix.is_absolute() or (os.name == "nt" and bool(windows.drive or windows.root))
    drive = len(windows.drive) == 2 and len(windows.drive + windows.root) > 2
    return not (rooted or drive or ".." in posix.parts or (os.name == "nt" and ".." in windows.parts) or name == ".")
