"""
The whole language against a second reading of its rules, written as plainly as possible and knowing nothing of the engine (§6.2).

The oracle keeps the pattern as a tree: it multiplies `$or` out into plain patterns, lists every leaf of the event with the array elements
that it lies in, and tries every way to give each field of the pattern one leaf.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagefright.patterns import InvalidPattern, compile_pattern, matches

TEXTS = st.sampled_from(["", "a", "A", "ab", "ba", "Ab", "b", "10.0.0.7", "10.0.1.7", "2001:db8::1", "null", "1"])
NUMBERS = st.sampled_from([-1, 0, 1, 1.0, 1.5, 2, 300, 300.0, 4_999_999_999.5, 123456789012])
LEAVES = st.one_of(TEXTS, NUMBERS, st.booleans(), st.none())
NAMES = st.sampled_from(["a", "b", "c", "a.b", "b.c", "$or"])
EVENTS = st.dictionaries(
    NAMES,
    st.recursive(
        LEAVES,
        lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(NAMES, below, max_size=3)),
        max_leaves=10,
    ),
    max_size=4,
)

PLAIN_TEXTS = st.sampled_from(["a", "A", "ab", "b", "1"])
SMALL = st.sampled_from([-1, 0, 1, 1.5, 2, 300])
WILDCARDS = st.sampled_from(["", "a", "*", "a*", "*a", "a*b", "*a*", "A*"])


def one_or_list(texts):
    return st.one_of(texts, st.lists(texts, min_size=1, max_size=3))


def operator(name, operand):
    return operand.map(lambda value: {name: value})


RANGES = st.tuples(st.sampled_from([">", ">="]), SMALL, st.sampled_from(["<", "<="]), SMALL).filter(
    lambda r: r[1] < r[3]
)
ENTRIES = st.one_of(
    LEAVES.filter(lambda leaf: leaf != "2001:db8::1"),
    operator("prefix", st.one_of(TEXTS, operator("equals-ignore-case", TEXTS))),
    operator("suffix", st.one_of(TEXTS, operator("equals-ignore-case", TEXTS))),
    operator("equals-ignore-case", TEXTS),
    operator("wildcard", WILDCARDS),
    operator("numeric", st.tuples(st.sampled_from(["=", "<", "<=", ">", ">="]), SMALL).map(list)),
    operator("numeric", RANGES.map(list)),
    operator("cidr", st.sampled_from(["10.0.0.0/24", "10.0.0.0/8", "2001:db8::/32"])),
    operator("exists", st.booleans()),
    operator("anything-but", one_or_list(PLAIN_TEXTS)),
    operator("anything-but", one_or_list(SMALL)),
    operator("anything-but", operator("prefix", one_or_list(PLAIN_TEXTS))),
    operator("anything-but", operator("suffix", one_or_list(PLAIN_TEXTS))),
    operator("anything-but", operator("equals-ignore-case", one_or_list(TEXTS))),
    operator("anything-but", operator("wildcard", one_or_list(WILDCARDS))),
)
FIELDS = st.lists(ENTRIES, min_size=1, max_size=3)
FIELD_NAMES = st.sampled_from(["a", "b", "c", "a.b", "b.c"])


def objects(below):
    plain = st.dictionaries(FIELD_NAMES, st.one_of(FIELDS, below), min_size=1, max_size=3)
    either = st.lists(plain, min_size=2, max_size=3)
    return st.one_of(plain, st.builds(lambda fields, alternatives: {**fields, "$or": alternatives}, plain, either))


ALTERNATIVES_MAX = 1_000
"""What `$or` may multiply to; a pattern that is drawn has more now and then."""

PATTERNS = objects(st.recursive(FIELDS, objects, max_leaves=4))


# -- the oracle ------------------------------------------------------------------------------------------------------------


def alternatives(pattern, path=()):
    """Every plain pattern that the pattern stands for, as {dotted path: value list}; of two equal paths the later counts."""
    found = [{}]
    for name, value in pattern.items():
        if name == "$or":
            choices = [plain for one in value for plain in alternatives(one, path)]
        elif isinstance(value, dict):
            choices = alternatives(value, (*path, name))
        else:
            choices = [{".".join((*path, name)): value}]
        found = [{**before, **after} for before in found for after in choices]
    return found


def how_many(pattern):
    """Of these; nested alternatives multiply faster than they can be listed."""
    return math.prod(
        sum(map(how_many, value)) if name == "$or" else how_many(value)
        for name, value in pattern.items()
        if name == "$or" or isinstance(value, dict)
    )


def leaves_of(node, path=(), places=()):
    """Every leaf of an event: dotted path, value, and for each array above it which element."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from leaves_of(value, (*path, name), places)
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from leaves_of(item, path, (*places, (id(node), index)))
    else:
        yield ".".join(path), node, places


