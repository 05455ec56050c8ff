"""
What a check says of a journal, and how checks are put together.

A check is called with evidence (a journal, a flow, or records) and gives a verdict: it holds, it is broken, with the records that show it, or it
is unknown, with the reason, because nothing that it judges has happened.

    retried("Worker", at=[0, 60, 180])(journal)          # a verdict
    (retried("Worker") & dead_lettered("Worker")).require(journal)      # raises unless both hold
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, ClassVar, Protocol

from stagefright.errors import BrokenPromise, UsageError, nearest
from stagefright.journal import Journal, Record
from stagefright.wording import offset, shorten

Counts = Mapping[str, int]
"""What a check counted, by name."""

EVIDENCE_MAX = 8
"""How many records a verdict shows as text."""


class Rank(IntEnum):
    """Worse is higher, so the rank of several is their maximum."""

    HOLDS = 0
    UNKNOWN = 1
    BROKEN = 2


@dataclass(frozen=True)
class Verdict:
    """
    A check's answer. It is true only if the check holds.

    `evidence` are the records that show it, `counts` what was counted, `parts` the verdicts that it was put together from.
    """

    check: str
    rank: Rank
    reason: str
    evidence: tuple[Record, ...] = ()
    counts: Counts = field(default_factory=dict)
    parts: tuple[Verdict, ...] = ()

    @property
    def holds(self) -> bool:
        return self.rank is Rank.HOLDS

    @property
    def broken(self) -> bool:
        return self.rank is Rank.BROKEN

    @property
    def unknown(self) -> bool:
        return self.rank is Rank.UNKNOWN

    def __bool__(self) -> bool:
        return self.holds

    def __repr__(self) -> str:
        return f"<{self.check}: {self.rank.name.lower()}, {shorten(self.reason)}>"

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self, indent: str = "") -> Iterable[str]:
        yield f"{indent}{self.check}: {self.rank.name.lower()}. {self.reason}"
        if self.parts:
            for part in self.parts:
                yield from part._lines(indent + "  ")
            return
        start = self.evidence[0].at if self.evidence else 0.0
        for record in self.evidence[:EVIDENCE_MAX]:
            yield f"{indent}  {offset(record.at - start):<10}{_line(record)}"
        if len(self.evidence) > EVIDENCE_MAX:
            yield f"{indent}  ... and {len(self.evidence) - EVIDENCE_MAX} more records"


def _plain(value: object) -> str:
    return str(getattr(value, "__name__", repr(value)))


def _line(record: Record) -> str:
    shown = {name: value for name, value in record.detail.items() if value not in (None, [], {}, "")}
    return f"[{record.n}] {record.kind} {record.resource} {shorten(shown)}"


NAMES = ("consumer", "fault_on", "function", "queue", "source")
"""The settings of checks that name a resource."""


class Evidence(Protocol):
    """A journal, a flow or anything else that has records."""

    @property
    def records(self) -> Iterable[Record]: ...


class Check:
    """
    One promise. A subclass says what it is called and how it judges.

    Checks compose: `a & b` holds if both do, and is as bad as the worse of them; `a | b` is as good as the better.
    """

    name: ClassVar[str]
    """What it is called in tests and messages."""

    @property
    def parts(self) -> tuple[Check, ...]:
        """The checks that it was put together from."""
        return ()

    def __call__(self, evidence: Iterable[Record] | Evidence) -> Verdict:
        """The verdict on a journal, a flow, or records; a name that the stage does not have is an error, not an idle function."""
        from stagefright.chaos.checks.history import History

        records, known = _records(evidence), _known(evidence)
        problems = [*self.unknown_names(known | {record.resource for record in records})] if known else []
        if problems:
            raise UsageError("\n".join(problems))
        return self.verdict_on(History(records))

    def verdict_on(self, history: Any) -> Verdict:
        """The verdict on a history; unknown if it rests on what the evidence of a deployed stage cannot show."""
        verdict = self.judge(history)
        if verdict.unknown or not history.is_observed:
            return verdict
        doubt = self.doubt(history, verdict)
        return verdict if doubt is None else self._unknown(f"{doubt} (So far: {verdict.reason})")

    def unknown_names(self, known: Collection[str]) -> Iterator[str]:
        """What is wrong with the names of resources in this check, if `known` are all there are."""
        for part in self.parts:
            yield from part.unknown_names(known)
        for name in self.named():
            if name not in known:
                yield f"{self!r} names {name}. {nearest(name, known)}"

    def named(self) -> list[str]:
        """The resources that it names."""
        return [name for setting in NAMES if isinstance(name := vars(self).get(setting), str)]

    def require(self, evidence: Iterable[Record] | Evidence) -> Verdict:
        """The verdict, if the check holds; else `BrokenPromise`, also if it is unknown, since nothing was proved then."""
        verdict = self(evidence)
        if not verdict.holds:
            raise BrokenPromise(str(verdict))
        return verdict

    def judge(self, history: Any) -> Verdict:
        """The verdict on a history."""
        raise NotImplementedError

    def doubt(self, history: Any, verdict: Verdict) -> str | None:  # noqa: ARG002 - for subclasses
        """Why a verdict on what was observed of a deployed stage is not sure; None if it is."""
        return f"What {self.name} judges can only be seen on a local stage, whose journal has everything."

    def __and__(self, other: Check) -> Check:
        return _Combined("and", (self, other))

    def __or__(self, other: Check) -> Check:
        return _Combined("or", (self, other))

    def __repr__(self) -> str:
        said = {key: value for key, value in vars(self).items() if not key.startswith("_") and value is not None}
        return f"{self.name}({', '.join(f'{key}={_plain(value)}' for key, value in said.items())})"

    def _holds(self, reason: str, *, evidence: Iterable[Record] = (), counts: Counts | None = None) -> Verdict:
        return Verdict(repr(self), Rank.HOLDS, reason, tuple(evidence), counts or {})

    def _broken(self, reason: str, *, evidence: Iterable[Record] = (), counts: Counts | None = None) -> Verdict:
        return Verdict(repr(self), Rank.BROKEN, reason, tuple(evidence), counts or {})

    def _unknown(self, reason: str) -> Verdict:
        return Verdict(repr(self), Rank.UNKNOWN, reason)


class _Combined(Check):
    name = "combined"

    def __init__(self, word: str, parts: tuple[Check, ...]) -> None:
        self._word = word
        self._parts = parts

    @property
    def parts(self) -> tuple[Check, ...]:
        return self._parts

    def doubt(self, history: Any, verdict: Verdict) -> str | None:  # noqa: ARG002 - the parts have had theirs
        return None

    def judge(self, history: Any) -> Verdict:
        verdicts = tuple(part.verdict_on(history) for part in self._parts)
        worst = self._word == "and"
        rank = (max if worst else min)(verdict.rank for verdict in verdicts)
        deciding = [verdict.check for verdict in verdicts if verdict.rank is rank]
        said = "all hold" if rank is Rank.HOLDS and worst else f"{rank.name.lower()}: {', '.join(deciding)}"
        evidence = tuple(record for verdict in verdicts if verdict.rank is rank for record in verdict.evidence)
        return Verdict(repr(self), rank, f"{said}.", evidence, parts=verdicts)

    def __repr__(self) -> str:
        return f"({f' {self._word} '.join(map(repr, self._parts))})"


def _records(evidence: Any) -> list[Record]:
    if isinstance(evidence, Journal):
        evidence = evidence.arranged()
    found = list(evidence.records if hasattr(evidence, "records") else evidence)
    if all(isinstance(record, Record) for record in found):
        return found
    raise UsageError(
        f"A check reads a journal, a flow or records; received {shorten(repr(evidence))}. Try check(journal), or check(stage.settle())."
    )


def _known(evidence: Any) -> frozenset[str]:
    """The names of resources that the evidence knows of; none if it is a mere list of records."""
    names = getattr(evidence, "names", None)
    return frozenset(names()) if callable(names) else frozenset()
