"""
Match events against a compiled pattern.

A pattern is a list of branches (its `$or` alternatives, multiplied out); a branch is a list of fields that must all
hold. A field is a dotted path: EventBridge flattens both sides, so `{"a.b": 1}` and `{"a": {"b": 1}}` are
the same.

Arrays make it interesting. A field inside an array of objects has one value per element, and two fields that lie under
one array must hold in the *same* element. So each value found carries its membership, the (array, index) pairs that it
lies under, and a branch matches when one value per field can be chosen whose memberships agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stagefright.patterns.values import Leaf, text_of

Membership = tuple[tuple[int, int], ...]
"""The arrays a value lies under, outermost first: (number of the array, index of the element)."""

Found = dict[str, list[tuple[Any, Membership]]]
"""The values of an event by dotted path, as far as a pattern asks for them."""

EXPLAINED_VALUES_MAX = 5
"""How many values an explanation lists before it only counts the rest."""


@dataclass(frozen=True, slots=True)
class Field:
    """A path, and what its value may be: one of the strings, or accepted by one of the leaves, or absent."""

    path: str
    depth: int
    strings: frozenset[str]
    leaves: tuple[Leaf, ...]
    absent_ok: bool

    def accepts(self, value: object) -> bool:
        """Whether one of the entries of the value list accepts `value`."""
        if type(value) is str and value in self.strings:
            return True
        for leaf in self.leaves:  # noqa: SIM110  (a generator would double the time of the innermost loop)
            if leaf.test(value):
                return True
        return False

    @property
    def size(self) -> int:
        """How many entries the value list has."""
        return len(self.strings) + len(self.leaves) + self.absent_ok

    def wanted(self) -> str:
        """The value list in words."""
        texts = [text_of(text) for text in sorted(self.strings)] + [leaf.text for leaf in self.leaves]
        return " or ".join(texts + ["no value at all"] * self.absent_ok)


Branch = tuple[Field, ...]
"""Fields that must all hold."""


class Pattern:
    """
    A compiled pattern; without branches it matches every event.

    >>> from stagefright.patterns import compile_pattern
    >>> pattern = compile_pattern({"detail": {"state": ["running"]}})
    >>> pattern.matches({"detail": {"state": "stopped"}})
    False
    >>> pattern.explain({"detail": {"state": "stopped"}})
    'detail.state: wanted "running", found "stopped"'
    """

    def __init__(self, branches: Sequence[Branch]) -> None:
        self.branches = tuple(branches)
        self._at_the_top = [tuple(field for field in branch if "." not in field.path) for branch in self.branches]
        self._leaf_paths = frozenset(field.path for branch in self.branches for field in branch)
        self._inner_paths = frozenset(inner for path in self._leaf_paths for inner in _prefixes(path))

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Whether an event matches."""
        if not self.branches:
            return True
        branches = self._not_ruled_out(event)
        if not branches:
            return False
        found = self._collect(event)
        return any(_branch_holds(branch, found) for branch in branches)

    def explain(self, event: Mapping[str, Any]) -> str | None:
        """Why an event does not match: path, wanted, found, for the alternative that came nearest; None if it does."""
        if self.matches(event):
            return None
        found = self._collect(event)
        return min((_complaints(branch, found) for branch in self.branches), key=len)[0]

    def _not_ruled_out(self, event: Mapping[str, Any]) -> Sequence[Branch]:
        """
        The branches for which the event's outermost fields, such as `source`, do not decide already that they do not hold.

        Most rules of a bus differ there, so most of them cost nothing more. Below a field without a name paths would mean something else.
        """
        if type(event) is not dict or "" in event:
            return self.branches
        pairs = zip(self.branches, self._at_the_top, strict=True)
        return [branch for branch, fields in pairs if all(_may_hold(field, event) for field in fields)]

    def _collect(self, event: Mapping[str, Any]) -> Found:
        """Flatten the parts of an event that the pattern asks for; iterative, as events may be deep."""
        found: Found = {}
        arrays = 0
        stack: list[tuple[str, Any, Membership]] = [("", event, ())]
        while stack:
            path, node, membership = stack.pop()
            if isinstance(node, dict | Mapping):
                self._collect_fields(path, node, membership, found, stack)
            elif isinstance(node, list | tuple):
                arrays += 1
                below = [(path, item, (*membership, (arrays, index))) for index, item in enumerate(node)]
                stack.extend(reversed(below))
            elif path in self._leaf_paths:
                found.setdefault(path, []).append((node, membership))
        return found

    def _collect_fields(
        self,
        path: str,
        node: Mapping[str, Any],
        membership: Membership,
        found: Found,
        stack: list[tuple[str, Any, Membership]],
    ) -> None:
        """Note the values of an object's fields, and put its structures on the stack, if the pattern asks for them."""
        for key, value in node.items():
            child = f"{path}.{key}" if path else key
            is_leaf = child in self._leaf_paths
            if is_leaf or child in self._inner_paths:
                if isinstance(value, _STRUCTURES):
                    stack.append((child, value, membership))
                elif is_leaf:
                    found.setdefault(child, []).append((value, membership))


