"""Whose effects those of a batch are: the journal knows the run that had them, and not which of its events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence


def attributed(effects: Iterable[Sequence[str]], *, per_event: int) -> int:
    """
    To how many effects an event can be found, if no event may have more than `per_event`; each effect comes with the events that it may be of.

    >>> attributed([("a", "b"), ("b",), ("b",)], per_event=1)
    2
    """
    return _Matching(per_event).size(effects)


class _Matching:
    """Effects and events, matched by augmenting paths: an event that is full gives one of its effects to another that may have it."""

    def __init__(self, per_event: int) -> None:
        self._per_event = per_event
        self._of_event: dict[str, list[Sequence[str]]] = {}

    def size(self, effects: Iterable[Sequence[str]]) -> int:
        return sum(self._place(candidates, set()) for candidates in effects)

    def _place(self, candidates: Sequence[str], asked: set[str]) -> bool:
        for event in candidates:
            if event in asked:
                continue
            asked.add(event)
            held = self._of_event.setdefault(event, [])
            if len(held) < self._per_event:
                held.append(candidates)
                return True
            for place in range(len(held)):
                if self._place(held[place], asked):
                    held[place] = candidates
                    return True
        return False


def repeated(keys: Iterable[object], *, per_event: int) -> list[object]:
    """The keys that come more often than `per_event`, in order."""
    counts = Counter(keys)
    return [key for key, times in counts.items() if times > per_event]
