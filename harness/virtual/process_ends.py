"""
Code of a function that ends its process: `os._exit`, `os.abort`, a signal to itself.

On Lambda the runtime is gone then, and the environment with it; here the process is the test's, so only the environment ends.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any, NoReturn

from stagefright.tasks import Actor, Future, current_actor
from stagefright.virtual.patching import Patches

SIGNALS = {
    signal.SIGKILL: "signal: killed",
    signal.SIGTERM: "signal: terminated",
    signal.SIGABRT: "signal: aborted",
    signal.SIGINT: "signal: interrupt",
}
"""How Lambda words the end of a runtime by a signal."""


def _function_here(pid: int) -> Actor | None:
    """The actor whose code runs on this thread, if it is a function's; a forked child is nobody's."""
    actor = current_actor()
    return actor if actor is not None and actor.owner is not None and os.getpid() == pid else None


def _end(actor: Actor, reason: str | None) -> NoReturn:
    if actor.abandoned:
        actor.gone()
    actor.owner.ends(reason)
    _stand_still(actor)


def _stand_still(actor: Actor) -> NoReturn:
    """The thread goes no further; its environment is dropped where it stands."""
    actor.kernel.wait(Future(f"the end of {actor.name}"))
    raise AssertionError


def _exit(original: Callable[[int], NoReturn], pid: int) -> Callable[[int], NoReturn]:
    def exit_process(status: int) -> NoReturn:
        actor = _function_here(pid)
        if actor is None:
            original(status)
        _end(actor, f"exit status {status}" if status else None)

    return exit_process


def _abort(original: Callable[[], NoReturn], pid: int) -> Callable[[], NoReturn]:
    def abort() -> NoReturn:
        actor = _function_here(pid)
        if actor is None:
            original()
        _end(actor, SIGNALS[signal.SIGABRT])

    return abort


def _kill(original: Callable[[int, int], None], pid: int) -> Callable[[int, int], None]:
    def kill(target: int, number: int, /) -> None:
        actor = _function_here(pid) if target == pid else None
        if actor is None or number == 0:
            original(target, number)
        elif number == signal.SIGSEGV:
            # AWS was seen to report a segmentation fault as an ordinary timeout (§1.4).
            _stand_still(actor)
        elif number in SIGNALS:
            _end(actor, SIGNALS[signal.Signals(number)])
        else:
            original(target, number)

    return kill


def install() -> Callable[[], None]:
    """Let a function end no process but its own; returns what undoes it."""
    patches, pid = Patches(), os.getpid()
    module: Any = os
    patches.set(module, "_exit", _exit(os._exit, pid))
    patches.set(module, "abort", _abort(os.abort, pid))
    patches.set(module, "kill", _kill(os.kill, pid))
    return patches.restorer()
