"""
Each execution environment has its own root logger and its own loggers, as the process on Lambda has.

Without it two functions that both say `logging.getLogger("app").addHandler(...)`, or one function that starts cold twice, would log every line twice. The
loggers of shared libraries (boto3, urllib3) stay shared; what they log goes to the log of whichever function runs.
Everything a function logs also reaches the handlers of the test's root logger, so that pytest's `caplog` sees it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

from stagefright.functions.output import RuntimeLogHandler
from stagefright.tasks import current_actor


class LoggingSpace:
    """The loggers of one execution environment; `owns` tells whether a top-level module name is the function's."""

    def __init__(self, owns: Callable[[str], bool]) -> None:
        self._root = logging.RootLogger(logging.WARNING)
        self._manager = _Manager(self._root, owns)
        self._root.addHandler(_EnvironmentHandler())
        self._outside: tuple[logging.RootLogger, logging.Manager] | None = None

    def enter(self) -> None:
        """Show this environment's loggers to the code that goes on."""
        self._outside = logging.root, logging.Logger.manager
        _show(self._root, self._manager)

    def leave(self) -> None:
        """Show the test's loggers again."""
        if self._outside is not None:
            _show(*self._outside)
            self._outside = None


def _show(root: logging.RootLogger, manager: logging.Manager) -> None:
    logging.root = logging.Logger.root = root
    logging.Logger.manager = manager


_TEST_ROOT = logging.root
_TEST_MANAGER = logging.Logger.manager


class _Manager(logging.Manager):
    """Makes loggers for one environment, except for those of shared libraries."""

    def __init__(self, root: logging.RootLogger, owns: Callable[[str], bool]) -> None:
        super().__init__(root)
        self._owns = owns

    def getLogger(self, name: str) -> logging.Logger:  # noqa: N802 - logging's name
        top = name.partition(".")[0]
        if top in sys.modules and not self._owns(top):
            return _TEST_MANAGER.getLogger(name)
        return super().getLogger(name)


class _EnvironmentHandler(RuntimeLogHandler):
    """The runtime's handler, which lets the test's handlers (pytest's capture) see the record too."""

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        actor = current_actor()
        if actor is not None and actor.abandoned:
            return
        for handler in _TEST_ROOT.handlers:
            if not isinstance(handler, RuntimeLogHandler) and record.levelno >= handler.level:
                handler.handle(record)
