"""The engine against a naive reading of the rules, and against nonsense."""

from __future__ import annotations

import itertools
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagefright.patterns import InvalidPattern, compile_mapping_filter, compile_pattern, compile_sns_filter

NAMES = st.sampled_from(["a", "b", "c", "a.b"])
SCALARS = st.one_of(st.sampled_from(["", "x", "xy", "yx", "X"]), st.integers(0, 2), st.booleans(), st.none())
EVENTS = st.dictionaries(
    NAMES,
    st.recursive(
        SCALARS,
        lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(NAMES, below, max_size=2)),
        max_leaves=8,
    ),
    max_size=3,
)
ENTRIES = st.one_of(
    SCALARS,
    st.builds(lambda text: {"prefix": text}, st.sampled_from(["", "x", "y"])),
    st.builds(lambda text: {"wildcard": text}, st.sampled_from(["*", "x*", "*x", "x*y"])),
    st.builds(lambda items: {"anything-but": items}, st.sampled_from([["x"], ["x", "y"], [1], [0, 2]])),
    st.builds(lambda low: {"numeric": [">=", low]}, st.integers(0, 2)),
    st.builds(lambda wanted: {"exists": wanted}, st.booleans()),
)
FIELDS = st.lists(ENTRIES, min_size=1, max_size=3)
PATTERNS = st.dictionaries(
    NAMES, st.one_of(FIELDS, st.dictionaries(NAMES, FIELDS, min_size=1, max_size=2)), min_size=1, max_size=3
)


def flatten(event):
    """Every leaf of an event: its path, its value, and the (array, index) pairs it lies under."""
    arrays = itertools.count()

    def walk(path, node, under):
        if isinstance(node, dict):
            for key, value in node.items():
                yield from walk(f"{path}.{key}" if path else key, value, under)
        elif isinstance(node, list):
            array = next(arrays)
            for index, item in enumerate(node):
                yield from walk(path, item, [*under, (array, index)])
        else:
            yield path, node, under

    return list(walk("", event, []))


def fields_of(pattern, path=""):
    """The fields of a pattern by path; of two with one path the last counts."""
    found = {}
    for key, value in pattern.items():
        child = f"{path}.{key}" if path else key
        found |= fields_of(value, child) if isinstance(value, dict) else {child: value}
    return found


def accepts(entry, value):
    """Whether one entry accepts one value."""
    if not isinstance(entry, dict):
        return type(entry) is type(value) and entry == value
    ((operator, operand),) = entry.items()
    match operator:
        case "prefix":
            return isinstance(value, str) and value.startswith(operand)
        case "wildcard":
            start, end = operand.split("*")
            return (
                isinstance(value, str)
                and len(value) >= len(start + end)
                and value.startswith(start)
                and value.endswith(end)
            )
        case "anything-but":
            return not any(type(item) is type(value) and item == value for item in operand)
        case "numeric":
            return type(value) is int and value >= operand[1]
        case _:
            return operand


def naive(pattern, event):
    """Try every way to choose one leaf for every field."""
    leaves = flatten(event)
    choices = []
    for path, entries in fields_of(pattern).items():
        values = [(value, under) for leaf, value, under in leaves if leaf == path]
        if not values:
            if {"exists": False} not in [entry for entry in entries if isinstance(entry, dict)]:
                return False
            continue
        positive = [entry for entry in entries if entry != {"exists": False} or not isinstance(entry, dict)]
        choices.append([under for value, under in values if any(accepts(entry, value) for entry in positive)])
    return any(agree(chosen) for chosen in itertools.product(*choices))


def agree(chosen):
    """Whether every array is entered at one index only."""
    index_of = {}
    return all(index_of.setdefault(array, index) == index for under in chosen for array, index in under)


