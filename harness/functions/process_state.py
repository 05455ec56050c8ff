"""
What on Lambda belongs to the process, and here to an execution environment: warnings, and what shared libraries remember.

A test run with `-W error` must not fail a handler that only warns on Lambda, where warnings go to the log. And Powertools, which all functions of a test process share, keeps
"is this the first invocation?" and a cache of parameters in module globals: without this they would outlive a cold start.
"""

from __future__ import annotations

import socket
import sys
import warnings
from contextlib import suppress
from typing import Any

POWERTOOLS = "aws_lambda_powertools"
FIRST_TIME_FLAGS = (
    (f"{POWERTOOLS}.logging.logger", "is_cold_start"),
    (f"{POWERTOOLS}.metrics.provider.cold_start", "is_cold_start"),
    (f"{POWERTOOLS}.tracing.tracer", "is_cold_start"),
)
"""Module globals that are true until an environment's first invocation."""

CACHES = ((f"{POWERTOOLS}.utilities.parameters.constants", "DEFAULT_PROVIDERS"),)
"""Module globals that are empty dictionaries in a fresh environment; other modules hold them too, so they change in place."""


class ProcessState:
    """The share that one execution environment has in the state of the process."""

    def __init__(self) -> None:
        self._filters: Any = list(_filters_of_a_plain_interpreter())
        self._show: Any = _show_in_the_log
        self._remembered: dict[tuple[str, str], Any] = {}
        self._inside = False
        self._excepthook: Any = sys.__excepthook__
        self._argv = list(sys.argv)
        self._recursion_limit = sys.getrecursionlimit()
        self._socket_timeout: float | None = None

    def enter(self) -> None:
        """Show the code of this environment its own share."""
        if not self._inside:
            self._inside = True
            self._swap()

    def leave(self) -> None:
        """Set it aside, and show what the test had."""
        if self._inside:
            self._inside = False
            self._swap()

    def _swap(self) -> None:
        """Exchange what the process has now for what was set aside."""
        warnings.filters, self._filters = self._filters, warnings.filters
        warnings.showwarning, self._show = self._show, warnings.showwarning
        _forget_filter_decisions()
        sys.excepthook, self._excepthook = self._excepthook, sys.excepthook
        sys.argv, self._argv = self._argv, sys.argv
        timeout = socket.getdefaulttimeout()
        if timeout != self._socket_timeout:
            socket.setdefaulttimeout(self._socket_timeout)
            self._socket_timeout = timeout
        limit = sys.getrecursionlimit()
        if limit != self._recursion_limit:
            # Refused if the stack is deeper than that; then the limit stays as it is.
            with suppress(RecursionError):
                sys.setrecursionlimit(self._recursion_limit)
            self._recursion_limit = limit
        for key in FIRST_TIME_FLAGS:
            module = sys.modules.get(key[0])
            if module is not None:
                present = vars(module)[key[1]]
                vars(module)[key[1]] = self._remembered.get(key, True)
                self._remembered[key] = present
        for key in CACHES:
            module = sys.modules.get(key[0])
            if module is not None:
                cache = vars(module)[key[1]]
                present = dict(cache)
                cache.clear()
                cache.update(self._remembered.get(key, {}))
                self._remembered[key] = present


def _filters_of_a_plain_interpreter() -> tuple[tuple[str, None, type[Warning], str | None, int], ...]:
    """Python's defaults, which Lambda's runtime leaves as they are."""
    return (
        ("default", None, DeprecationWarning, "__main__", 0),
        ("ignore", None, DeprecationWarning, None, 0),
        ("ignore", None, PendingDeprecationWarning, None, 0),
        ("ignore", None, ImportWarning, None, 0),
        ("ignore", None, ResourceWarning, None, 0),
    )


def _show_in_the_log(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    _file: Any = None,
    line: str | None = None,
) -> None:
    sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))


# `warnings` remembers what it decided for each place; its own context manager calls this too.
_forget_filter_decisions: Any = getattr(warnings, "_filters_mutated", lambda: None)
