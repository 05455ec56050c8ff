"""Wildcards against shell globs, and the whole language against nonsense."""

from __future__ import annotations

import json
import random
from timeit import default_timer as perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagefright.patterns import InvalidPattern, compile_mapping_filter, compile_pattern, compile_sns_filter


class TestWildcards:
    """§6.2"""

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


VALID = [
    json.dumps(pattern)
    for pattern in (
        {"source": ["shop", {"prefix": "s"}], "detail": {"n": [{"numeric": [">", 0, "<=", 5]}, None]}},
        {"detail": {"tags": {"k": ["a", {"anything-but": {"suffix": ["x", "y"]}}]}, "ip": [{"cidr": "10.0.0.0/24"}]}},
        {"$or": [{"source": [{"equals-ignore-case": "SHOP"}]}, {"detail": {"n": [{"exists": False}, 1.5e3, True]}}]},
        {"source": [{"wildcard": "s*p"}, {"anything-but": ["a", "b"]}], "detail": {"none": [{"exists": False}]}},
        {
            "detail.n": [1],
            "detail": {"ip": [{"anything-but": {"wildcard": "1*7"}}, {"prefix": {"equals-ignore-case": "1"}}]},
        },
    )
]
SNIPPETS = [
    "{", "}", "[", "]", ",", ":", '"', "\\", "*", "**", "/", ".", "null", "true", "NaN", "Infinity", "-Infinity", "1e400",
    "9" * 30, "0", "-", '"exists"', '"$or"', '"\\ud800"', "\ud800", "\udc00", "\x00", "\ufeff", '{"a": 1}', "[[", '"a": [1],', " ",
]  # fmt: skip


def mutated(dice):
    """A valid pattern after one to four strokes of carelessness."""
    text = dice.choice(VALID)
    for _ in range(dice.randint(1, 4)):
        start = dice.randrange(len(text) + 1)
        end = min(len(text), start + dice.choice([0, 0, 1, 1, 3, 10]))
        piece = dice.choice([dice.choice(SNIPPETS), "", text[start:end] * 2, dice.choice(VALID)[start:end]])
        text = text[:start] + piece + text[end:]
    return text


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

    def test_ten_thousand_mutations(self):
        """§6.2: patterns that were valid until somebody typed over them: refused in AWS's form, or a verdict; and soon."""
        dice = random.Random(7)
        event = {"source": "shop", "detail": {"n": 1, "tags": [{"k": "a"}, {"k": "b"}], "ip": "10.0.0.7"}}
        began = perf_counter()

        verdicts = [self.verdict_of_text(mutated(dice), event) for _ in range(10_000)]

        assert {True, False, None} == set(verdicts)
        assert verdicts.count(None) > 5_000
        assert perf_counter() - began < 20

    def verdict_of_text(self, text, event):
        refusal = None
        try:
            compiled = compile_pattern(text)
        except InvalidPattern as error:
            refusal = error
        if refusal is not None:
            assert refusal.reason
            assert str(refusal) == f"Event pattern is not valid. Reason: {refusal.reason}"
            return None
        assert (compiled.explain(event) is None) is compiled.matches(event)
        return compiled.matches(event)

    @pytest.mark.parametrize(
        "text",
        [
            '{"a":' * 990 + "[1]" + "}" * 990,
            '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}",
            '{"$or": [' * 400 + "]}" * 400,
            '{"a": [{"numeric": [">", 1e999]}]}',
            '{"a": [{"numeric": ["=", -' + "9" * 4_000 + "]}]}",
            '{"a": [1' + "0" * 4_299 + "]}",
            '{"a": [1e-999999999]}',
            '{"a": [{"anything-but": [NaN]}]}',
            '{"a": [-Infinity]}',
            '{"a": [{"wildcard": "' + "*a" * 2_000 + '"}]}',
            '{"a": [{"anything-but": {"wildcard": ["' + "*ab" * 1_000 + '"]}}]}',
            '{"a": [{"cidr": "' + "1" * 5_000 + '/8"}]}',
            '{"a": [{"cidr": "10.0.0.0/' + "9" * 5_000 + '"}]}',
            '{"a": [{"cidr": "10.0.0.0/\u00b2"}]}',
            '{"a": [{"cidr": "fe80::1%eth0/64"}]}',
            '{"a": [' + '"x",' * 50_000 + '"x"]}',
            '{"\ud800": ["\udfff"]}',
            '{"a": [{"prefix": "\ud83d"}]}',
            '{"a": [{"wildcard": "\udead**"}]}',
            '{"a\u0000b": ["\u0000"]}',
            "\ufeff{}",
            '{"a": [1], "a": [2], "a": {"b": [1]}}',
            '{"": [1], ".": [2], "..": [3], "a.": [4]}',
        ],
    )
    def test_the_worst(self, text):
        """§6.2: depth, size, broken UTF-16, numbers that nobody can hold: a verdict or a refusal, within moments."""
        began = perf_counter()

        for event in ({"a": 1}, {"\ud800": "\udfff"}, {"a": "\ud83d\ude00"}, {"": 1, ".": 2}):
            assert self.verdict_of_text(text, event) in (True, False, None)

        assert perf_counter() - began < 5

    @settings(max_examples=500, deadline=None)
    @given(st.text(max_size=40))
    def test_any_text(self, text):
        """Text is hardly ever a pattern."""
        with pytest.raises(InvalidPattern, match=r"^Event pattern is not valid\. Reason: "):
            compile_pattern(text)
