"""Log lines without what would open somebody's picture."""

from __future__ import annotations

import logging
import re

_TOKEN = re.compile(r"(?<![\w-])[\w-]{22,}(?![\w-])")


class WithoutAddresses(logging.Filter):
    """Puts `…` where a line has a token, as addresses of pages do.

    >>> record = logging.LogRecord("x", 40, "", 0, "Internal Server Error: /results/%s/", ("7hKq2sJrVd1xQ0aZb9TnLw",), None)
    >>> WithoutAddresses().filter(record), record.getMessage()
    (True, 'Internal Server Error: /results/…/')
    """

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = _TOKEN.sub("…", record.getMessage()), ()
        return True
