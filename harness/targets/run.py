"""The run: whose it is, until when its things are good for, and the tags that say so on everything that it makes."""

from __future__ import annotations

import getpass
import os
import socket
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from stagefright.spans import Span, parse_span

TAG_PREFIX = "stagefright:"

RUN_TAG, STAGE_TAG = f"{TAG_PREFIX}run", f"{TAG_PREFIX}stage"

LEASE: Span = "4h"
"""How long what a run makes is its own; after that, a sweep may take it for left over."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of tests, or one `open_stage`; the workers of pytest-xdist share one."""

    id: str
    owner: str
    """Who runs it: user and host."""
    created: float
    """Epoch seconds."""
    expires: float
    """Epoch seconds."""

    @classmethod
    def begin(cls, run_id: str | None = None, *, lease: Span = LEASE) -> Run:
        """A run that starts now."""
        now = float(int(time.time()))
        return cls(run_id or uuid.uuid4().hex[:12], _whoami(), now, now + parse_span(lease))

    def tags(self, stage: str) -> dict[str, str]:
        """What everything is tagged with that this run makes for a stage."""
        values = {
            "stage": stage,
            "run": self.id,
            "owner": self.owner,
            "created": iso(self.created),
            "expires": iso(self.expires),
        }
        return {f"{TAG_PREFIX}{name}": value for name, value in values.items()}


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags as most services take them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def iso(when: float) -> str:
    """An instant (epoch seconds) as tags have it: to the second, so that later ones sort last."""
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _whoami() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container without a user database
        user = f"uid-{os.getuid()}"
    return f"{user}@{socket.gethostname()}"
