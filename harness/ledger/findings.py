"""What a sweep tells of each thing that it met: what it is, whose, since when, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Protocol

from stagefright.targets.run import instant, iso


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
    def heading(self) -> str:
        """Whose it is, since when and until when."""
        parts = [f"stage {self.stage}"] if self.stage else []
        if self.head is not None:
            parts.append(f"run {self.head.run} of {self.head.owner}")
            created = getattr(self.head, "created", None)
            since = "" if created is None else f"since {iso(created)}, "
            parts.append(f"{since}lease until {iso(self.head.expires)}")
        return ", ".join(parts)


FATE_WIDTH_MAX = 24
"""A fate that is longer stands below its thing, in place of before it."""

WIDTH = 100
"""The columns of a line, unless a single name is longer."""


def listing(findings: Sequence[Finding]) -> list[str]:
    """The findings below headings that say whose they are; what becomes of each, and what it is."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.stage, "" if finding.head is None else finding.head.run), []).append(finding)
    fates = [finding.fate for finding in findings if len(finding.fate) <= FATE_WIDTH_MAX]
    width = max(map(len, fates), default=0)
    lines = []
    for members in groups.values():
        # Of the leases of one run, the one that ends last counts.
        heading = max(members, key=lambda one: 0.0 if one.head is None else one.head.expires).heading
        lines += _wrapped(f"{heading}:", "  ") if heading else []
        lines += [line for finding in members for line in _lines_of(finding, width)]
    return lines


def _lines_of(finding: Finding, width: int) -> list[str]:
    if len(finding.fate) <= FATE_WIDTH_MAX:
        return [f"    {finding.fate:<{width}}  {finding.what}"]
    return [f"    {finding.what}", *_wrapped(finding.fate, " " * 8)]


def _wrapped(text: str, margin: str) -> list[str]:
    return wrap(
        text,
        WIDTH,
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )


def failure_of(error: Exception) -> str:
    """One line that says why a thing could not be undone."""
    first = (str(error) or type(error).__name__).splitlines()[0]
    return f"failed: {first}"


def lease_of(tags: Mapping[str, str], prefix: str) -> Lease | None:
    """Whose a thing is by its tags; None unless it has all of ours."""
    own = {name: tags.get(f"{prefix}{name}") for name in ("stage", "run", "owner", "created", "expires")}
    if not all(own.values()):
        return None
    created, expires = instant(str(own["created"])), instant(str(own["expires"]))
    if created is None or expires is None:
        return None
    return Lease(run=str(own["run"]), owner=str(own["owner"]), expires=expires, created=created)
