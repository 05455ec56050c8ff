"""
The presence of a deployed stage in this process.

From the beginning of a test to its end, SDK clients that say nothing else reach the stage's account; if that is an emulator's, nothing
reaches the real AWS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from stagefright.targets import environment
from stagefright.targets.account import Account
from stagefright.targets.escape_guard import EscapeGuard


class Presence:
    """One stage's presence; of several that are here, the one that came last holds."""

    _here: ClassVar[list[Presence]] = []

    def __init__(self, account: Account, guard: EscapeGuard) -> None:
        self._account = account
        self._guard = guard
        self._undo: list[Callable[[], None]] = []

    @property
    def is_here(self) -> bool:
        """Whether it has begun and not ended."""
        return self in Presence._here

    def begin(self) -> None:
        """From now on the environment is that of the stage; it does no harm to say so twice."""
        if Presence._here and Presence._here[-1] is self:
            return
        self.end()
        if Presence._here:
            Presence._here[-1]._lift()
        Presence._here.append(self)
        self._lay()

    def end(self) -> None:
        """Put back what was there before."""
        if not self.is_here:
            return
        was_last = Presence._here[-1] is self
        self._lift()
        Presence._here.remove(self)
        if was_last and Presence._here:
            Presence._here[-1]._lay()

    def _lay(self) -> None:
        self._undo.append(environment.enter(self._account))
        if self._account.is_emulator:
            self._undo.append(self._guard.up())

    def _lift(self) -> None:
        while self._undo:
            self._undo.pop()()
