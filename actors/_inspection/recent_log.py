"""The last log records of a program, for those who look in from outside."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

import trio

from actors._inspection.json_view import to_jsonable

_MOST: Final = 1000
_ORDINARY: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class RecentLog(logging.Handler):
    """Keeps the last thousand records that reach it, from whatever thread, and wakes who waits for the next."""

    def __init__(self) -> None:
        super().__init__()
        self._records: deque[tuple[int, dict[str, Any]]] = deque(maxlen=_MOST)
        self._numbers = count(1)
        self._token = trio.lowlevel.current_trio_token()
        self._news = trio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """As `logging.Handler.emit`."""
        try:
            self._records.append((next(self._numbers), self._view(record)))
            self._token.run_sync_soon(self._wake, idempotent=True)
        except trio.RunFinishedError:
            pass  # nobody is left who could wait
        except Exception:  # noqa: BLE001 - as of every handler: a bad record is reported on stderr
            self.handleError(record)

    def _view(self, record: logging.LogRecord) -> dict[str, Any]:
        shown = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            shown["exception"] = logging.Formatter().formatException(record.exc_info)
        extra = {name: to_jsonable(value) for name, value in vars(record).items() if name not in _ORDINARY}
        return {**extra, **shown}

    def _wake(self) -> None:
        self._news.set()
        self._news = trio.Event()

    def last(self, lines: int) -> list[dict[str, Any]]:
        """The last records, oldest first."""
        return [shown for _, shown in list(self._records)[-lines:]] if lines else []

    async def follow(self, lines: int) -> AsyncGenerator[dict[str, Any], None]:
        """The last records and then each new one; who is more than a thousand behind misses some."""
        seen = 0
        newest = self._records[-1][0] if self._records else 0
        while True:
            news = self._news
            for number, shown in list(self._records):
                if number > max(seen, newest - lines):
                    yield shown
                    seen = number
            await news.wait()
