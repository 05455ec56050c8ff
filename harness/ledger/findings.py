"""What a sweep tells of each thing that it met: what it is, whose, since when, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from stagefright.targets.run import iso


class Whose(Protocol):
    """A run, as far as a finding tells of it."""

    @property
    def run(self) -> str:
        """Its id."""
        ...

    @property
    def owner(self) -> str:
        """User and host."""
        ...

    @property
    def expires(self) -> float:
        """Epoch seconds."""
        ...


@dataclass(frozen=True, kw_only=True)
class Lease:
    """Whose a thing is that tags or a flag tell of."""

    run: str
    owner: str
    expires: float
    created: float | None = None
    """None: it does not say."""


@dataclass(frozen=True)
class Finding:
    """One thing that a sweep met."""

    what: str
    fate: str
    kind: str = ""
    name: str = ""
    stage: str = ""
    head: Whose | None = None
    is_trouble: bool = False
    """Whether somebody must look at it: it failed, or was left because it changed."""

    @property
    def row(self) -> tuple[str, ...]:
        """Its line of the table."""
        if self.head is None:
            return (self.what, self.stage, "", "", "", "", self.fate)
        created = getattr(self.head, "created", None)
        since = "" if created is None else iso(created)
        return (self.what, self.stage, self.head.owner, self.head.run, since, iso(self.head.expires), self.fate)


HEADS = ("what", "stage", "owner", "run", "since", "expires", "fate")


def table(findings: Sequence[Finding]) -> list[str]:
    """The findings in aligned columns; the last is not filled up."""
    rows = [HEADS, *(finding.row for finding in findings)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS) - 1)]
    return [
        "  "
        + "  ".join([*(f"{cell:<{width}}" for cell, width in zip(row[:-1], widths, strict=True)), row[-1]]).rstrip()
        for row in rows
    ]


def failure_of(error: Exception) -> str:
    """One line that says why a thing could not be undone."""
    first = (str(error) or type(error).__name__).splitlines()[0]
    return f"failed: {first}"


def instant(text: str) -> float | None:
    """Epoch seconds of an instant in a tag; None if it is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.timestamp() if found.tzinfo is not None else None


def lease_of(tags: Mapping[str, str], prefix: str) -> Lease | None:
    """Whose a thing is by its tags; None unless it has all of ours."""
    own = {name: tags.get(f"{prefix}{name}") for name in ("stage", "run", "owner", "created", "expires")}
    if not all(own.values()):
        return None
    created, expires = instant(str(own["created"])), instant(str(own["expires"]))
    if created is None or expires is None:
        return None
    return Lease(run=str(own["run"]), owner=str(own["owner"]), expires=expires, created=created)
