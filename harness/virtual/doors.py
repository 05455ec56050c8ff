"""Opens and closes all doors together; worlds share them, and the last world that closes puts the real ones back."""

from __future__ import annotations

from collections.abc import Callable

from stagefright.virtual import entropy, environ, event_loops, network, process_ends, subprocesses, threads, timepieces

_installers: list[Callable[[], Callable[[], None]]] = [
    timepieces.install,
    entropy.install,
    environ.install,
    threads.install,
    event_loops.install,
    subprocesses.install,
    process_ends.install,
    network.install,
]
_restorers: list[Callable[[], None]] = []
_users = 0


def open_doors() -> None:
    """Replace the doors, unless another world has done so."""
    global _users
    _users += 1
    if _users == 1:
        _restorers.extend(install() for install in _installers)


def close_doors() -> None:
    """Put the real doors back when no world needs them any more."""
    global _users
    _users -= 1
    if _users == 0:
        while _restorers:
            _restorers.pop()()
