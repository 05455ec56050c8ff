"""
What a handler prints and logs goes to its function's log, as on Lambda.

`sys.stdout` is replaced only while code of a function runs. Lines that `logging` emits go through the handler that Lambda's runtime
would have installed on the root logger.
"""

from __future__ import annotations

import io
import logging
import sys
import time
from typing import Any

from stagefright.tasks import current_actor


class FunctionOutput(io.TextIOBase):
    """`sys.stdout` of whichever function runs; a logger that kept this object writes to the right function later too."""

    encoding = "utf-8"

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        actor = current_actor()
        if actor is None or actor.owner is None or actor.kernel.debugger_active():
            return sys.__stdout__.write(text) if sys.__stdout__ is not None else len(text)
        actor.owner.print(text)
        return len(text)

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return 1


class RuntimeLogHandler(logging.Handler):
    """
    The root logger's handler in a Lambda runtime.

    The format is the runtime client's: level, time, request id, message, between tabs.
    """

    def emit(self, record: logging.LogRecord) -> None:
        actor = current_actor()
        if actor is None or actor.owner is None:
            return
        try:
            actor.owner.print(self._line(record, actor.owner.request_id) + "\n")
        except Exception:
            self.handleError(record)

    def _line(self, record: logging.LogRecord, request_id: str) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        text = f"[{record.levelname}]\t{stamp}.{int(record.msecs):03d}Z\t{request_id}\t{record.getMessage()}"
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        return text


OUTPUT = FunctionOutput()
"""The one stream that stands for every function's standard output."""


def swap_streams() -> tuple[Any, Any]:
    """Let prints go to the function; returns what to give to `restore_streams`."""
    before = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = OUTPUT  # type: ignore[assignment]
    return before


def restore_streams(before: tuple[Any, Any]) -> None:
    """Undo `swap_streams`, unless somebody (a debugger) has put another stream there meanwhile."""
    if sys.stdout is OUTPUT:
        sys.stdout = before[0]
    if sys.stderr is OUTPUT:
        sys.stderr = before[1]
