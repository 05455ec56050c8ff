"""
What a handler prints and logs goes to its function's log, as on Lambda.

`sys.stdout` is replaced only while code of a function runs. Lines that `logging` emits go through the handler that Lambda's runtime
would have installed on the root logger.
"""

from __future__ import annotations

import io
import json
import logging
import sys
import time
import traceback
from types import FrameType
from typing import Any

from stagefright.tasks import current_actor


class FunctionOutput(io.TextIOBase):
    """`sys.stdout` of whichever function runs; a logger that kept this object writes to the right function later too."""

    encoding = "utf-8"
    errors = "backslashreplace"
    newlines = None
    line_buffering = True
    write_through = True

    def __init__(self) -> None:
        super().__init__()
        self.buffer = _Bytes()

    def reconfigure(self, **_settings: Any) -> None:
        """A log is UTF-8, in lines, whatever is asked for."""

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        actor = current_actor()
        if actor is None or actor.owner is None or _is_said_by_debugger(sys._getframe(1)):
            _terminal().write(text)
        else:
            actor.owner.print(text)
        return len(text)

    def flush(self) -> None:
        """Lines are written when they end; only a debugger's prompt must be seen at once."""
        _terminal().flush()

    def close(self) -> None:
        """It stands for the output of every function, and is never closed, not even when the interpreter exits."""

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return 1


class _Bytes(io.BufferedIOBase):
    """`sys.stdout.buffer`: bytes, which are text in the log."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        data = bytes(data)
        actor = current_actor()
        if actor is None or actor.owner is None:
            _terminal().write(data.decode("utf-8", "replace"))
        else:
            actor.owner.print_bytes(data)
        return len(data)

    def close(self) -> None:
        """It is never closed, as the stream that it belongs to."""

    def fileno(self) -> int:
        return 1


def _terminal() -> Any:
    return sys.__stdout__ or io.StringIO()


def _is_said_by_debugger(frame: FrameType | None) -> bool:
    """Whether a debugger prints (an expression, its prompt) and not the code under it."""
    for _ in range(DEBUGGER_DEPTH_MAX):
        if frame is None:
            return False
        if frame.f_globals.get("__name__") in ("pdb", "cmd"):
            return True
        frame = frame.f_back
    return False


DEBUGGER_DEPTH_MAX = 6
"""How far above a print the debugger may stand that was told to execute it."""


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
            is_json = actor.owner.log.settings.get("LogFormat") == "JSON"
            line = json_line if is_json else self._line
            actor.owner.log_record(line(record, actor.owner.request_id))
        except Exception:  # noqa: BLE001 - logging's own contract: an error in a handler is handled here
            self.handleError(record)

    def _line(self, record: logging.LogRecord, request_id: str) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        text = f"[{record.levelname}]\t{stamp}.{int(record.msecs):03d}Z\t{request_id}\t{record.getMessage()}"
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        return text


RECORD_FIELDS = frozenset(logging.makeLogRecord({}).__dict__) | {"aws_request_id", "taskName"}
"""What every log record has; whatever else one has was given as `extra`."""


def json_line(record: logging.LogRecord, request_id: str) -> str:
    """
    A log record as the runtime client writes it for `LogFormat: JSON`: what is not there is left out, `extra` comes last.

    >>> json_line(logging.makeLogRecord({"name": "app", "msg": "hi", "levelname": "INFO", "created": 0.5, "order": 7}), "r")
    '{"timestamp": "1970-01-01T00:00:00Z", "level": "INFO", "message": "hi", "logger": "app", "requestId": "r", "order": 7}'
    """
    kind, error, trace = record.exc_info or (None, None, None)
    known = {
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
        "level": record.levelname,
        "message": record.getMessage(),
        "logger": record.name,
        "stackTrace": traceback.format_tb(trace) if kind else None,
        "errorType": kind.__name__ if kind else None,
        "errorMessage": str(error) if kind else None,
        "requestId": request_id,
        "location": f"{record.pathname}:{record.funcName}:{record.lineno}" if kind else None,
    }
    extra = {key: value for key, value in record.__dict__.items() if key not in RECORD_FIELDS and key not in known}
    return json.dumps({key: value for key, value in (known | extra).items() if value is not None}, ensure_ascii=False)


OUTPUT = FunctionOutput()
"""The one stream that stands for every function's standard output."""


def swap_streams() -> tuple[Any, Any]:
    """Let prints go to the function; returns what to give to `restore_streams`."""
    before = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = OUTPUT
    return before


def restore_streams(before: tuple[Any, Any]) -> None:
    """Undo `swap_streams`, unless somebody (a debugger) has put another stream there meanwhile."""
    if sys.stdout is OUTPUT:
        sys.stdout = before[0]
    if sys.stderr is OUTPUT:
        sys.stderr = before[1]