_STRUCTURES = (dict, list, tuple, Mapping)


def _may_hold(field: Field, event: Mapping[str, Any]) -> bool:
    if field.path not in event:
        return field.absent_ok
    value = event[field.path]
    return type(value) not in _SCALARS or field.accepts(value)


_SCALARS = frozenset({str, int, float, bool, type(None)})
"""What JSON gives that is no structure; to look a type up takes less time than to ask what an object is an instance of."""


def _prefixes(path: str) -> Iterator[str]:
    """`a.b.c` lies below `a` and `a.b`."""
    position = path.find(".")
    while position >= 0:
        yield path[:position]
        position = path.find(".", position + 1)


def _branch_holds(branch: Branch, found: Found) -> bool:
    choices: list[list[Membership]] = []
    for field in branch:
        candidates = _candidates(field, found)
        if not candidates:
            return False
        if candidates is not _ANYWHERE and () not in candidates:
            choices.append(candidates)
    return len(choices) < 2 or all(_consistent(group, ()) for group in _groups(choices))


_ANYWHERE: list[Membership] = [()]
"""The candidates of a field that holds outside of all arrays."""


def _candidates(field: Field, found: Found) -> list[Membership]:
    """Where the field holds: the memberships of the values it accepts, `()` for one that lies under no array."""
    values = found.get(field.path)
    if values is None:
        return _ANYWHERE if field.absent_ok else []
    if len(values) == 1:
        value, membership = values[0]
        return ([membership] if membership else _ANYWHERE) if field.accepts(value) else []
    return list(dict.fromkeys(membership for value, membership in values if field.accepts(value)))


def _groups(choices: list[list[Membership]]) -> list[list[list[Membership]]]:
    """
    Split the fields by their outermost array, since fields of different arrays cannot disagree.

    A path normally lies under one outermost array. If dotted names make two arrays share a path, nothing is split.
    """
    roots = [{membership[0][0] for membership in candidates} for candidates in choices]
    if any(len(root) > 1 for root in roots):
        return [choices]
    groups: dict[int, list[list[Membership]]] = {}
    for root, candidates in zip(roots, choices, strict=True):
        groups.setdefault(root.pop(), []).append(candidates)
    return list(groups.values())


def _consistent(choices: list[list[Membership]], chosen: Membership) -> bool:
    """Whether one membership per field can be chosen so that every array is entered at one index only."""
    if not choices:
        return True
    so_far = dict(chosen)
    for candidate in choices[0]:
        if all(so_far.get(array, index) == index for array, index in candidate) and _consistent(
            choices[1:], tuple({**so_far, **dict(candidate)}.items())
        ):
            return True
    return False


def _complaints(branch: Branch, found: Found) -> list[str]:
    """What is wrong with each field of a branch; if each alone is right, that no one element has them all."""
    wrong = [field for field in branch if not _candidates(field, found)]
    if wrong:
        return [f"{field.path}: wanted {field.wanted()}, found {_found_text(field, found)}" for field in wrong]
    inside = sorted(field.path for field in branch if () not in _candidates(field, found))
    return [f"{', '.join(inside)}: each holds somewhere, but not all in the same element of their array"]


def _found_text(field: Field, found: Found) -> str:
    values = found.get(field.path)
    if values is None:
        return "no value"
    listed = ", ".join(text_of(value) for value, _ in values[:EXPLAINED_VALUES_MAX])
    more = len(values) - EXPLAINED_VALUES_MAX
    return f"{listed} and {more} more" if more > 0 else listed