class TestOracle:
    """§6.2"""

    @settings(max_examples=1_500, deadline=None)
    @given(PATTERNS, EVENTS)
    def test_the_engine_agrees_with_the_naive_reading(self, pattern, event):
        """§6.2: whatever the pattern and the event, the verdict is that of the rules tried out one by one."""
        compiled = compile_pattern(pattern)

        assert compiled.matches(event) is naive(pattern, event)
        assert (compiled.explain(event) is None) is compiled.matches(event)

    @settings(max_examples=300, deadline=None)
    @given(PATTERNS, EVENTS)
    def test_alternatives_are_unions(self, pattern, event):
        """§6.2: `$or` of two patterns matches what either of them matches."""
        other = {"c": [{"exists": True}]}

        either = compile_pattern({"$or": [{"top": pattern}, {"top": other}]}).matches({"top": event})

        assert either is (naive(pattern, event) or naive(other, event))

    @settings(max_examples=500, deadline=None)
    @given(st.text(alphabet="ab*", max_size=8), st.text(alphabet="ab", max_size=8))
    def test_wildcards_agree_with_shell_globs(self, pattern, text):
        """§6.2: without escapes and double stars, a wildcard is a shell pattern."""
        from fnmatch import fnmatchcase

        try:
            compiled = compile_pattern({"x": [{"wildcard": pattern}]})
        except InvalidPattern:
            return

        assert compiled.matches({"x": text}) is fnmatchcase(text, pattern)


PIECES = [
    None, True, False, 0, -1, 1.5, 1e400, 10**30, "", "a", "*", "**", "\\", "10.0.0.0/8", "::1", "=", "<", ">=",
    "\ud800", [], {}, [[]], ["a"], [1, "a"],
]  # fmt: skip
KEYS = [
    "a", "", "a.b", "$or", "prefix", "suffix", "anything-but", "numeric", "exists", "cidr", "wildcard",
    "equals-ignore-case", "exactly",
]  # fmt: skip


def nonsense(dice, depth=0):
    """Something that has the parts of a pattern in no particular order."""
    roll = dice.random()
    if depth > 4 or roll < 0.3:
        return dice.choice(PIECES)
    if roll < 0.65:
        return {dice.choice(KEYS): nonsense(dice, depth + 1) for _ in range(dice.randint(0, 3))}
    return [nonsense(dice, depth + 1) for _ in range(dice.randint(0, 3))]


class TestNonsense:
    """Bad input never ends in a traceback of ours"""

    def test_ten_thousand_malformed_patterns(self):
        """Each of them is refused, or gives a verdict and its reason."""
        dice = random.Random(5)
        event = {"a": {"b": 1, "prefix": "x"}, "$or": "a", "": None, "c": [{"a": 1}, [2]]}

        verdicts = [self.verdict(nonsense(dice), event) for _ in range(10_000)]

        assert {True, False, None} == set(verdicts)

    def verdict(self, pattern, event):
        try:
            compiled = compile_pattern(pattern if isinstance(pattern, dict) else json.dumps(pattern))
        except InvalidPattern:
            return None
        assert (compiled.explain(event) is None) is compiled.matches(event)
        return compiled.matches(event)

    def test_the_other_dialects(self):
        """Filter policies and mapping filters are as robust."""
        dice = random.Random(6)
        attributes = {"a": {"DataType": "String.Array", "StringValue": '["a", 1]'}, "b": {"DataType": "Binary"}}
        refused = 0
        for _ in range(3_000):
            node = nonsense(dice)
            text = json.dumps(node)
            for scope in ("MessageAttributes", "MessageBody"):
                try:
                    compile_sns_filter(text, scope).matches(attributes, '{"a": 1}')
                except InvalidPattern:
                    refused += 1
            try:
                compile_mapping_filter({"Filters": [{"Pattern": text}]}, "sqs").matches({"body": "x"})
            except InvalidPattern:
                refused += 1

        assert 0 < refused < 9_000

    @settings(max_examples=500, deadline=None)
    @given(st.text(max_size=40))
    def test_any_text(self, text):
        """Text is hardly ever a pattern."""
        with pytest.raises(InvalidPattern, match=r"^Event pattern is not valid\. Reason: "):
            compile_pattern(text)
