"""The run: whose it is, until when its things are good for, and the tags that say so on everything that it makes."""

from __future__ import annotations

import getpass
import os
import re
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
"""How long what a run makes is its own, if nobody renews it; after that, a sweep may take it for left over."""

_NOT_IN_TAGS = re.compile(r"[^\w .:/=+@-]")
"""What no value of a tag may hold."""


@dataclass(slots=True)
class Run:
    """
    One run of tests, or one `open_stage`; the workers of pytest-xdist share one.

    All that a process makes for a stage shares the object, so that a lease which was renewed is renewed for all of it.
    """

    id: str
    owner: str
    """Who runs it: user and host."""
    created: float
    """Epoch seconds."""
    expires: float
    """Epoch seconds."""
    lease_s: float = parse_span(LEASE)
    """How long a lease is, in seconds, from its beginning or from when it is renewed."""

    @classmethod
    def begin(cls, run_id: str | None = None, *, lease: Span = LEASE) -> Run:
        """A run that starts now."""
        now, lease_s = float(int(time.time())), parse_span(lease)
        return cls(run_id or uuid.uuid4().hex[:12], _whoami(), now, now + lease_s, lease_s)

    def is_half_over(self, now: float) -> bool:
        """Whether so much of the lease is over that it should be renewed."""
        return now >= self.expires - self.lease_s / 2

    def renew(self, now: float) -> None:
        """Let the lease begin anew."""
        self.expires = max(self.expires, now + self.lease_s)

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


def instant(text: str) -> float | None:
    """Epoch seconds of an instant in a tag; None if it is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.timestamp() if found.tzinfo is not None else None


def _whoami() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container without a user database
        user = f"uid-{os.getuid()}"
    return _NOT_IN_TAGS.sub("-", f"{user}@{socket.gethostname()}")
