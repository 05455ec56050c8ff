"""What the process looks like to the code of one execution environment: its modules, loggers, output and directory, and nobody else's."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from stagefright.functions import output
from stagefright.functions.logging_space import LoggingSpace
from stagefright.functions.modules import ModuleSpace
from stagefright.functions.process_state import ProcessState


class Appearance:
    """Shown while code of the environment runs; `fail` is told of what went wrong on the way."""

    def __init__(
        self, modules: ModuleSpace, directory: str, *, log_level: str | None, fail: Callable[[BaseException], None]
    ) -> None:
        self._modules = modules
        self._loggers = LoggingSpace(modules.owns, level=log_level)
        self._process = ProcessState()
        self._fail = fail
        self._streams: tuple[Any, Any] | None = None
        self._home = self._directory = directory
        self._outer_directory: str | None = None
        self._is_shown = False

    def show(self) -> None:
        """Let the process look like this environment."""
        if not self._is_shown:
            self._is_shown = True
            self._each(
                self._modules.enter,
                self._loggers.enter,
                self._process.enter,
                self._swap_streams,
                self._enter_directory,
            )

    def hide(self) -> None:
        """Let it look as it did before."""
        if self._is_shown:
            self._is_shown = False
            self._each(
                self._leave_directory,
                self._restore_streams,
                self._process.leave,
                self._loggers.leave,
                self._modules.leave,
            )

    def _each(self, *steps: Callable[[], None]) -> None:
        """Take all the steps, also when one of them fails: a world that is half a function's is of no use to anybody."""
        for step in steps:
            try:
                step()
            except Exception as error:  # noqa: BLE001 - it is raised in the test
                self._fail(error)

    def _swap_streams(self) -> None:
        self._streams = output.swap_streams()

    def _restore_streams(self) -> None:
        if self._streams is not None:
            output.restore_streams(self._streams)

    def _enter_directory(self) -> None:
        self._outer_directory = _present_directory()
        if not _change_directory(self._directory):
            _change_directory(self._home)

    def _leave_directory(self) -> None:
        self._directory = _present_directory() or self._home
        if self._outer_directory is not None:
            _change_directory(self._outer_directory)


def _present_directory() -> str | None:
    """The working directory; None if somebody has deleted it."""
    try:
        return os.getcwd()  # noqa: PTH109 - twice per wait, and Path.cwd() costs ten times as much
    except FileNotFoundError:
        return None


def _change_directory(path: str) -> bool:
    """Whether there is such a directory any more, to be in."""
    try:
        os.chdir(path)
    except OSError:
        return False
    return True
