"""Whether a person looks at a thread just now."""

from __future__ import annotations

import sys
from types import FrameType

DEBUGGERS = frozenset({"bdb", "pdb", "pydevd", "_pydevd_bundle", "debugpy"})
"""Top-level modules whose frames are on a thread's stack while a person looks at it."""


def is_debugged(frame: FrameType | None) -> bool:
    """
    Whether a thread, whose innermost frame this is, stands at a debugger's prompt or is being stepped through.

    A trace function alone proves nothing, for coverage sets one too.
    """
    while frame is not None:
        top = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if top in DEBUGGERS or isinstance(getattr(frame.f_trace, "__self__", None), _debugger_class()):
            return True
        frame = frame.f_back
    return False


def _debugger_class() -> tuple[type, ...]:
    # A thread that a Bdb traces exists only if somebody has imported it.
    bdb = sys.modules.get("bdb")
    return () if bdb is None else (bdb.Bdb,)
