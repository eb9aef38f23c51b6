"""Apache Arrow, which reads and writes Parquet: imported when it is first needed."""

from __future__ import annotations

import importlib
from typing import Any

from whylight.errors import WhylightError


def arrow(part: str = "") -> Any:
    """The package `pyarrow`, or one of its modules.

    Raises:
        WhylightError: if it is not installed.

    >>> arrow("parquet").__name__
    'pyarrow.parquet'
    """
    try:
        return importlib.import_module(f"pyarrow.{part}" if part else "pyarrow")
    except ModuleNotFoundError as error:
        raise WhylightError(
            "pyarrow is needed for map stores and is not installed: pip install 'whylight[scale]'"
        ) from error
