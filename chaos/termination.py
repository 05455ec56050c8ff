"""
SIGTERM while faults hold on a deployed stage: it unwinds, as SIGINT does, so that everything is healed before the process ends.

Python's own answer to SIGTERM is to die on the spot: no `finally` runs, and the flags stay until their leases end. So a handler is installed
for as long as flags are held, and takes itself away again. It raises `Terminated`, a `KeyboardInterrupt`, which pytest and `with` know how to
end on. A second SIGTERM on the way down is not heard, for healing must not be cut short; SIGKILL still is.

Only the main thread can hear signals, and a handler that the program has installed itself is left in its place: it ends the program in its
own way. SIGKILL and a power cut are what the ledger and the leases are for.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType

_listeners: dict[int, object] = {}
"""Who wants to be unwound, by identity."""

_is_unwinding = False


class Terminated(KeyboardInterrupt):
    """SIGTERM came while faults held."""


def listen(who: object) -> None:
    """Unwind on SIGTERM from now on, until everybody who asked for it has called `stop`."""
    global _is_unwinding
    if threading.current_thread() is not threading.main_thread():
        return
    if not _listeners and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        _is_unwinding = False
        signal.signal(signal.SIGTERM, _unwind)
    _listeners[id(who)] = who


def stop(who: object) -> None:
    """This one has nothing to heal any more."""
    _listeners.pop(id(who), None)
    is_main = threading.current_thread() is threading.main_thread()
    if not _listeners and is_main and signal.getsignal(signal.SIGTERM) is _unwind:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _unwind(_signal: int, _frame: FrameType | None) -> None:
    global _is_unwinding
    if _is_unwinding:
        return
    _is_unwinding = True
    raise Terminated("SIGTERM")
