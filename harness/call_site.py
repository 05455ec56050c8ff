"""Where in user code a call came from, for messages."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

_OURS = str(Path(__file__).parent) + "/"
_NOT_THEIRS = ("site-packages", "/lib/python3", "<frozen", _OURS)
"""What is in the names of files that are the standard library's, a package's or ours."""


def call_site() -> str:
    """The innermost frames that are not the standard library's, a client's or ours, as a traceback shows them."""
    frames = [
        frame
        for frame in traceback.extract_stack(sys._getframe(1))
        if not any(part in frame.filename for part in _NOT_THEIRS)
    ]
    return "".join(traceback.format_list(frames[-2:]))
