"""
Whether an event is the one that a test expects, and why not.

A match gives its answer and its reasons: each field that differs, what was wanted and what was found. So a miss can show
every candidate, nearest first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from stagefright.errors import UsageError, nearest
from stagefright.event import PARTS, PAYLOADS, Event, parsed
from stagefright.wording import shorten, source_of


class _Missing:
    """Stands for a field that is not there."""

    def __repr__(self) -> str:
        return "nothing"


MISSING = _Missing()
NOBODY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Difference:
    """
    One field that keeps an event from matching.

    `weight` is how many wanted fields it stands for; `because` replaces the plain comparison where there is more to say.
    """

    path: str
    wanted: object
    found: object
    weight: int = 1
    because: str | None = None

    def __str__(self) -> str:
        if self.because is not None:
            return self.because
        return f"{self.path}: wanted {_shown(self.wanted)}, found {_shown(self.found)}"


@dataclass(frozen=True, slots=True)
class Match:
    """The answer for one event; `score` is the share of the wanted fields that it has."""

    differences: tuple[Difference, ...]
    wanted_count: int

    @property
    def holds(self) -> bool:
        """Whether the event is as expected."""
        return not self.differences

    @property
    def score(self) -> float:
        """1.0 for a match, 0.0 for an event that has nothing of what was wanted."""
        wrong = sum(difference.weight for difference in self.differences)
        return 1.0 - wrong / self.wanted_count if self.wanted_count else 1.0


class Expectation:
    """
    What a test expects of an event, by the parts of its envelope.

    A mapping is matched as a subset, at every depth, and JSON text in the event is parsed for it. A list is matched element
    by element and must be as long. A callable is a predicate: it gets the field, parsed if it is a JSON object or array.
    Any other value must be equal. `pattern` is EventBridge's own language, over the whole envelope.

    >>> from stagefright.journal import Record
    >>> event = Event(Record(0, 0.0, "event", "FeedTopic", None, {"message": '{"author": "bob"}'}))
    >>> [str(difference) for difference in Expectation(message={"author": "amy"}).match(event).differences]
    ['message.author: wanted "amy", found "bob"']
    """

    def __init__(self, *, pattern: Mapping[str, Any] | None = None, **parts: Any) -> None:
        unknown = [name for name in parts if name not in PARTS]
        if unknown:
            raise UsageError(f"An event has no part {unknown[0]!r}. {nearest(unknown[0], [*PARTS, 'pattern'])}")
        self.parts = parts
        self.pattern = _CompiledPattern(pattern) if pattern is not None else None

    @property
    def asks(self) -> bool:
        """Whether it is about anything; else every event will do."""
        return bool(self.parts) or self.pattern is not None

    def match(self, event: Event, identity: Mapping[str, str] = NOBODY, *, any_payload: bool = False) -> Match:
        """
        Compare with an event.

        `identity` (account, region) completes the envelope that a pattern sees. With `any_payload`, what is wanted of one
        service's payload (`message`) is compared with that of whatever service the event is of (`body`).
        """
        count = sum(_count(wanted) for wanted in self.parts.values())
        if self.pattern is not None:
            count += len(self.pattern.fields)
        return Match(tuple(self._differences(event, identity, any_payload=any_payload)), count)

    def accepts(self, event: Event, identity: Mapping[str, str] = NOBODY) -> bool:
        """Whether an event is as expected: the answer of `match` without its reasons, so as soon as one field differs."""
        return next(self._differences(event, identity), None) is None

    def _differences(
        self, event: Event, identity: Mapping[str, str], *, any_payload: bool = False
    ) -> Iterator[Difference]:
        for name, wanted in self.parts.items():
            found = event.payload if any_payload and name in PAYLOADS else event.parts.get(name, MISSING)
            yield from _differences(name, wanted, _for_part(wanted, found))
        if self.pattern is not None:
            yield from self.pattern.differences(event.envelope(identity))

    def __str__(self) -> str:
        asked = [f"{name}={_shown(wanted)}" for name, wanted in self.parts.items()]
        if self.pattern is not None:
            asked.append(f"pattern={_shown(self.pattern.source)}")
        return ", ".join(asked) or "any event"


class _CompiledPattern:
    """An event pattern, whole for the answer, and field by field for the reasons."""

    def __init__(self, source: Mapping[str, Any]) -> None:
        from stagefright.patterns import compile_pattern

        self.source = source
        self._whole = compile_pattern(source)
        self.fields = [(path, compile_pattern(field)) for path, field in _single_fields(source)]

    def differences(self, envelope: Mapping[str, Any]) -> list[Difference]:
        explanation = self._whole.explain(envelope)
        if explanation is None:
            return []
        reasons = [(path, field.explain(envelope)) for path, field in self.fields]
        wrong = [Difference(path, self.source, envelope, because=reason) for path, reason in reasons if reason]
        return wrong or [Difference("pattern", self.source, envelope, because=explanation)]


def differences(path: str, wanted: object, found: object) -> list[Difference]:
    """
    The fields in which a value differs from what is wanted of it, compared as an `Expectation` compares.

    >>> [str(difference) for difference in differences("answer", {"status": 200}, {"status": 404, "body": ""})]
    ['answer.status: wanted 200, found 404']
    """
    return list(_differences(path, wanted, found))


def check_roots(pattern: object, roots: Sequence[str]) -> None:
    """Refuse a pattern about fields that no event has, which would match nothing for ever."""
    if not isinstance(pattern, Mapping):
        raise UsageError(
            f"A pattern is a mapping, as in pattern={{{json.dumps(roots[0])}: [...]}}; this is {pattern!r}."
        )
    for name, value in pattern.items():
        if name == "$or" and isinstance(value, list):
            for alternative in value:
                check_roots(alternative, roots)
        elif name not in roots:
            raise UsageError(
                f"pattern={_shown(pattern)}: these events have no field {name!r}. {nearest(str(name), roots)}"
            )


def _single_fields(pattern: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each field of a pattern as a pattern of its own; an `$or` stays whole."""
    for name, value in pattern.items():
        if isinstance(value, Mapping):
            for below, single in _single_fields(value, f"{path}{name}."):
                yield below, {name: single}
        else:
            yield f"{path}{name}", {name: value}


