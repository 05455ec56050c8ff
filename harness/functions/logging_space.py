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
from typing import Any, NamedTuple

from stagefright.functions.output import RuntimeLogHandler
from stagefright.tasks import current_actor


class LoggingSpace:
    """The loggers of one execution environment; `owns` tells whether a top-level module name is the function's."""

    def __init__(self, owns: Callable[[str], bool], *, level: str | None = None) -> None:
        self._root = logging.RootLogger(logging.WARNING)
        # As the runtime client does with AWS_LAMBDA_LOG_LEVEL: Python has no level TRACE.
        level = {"TRACE": "DEBUG"}.get(level or "", level)
        if level is not None and level in _module._nameToLevel:
            self._root.setLevel(level)
        self._shared: dict[logging.Logger, _Settings] = {}
        """Loggers of shared libraries that the code has got hold of: how the test has set them."""
        self._own: dict[logging.Logger, _Settings] = {}
        """How the code has set them, where that differs."""
        self._level_names = _module._levelToName.copy(), _module._nameToLevel.copy()
        self._manager = _Manager(self._root, owns, self._shared)
        self._root.addHandler(_EnvironmentHandler())
        self._outside: tuple[logging.RootLogger, logging.Manager] | None = None

    def enter(self) -> None:
        """Show this environment's loggers to the code that goes on."""
        self._outside = logging.root, logging.Logger.manager
        _show(self._root, self._manager)
        self._swap_level_names()
        for logger in self._shared:
            self._shared[logger] = _settings(logger)
        for logger, settings in self._own.items():
            _set(logger, settings)

    def leave(self) -> None:
        """Show the test's loggers again."""
        if self._outside is not None:
            _show(*self._outside)
            self._outside = None
            self._swap_level_names()
            for logger, outer in self._shared.items():
                present = _settings(logger)
                if present == outer:
                    self._own.pop(logger, None)
                else:
                    self._own[logger] = present
                    _set(logger, outer)

    def _swap_level_names(self) -> None:
        names = _module._levelToName, _module._nameToLevel
        (_module._levelToName, _module._nameToLevel), self._level_names = self._level_names, names


def _show(root: logging.RootLogger, manager: logging.Manager) -> None:
    logging.root = logging.Logger.root = root
    logging.Logger.manager = manager


class _Settings(NamedTuple):
    """What code may change about a logger."""

    level: int
    propagate: bool
    disabled: bool
    handlers: list[logging.Handler]
    filters: list[Any]


def _settings(logger: logging.Logger) -> _Settings:
    return _Settings(logger.level, logger.propagate, logger.disabled, logger.handlers[:], logger.filters[:])


def _set(logger: logging.Logger, settings: _Settings) -> None:
    logger.propagate, logger.disabled = settings.propagate, settings.disabled
    logger.handlers[:], logger.filters[:] = settings.handlers, settings.filters
    # Clears what loggers remember about levels, too.
    logger.setLevel(settings.level)


_module: Any = logging
_TEST_ROOT = logging.root
_TEST_MANAGER = logging.Logger.manager


class _Manager(logging.Manager):
    """Makes loggers for one environment, except for those of shared libraries."""

    def __init__(
        self, root: logging.RootLogger, owns: Callable[[str], bool], shared: dict[logging.Logger, _Settings]
    ) -> None:
        super().__init__(root)
        self._owns = owns
        self._shared = shared

    def getLogger(self, name: str) -> logging.Logger:  # noqa: N802 - logging's name
        top = name.partition(".")[0]
        if top in sys.modules and not self._owns(top):
            logger = _TEST_MANAGER.getLogger(name)
            # What a library does with its loggers while it is imported is done once, for everybody.
            if sys._getframe(2).f_code.co_name != "<module>" or self._owns(sys._getframe(2).f_globals["__name__"]):
                self._shared.setdefault(logger, _settings(logger))
            return logger
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