def accepts(entry, value):
    if isinstance(entry, dict):
        ((name, operand),) = entry.items()
        return OPERATORS[name](operand, value)
    return same(entry, value)


def same(wanted, value):
    """Equal, and of one kind: a boolean is no number, and a text is not null."""
    return kind(wanted) == kind(value) and wanted == value


def kind(value):
    return "number" if type(value) in (int, float) else type(value).__name__


def affix(operand, value, test):
    if isinstance(operand, dict):
        return isinstance(value, str) and test(value.lower(), operand["equals-ignore-case"].lower())
    return isinstance(value, str) and test(value, operand)


def ignoring_case(operand, value):
    return isinstance(value, str) and value.lower() == operand.lower()


def glob(operand, value):
    return isinstance(value, str) and fnmatch.fnmatchcase(value, operand)


def compare(operand, value):
    tests = {"=": float.__eq__, "<": float.__lt__, "<=": float.__le__, ">": float.__gt__, ">=": float.__ge__}
    pairs = zip(operand[::2], operand[1::2], strict=True)
    return kind(value) == "number" and all(tests[sign](float(value), float(bound)) for sign, bound in pairs)


def in_network(operand, value):
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(operand) if isinstance(value, str) else False
    except ValueError:
        return False


def anything_but(operand, value):
    if isinstance(operand, dict):
        ((name, refused),) = operand.items()
        return not any(OPERATORS[name](one, value) for one in (refused if isinstance(refused, list) else [refused]))
    return not any(same(one, value) for one in (operand if isinstance(operand, list) else [operand]))


OPERATORS = {
    "prefix": lambda operand, value: affix(operand, value, str.startswith),
    "suffix": lambda operand, value: affix(operand, value, str.endswith),
    "equals-ignore-case": ignoring_case,
    "wildcard": glob,
    "numeric": compare,
    "cidr": in_network,
    "exists": lambda wanted, _value: wanted,
    "anything-but": anything_but,
}


def absent_ok(entries):
    return any(isinstance(entry, dict) and entry.get("exists") is False for entry in entries)


def oracle(pattern, event):
    """Whether some alternative has, for every field, an accepted leaf, and all of these lie in agreeing array elements."""
    leaves = list(leaves_of(event))
    return any(alternative_holds(fields, leaves) for fields in alternatives(pattern))


def alternative_holds(fields, leaves):
    candidates = []
    for path, entries in fields.items():
        there = [(value, places) for name, value, places in leaves if name == path]
        if there:
            candidates.append([places for value, places in there if any(accepts(one, value) for one in entries)])
        elif not absent_ok(entries):
            return False
    return any(agree(chosen) for chosen in itertools.product(*candidates))


def agree(chosen):
    """No array is entered at two elements."""
    places = {place for places in chosen for place in places}
    return len(places) == len({array for array, _ in places})


# -- the tests -------------------------------------------------------------------------------------------------------------


class TestOracle:
    """§6.2"""

    @settings(max_examples=500, deadline=None)
    @given(PATTERNS, EVENTS)
    def test_every_verdict_is_that_of_the_plain_reading(self, pattern, event):
        """§6.2: all operators, `$or`, dotted names, nested arrays, on whatever event; and a reason exactly for what does not match."""
        if how_many(pattern) > ALTERNATIVES_MAX:
            with pytest.raises(InvalidPattern, match="too complex"):
                matches(pattern, event)
            return
        expected = oracle(pattern, event)

        assert matches(pattern, event) is expected
        assert (compile_pattern(pattern).explain(event) is None) is expected

    @settings(max_examples=300, deadline=None)
    @given(ENTRIES, LEAVES)
    def test_every_entry_on_every_kind_of_value(self, entry, value):
        """§6.2: one entry against one value, so that each pair of kinds comes up often."""
        assert matches({"x": [entry]}, {"x": value}) is (accepts(entry, value) and not absent_ok([entry]))

    @settings(max_examples=300, deadline=None)
    @given(
        st.dictionaries(st.sampled_from(["k", "v", "t.n", "t.m"]), st.lists(st.integers(0, 2), min_size=1, max_size=2), min_size=2),
        st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "k": st.integers(0, 2),
                    "v": st.integers(0, 2),
                    "t": st.lists(st.dictionaries(st.sampled_from(["n", "m"]), st.integers(0, 2)), max_size=2),
                },
            ),
            max_size=3,
        ),
    )  # fmt: skip
    def test_array_consistency(self, fields, elements):
        """§6.2: two fields under one array hold in one element of it, at every depth."""
        pattern, event = {"items": fields}, {"items": elements}

        assert matches(pattern, event) is oracle(pattern, event)