# -- comparing ---------------------------------------------------------------------------------------------------------


def _for_part(wanted: object, found: object) -> object:
    """A part is text on the wire; a number or a boolean that is wanted of it is meant as JSON."""
    if isinstance(found, str) and isinstance(wanted, bool | int | float | None):
        try:
            return json.loads(found)
        except ValueError:
            return found
    return found


def _differences(path: str, wanted: object, found: object) -> Iterator[Difference]:
    if callable(wanted):
        yield from _refusal(path, wanted, found)
    elif isinstance(wanted, Mapping):
        yield from _mapping_differences(path, wanted, parsed(found))
    elif isinstance(wanted, list | tuple):
        yield from _list_differences(path, wanted, parsed(found))
    elif not _same(wanted, found):
        yield Difference(path, wanted, found)


def _mapping_differences(path: str, wanted: Mapping[Any, Any], found: object) -> Iterator[Difference]:
    if not isinstance(found, Mapping):
        for leaf, value in _leaves(path, wanted):
            yield Difference(leaf, value, found, weight=_count(value))
        return
    for key, value in wanted.items():
        yield from _differences(f"{path}.{key}", value, found.get(key, MISSING))


def _list_differences(path: str, wanted: Sequence[Any], found: object) -> Iterator[Difference]:
    if not isinstance(found, list | tuple) or len(found) != len(wanted):
        yield Difference(path, wanted, found, weight=_count(wanted))
        return
    for index, (one, other) in enumerate(zip(wanted, found, strict=True)):
        yield from _differences(f"{path}[{index}]", one, other)


def _refusal(path: str, predicate: Callable[[Any], Any], found: object) -> Iterator[Difference]:
    if found is MISSING:
        yield Difference(path, predicate, found)
        return
    value = parsed(found)
    try:
        holds = bool(predicate(value))
    except Exception as error:  # noqa: BLE001 (a predicate that cannot judge an event does not accept it)
        because = f"{path}: {_shown(predicate)} raised {type(error).__name__}: {error}, for {_shown(value)}"
        yield Difference(path, predicate, value, because=because)
        return
    if not holds:
        yield Difference(path, predicate, value)


def _same(wanted: object, found: object) -> bool:
    """Equality as JSON has it: `true` is not 1. Bytes equal the text that the journal keeps of them."""
    if isinstance(wanted, bool) is not isinstance(found, bool):
        return False
    if isinstance(wanted, bytes) and isinstance(found, str):
        return wanted == found.encode()
    return wanted == found


def _count(wanted: object) -> int:
    if isinstance(wanted, Mapping):
        return sum(_count(value) for value in wanted.values()) or 1
    if isinstance(wanted, list | tuple):
        return sum(_count(value) for value in wanted) or 1
    return 1


def _leaves(path: str, wanted: Mapping[Any, Any]) -> Iterator[tuple[str, object]]:
    for key, value in wanted.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(f"{path}.{key}", value)
        else:
            yield f"{path}.{key}", value
    if not wanted:
        yield path, wanted


def _shown(value: object) -> str:
    if value is MISSING:
        return "nothing"
    if callable(value):
        name = getattr(value, "__name__", repr(value))
        if name == "<lambda>":
            return f"a value that {source_of(value) or 'the predicate'} accepts"
        return f"a value that {name}() accepts"
    if isinstance(value, Mapping) and any(callable(item) for item in value.values()):
        return "{" + ", ".join(f'"{key}": {_shown(item)}' for key, item in value.items()) + "}"
    return shorten(value)
