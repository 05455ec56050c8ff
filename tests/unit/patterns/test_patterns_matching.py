"""Which events match which patterns (§6.2; a star marks what was recorded from AWS)."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from stagefright.errors import UsageError
from stagefright.patterns import InvalidPattern, compile_pattern, matches

LAUNCH = {
    "version": "0",
    "detail-type": "EC2 Instance Launch Successful",
    "source": "aws.autoscaling",
    "account": "123456789012",
    "resources": [],
    "detail": {"eventVersion": "", "responseElements": None},
}
COUNTED = {
    "time": "2022-07-13T13:48:01Z",
    "detail": {"state": "processing", "c-count": 3, "d-count": 9, "x-limit": 999},
}
ORDER = {"items": [{"k": 1, "v": "a"}, {"k": 2, "v": "b", "tags": [{"n": 1}, {"n": 2, "m": 3}]}], "top": 1}
STREAMED = {
    "dynamodb": {
        "ApproximateCreationDateTime": 1733418659.0,
        "Keys": {"id": {"S": "id_value_1"}},
        "NewImage": {"numericFilter": {"N": "42"}},
    }
}


def detail(value):
    """An event with one field."""
    return {"detail": {"x": value}}


def one_of(*entries):
    """A pattern for that field."""
    return {"detail": {"x": list(entries)}}


def proving(rule, *case):
    """A case that proves a rule of §6.2."""
    return pytest.param(*case, marks=pytest.mark.rule(f"6.2/{rule}"))


class TestStarred:
    """§6.2, the rules marked with a star"""

    @pytest.mark.parametrize(
        ("pattern", "event", "verdict"),
        [
            # Names, strings and operators are case-sensitive.
            proving("case-sensitive", {"Source": ["aws.autoscaling"]}, LAUNCH, False),
            proving("case-sensitive", {"source": ["AWS.autoscaling"]}, LAUNCH, False),
            # Dotted names join, on both sides.
            proving("dotted-names", {"detail.eventVersion": [""]}, LAUNCH, True),
            proving("dotted-names", {"a": {"b": [1]}}, {"a.b": 1}, True),
            proving("dotted-names", {"a.b": {"c": [1]}}, {"a": {"b.c": 1}}, True),
            proving("dotted-names", {"a.b": [1]}, {"a": {"c": 1}}, False),
            # exists, on leaves only.
            proving("exists-empty-array", {"resources": [{"exists": True}]}, LAUNCH, False),
            proving("exists-empty-array", {"resources": [{"exists": False}]}, LAUNCH, True),
            proving("exists-non-leaf", {"detail": [{"exists": True}]}, LAUNCH, False),
            proving("exists-non-leaf", {"detail": [{"exists": False}]}, LAUNCH, True),
            proving("exists", {"detail": {"responseElements": [{"exists": True}]}}, LAUNCH, True),
            proving("exists-missing-parent", {"detail": {"missing": {"child": [{"exists": False}]}}}, LAUNCH, True),
            proving(
                "exists-missing-parent",
                {"detail": {"missing": {"child": [{"anything-but": ["x"]}, {"exists": False}]}}},
                LAUNCH,
                True,
            ),
            # anything-but: a missing field never matches; null and other types do.
            proving("anything-but-missing-field", one_of({"anything-but": "a"}), {"detail": {}}, False),
            proving("anything-but-null", one_of({"anything-but": "a"}), detail(None), True),
            proving(
                "anything-but-null", one_of({"anything-but": {"equals-ignore-case": ["a", "b"]}}), detail(None), True
            ),
            proving(
                "anything-but-other-type", one_of({"anything-but": {"prefix": ["init", "test"]}}), detail(12), True
            ),
            proving("anything-but-null", one_of({"anything-but": {"prefix": "init"}}), detail(None), True),
            proving("anything-but-null", one_of({"anything-but": {"suffix": "init"}}), detail(None), True),
            proving("anything-but-null", one_of({"anything-but": {"wildcard": "*/dir/*"}}), detail(None), True),
            proving("wildcard-empty", one_of({"anything-but": {"wildcard": ""}}), detail("dir/init/file"), True),
            proving("anything-but-scalar", one_of({"anything-but": 0}), detail(0), False),
            proving("anything-but-other-type", one_of({"anything-but": [100, 200]}), detail("100"), True),
            # Numbers.
            proving("numbers-by-value", one_of(300), detail(300.0), True),
            proving("numbers-by-value", one_of(300.0), detail(300), True),
            proving("numeric-other-types", one_of({"numeric": [">", 0]}), detail("5"), False),
            proving("numeric-other-types", one_of({"numeric": [">", 0]}), detail(None), False),
            proving("numbers-by-value", one_of({"numeric": ["=", 5]}), detail(5.0), True),
            # Empty texts and null.
            proving("affix-empty", one_of({"prefix": ""}), detail("any"), True),
            proving("affix-empty", one_of({"suffix": ""}), detail("any"), True),
            proving("wildcard-empty", one_of({"wildcard": ""}), detail("any"), False),
            proving("ignore-case-empty", one_of({"equals-ignore-case": ""}), detail(""), True),
            proving("ignore-case-empty", one_of({"equals-ignore-case": ""}), detail("any"), False),
            proving("null-is-not-text", one_of(None), detail("null"), False),
            proving("null-is-not-text", one_of("null"), detail(None), False),
            proving("null-in-empty-array", {"resources": [None]}, LAUNCH, False),
            # A detail that is text is not parsed.
            proving("detail-text-is-not-parsed", {"detail": {"x": [1]}}, {"detail": '{"x": 1}'}, False),
        ],
    )
    def test_vector(self, pattern, event, verdict):
        """§6.2: the verdict of AWS."""
        assert matches(pattern, event) is verdict

    @pytest.mark.rule("6.2/duplicate-keys")
    def test_the_last_of_two_equal_keys_wins(self):
        """§6.2: in the pattern, also when one of the keys is dotted."""
        assert matches('{"a": [1], "a": [2]}', {"a": 2})
        assert not matches('{"a": [1], "a": [2]}', {"a": 1})
        assert matches('{"a": {"b": [1]}, "a.b": [2]}', {"a": {"b": 2}})

    @pytest.mark.rule("6.2/wildcard")
    def test_recorded_wildcards(self):
        """§6.2: repeated sequences behind a wildcard need to be all there."""
        pattern = {"FileName": [{"wildcard": "/Users/*/dir/dir/dir/dir/dir/doc.txt"}]}

        assert matches(pattern, {"FileName": "/Users/ls_user/dir/dir/dir/dir/dir/doc.txt"})
        assert not matches(pattern, {"FileName": "/Users/ls_user/dir/dir/dir/dir/otherdir/doc.txt"})

    @pytest.mark.rule("6.2/all-fields-must-match")
    def test_recorded_complex_patterns(self):
        """§6.2: operators together, on several fields and in `$or`."""
        fields = {
            "state": [{"anything-but": "initializing"}],
            "c-count": [{"numeric": [">", 0, "<=", 5]}],
            "d-count": [{"numeric": ["<", 10]}],
            "x-limit": [{"anything-but": [100, 200, 300]}],
        }
        alternatives = {"detail": {"$or": [{"c-count": [{"numeric": [">", 3]}]}, {"d-count": [9]}, {"x-limit": [1]}]}}

        assert matches({"time": [{"prefix": "2022-07-13"}], "detail": fields}, COUNTED)
        assert not matches({"time": [{"prefix": "2017-10-02"}], "detail": fields}, COUNTED)
        assert matches(alternatives, COUNTED)

    def test_recorded_stream_filters(self):
        """§4.8: numbers of DynamoDB are texts, so `numeric` does not see them."""
        pattern = {"dynamodb": {"NewImage": {"numericFilter": {"N": [{"numeric": [">", 1]}]}}}}
        either = {
            "dynamodb": {"NewImage": {"numericFilter": {"N": [{"numeric": [">", 100]}, {"anything-but": "101"}]}}}
        }

        assert not matches(pattern, STREAMED)
        assert matches(either, STREAMED)
        assert matches({"dynamodb": {"ApproximateCreationDateTime": [{"numeric": [">", 1]}]}}, STREAMED)


class TestOperators:
    """§6.2, the table of operators"""

    @pytest.mark.parametrize(
        ("entry", "accepted", "refused"),
        [
            proving("exact-text", "a", ["a", ["b", "a"], [["a"]]], ["A", 1, None, ["b"], []]),
            proving("exact-number", 1, [1, 1.0, [2, 1]], [True, "1", 2]),
            proving("exact-constants", True, [True], [1, "true", False, None]),
            proving("exact-constants", False, [False], [0, None]),
            proving("exact-constants", None, [None, [None]], [0, "", False]),
            proving("exact-empty-text", "", [""], [" ", None]),
            proving("prefix", {"prefix": "a"}, ["a", "ab"], ["ba", "A", 1]),
            proving("suffix", {"suffix": "a"}, ["a", "ba"], ["ab", "A"]),
            proving("affix-ignore-case", {"prefix": {"equals-ignore-case": "aB"}}, ["ABc", "abc"], ["bab"]),
            proving("affix-ignore-case", {"suffix": {"equals-ignore-case": "aB"}}, ["cAB", "cab"], ["abc"]),
            proving("equals-ignore-case", {"equals-ignore-case": "aB"}, ["AB", "ab"], ["abc", 1, None]),
            proving("wildcard", {"wildcard": "a*c"}, ["ac", "abbc", "a\nc"], ["ab", "bac", 1]),
            proving("wildcard", {"wildcard": "*"}, ["", "x"], [1]),
            proving("wildcard-escapes", {"wildcard": r"a\*c"}, ["a*c"], ["abc", r"a\*c"]),
            proving("wildcard-escapes", {"wildcard": r"a\\*"}, [r"a\bc"], ["abc"]),
            proving("wildcard", {"wildcard": "*aa*aa*"}, ["aaaa", "xaaxaax"], ["aaa"]),
            proving("wildcard", {"wildcard": "a*a"}, ["aa"], ["a"]),
            proving("anything-but-scalar", {"anything-but": "a"}, ["b", 1, None, True, ["a", "b"]], ["a", ["a"], []]),
            proving("anything-but-list", {"anything-but": ["a", "b"]}, ["c"], ["a", "b"]),
            proving("anything-but-list", {"anything-but": [1, 2]}, [3, "1", True], [1, 2.0]),
            proving("anything-but-operators", {"anything-but": {"prefix": "a"}}, ["ba"], ["ab"]),
            proving("anything-but-operators", {"anything-but": {"suffix": ["a", "b"]}}, ["c"], ["xa", "xb"]),
            proving("anything-but-operators", {"anything-but": {"equals-ignore-case": "a"}}, ["b"], ["A"]),
            proving("anything-but-operators", {"anything-but": {"wildcard": ["a*", "*z"]}}, ["b"], ["ab", "yz"]),
            proving("numeric", {"numeric": ["=", 3]}, [3, 3.0], [4, "3", True]),
            proving("numeric", {"numeric": ["<", 3]}, [2.9, -1], [3]),
            proving("numeric", {"numeric": ["<=", 3]}, [3], [3.1]),
            proving("numeric", {"numeric": [">", 3]}, [3.1], [3]),
            proving("numeric", {"numeric": [">=", 3]}, [3], [2.9]),
            proving("numeric", {"numeric": [">", 1, "<=", 3]}, [2, 3], [1, 4]),
            proving("numeric", {"numeric": [">=", 1, "<", 3]}, [1, 2], [3, 0]),
            proving("cidr", {"cidr": "10.0.0.0/24"}, ["10.0.0.0", "10.0.0.255"], ["10.0.1.0", "x", 5, "::1"]),
            proving("cidr", {"cidr": "10.0.0.5/24"}, ["10.0.0.5", "10.0.0.200"], ["10.0.0.4"]),
            proving("cidr", {"cidr": "2001:db8::/32"}, ["2001:db8::1"], ["2001:db9::1", "10.0.0.1"]),
            proving("cidr", "::1", ["::1", "0:0:0:0:0:0:0:1"], ["::2", "1"]),
            proving("exists", {"exists": True}, [1, None, "", [0]], [{}, {"y": 1}, []]),
            proving("exists", {"exists": False}, [{}, {"y": 1}, []], [1, None, "", [0]]),
        ],
    )
    def test_operator(self, entry, accepted, refused):
        """§6.2: what each entry of a value list accepts."""
        pattern = compile_pattern(one_of(entry))

        assert [value for value in accepted if not pattern.matches(detail(value))] == []
        assert [value for value in refused if pattern.matches(detail(value))] == []

    @pytest.mark.rule("6.2/numbers-by-value")
    def test_large_numbers_compare_exactly(self):
        """§6.2: account numbers are beyond the range of `numeric`, and still equal themselves."""
        assert matches(one_of(123456789012), detail(123456789012))
        assert not matches(one_of(123456789012), detail(123456789013))

    @pytest.mark.rule("6.2/numeric-doubles")
    def test_numbers_are_doubles(self):
        """§6.2: a number that Python read as a `Decimal` is the same number."""
        for written in (0.1, Decimal("0.1")):
            assert matches(one_of(0.1), detail(written))
            assert matches(one_of({"numeric": ["=", 0.1]}), detail(written))
            assert not matches(one_of({"anything-but": 0.1}), detail(written))
        assert matches(one_of({"numeric": ["<=", 0.30000000000000004]}), detail(0.1 + 0.2))

    @pytest.mark.rule("6.2/flattened-arrays")
    def test_arrays_are_flattened(self):
        """§6.2: however deep an element lies, it counts as one of the outermost array."""
        assert matches(one_of("a"), detail([["x", ["a"]], "y"]))
        assert not matches(one_of("a"), detail([[["x"]]]))

    @pytest.mark.rule("6.2/all-fields-must-match")
    def test_all_fields_must_match(self):
        """§6.2: fields and their value lists; what the pattern does not name is ignored."""
        pattern = {"a": [1, 2], "b": [3]}

        assert matches(pattern, {"a": 2, "b": 3, "c": 4})
        assert not matches(pattern, {"a": 2, "c": 4})
        assert not matches(pattern, {"a": 2, "b": 4})

    @pytest.mark.rule("6.2/or-two-objects")
    def test_one_alternative_is_none(self):
        """§6.2: `$or` with one object is a field, and its object a match expression."""
        with pytest.raises(InvalidPattern, match="Unrecognized match type a"):
            compile_pattern({"$or": [{"a": [1]}]})
        assert matches({"$or": [{"a": [1]}, {"b": [1]}]}, {"b": 1})


class TestAlternatives:
    """§6.2, `$or`"""

    @pytest.mark.rule("6.2/or")
    def test_alternatives_multiply(self):
        """§6.2: two of them on one level both have to hold."""
        pattern = {
            "a": {"$or": [{"x": [1]}, {"y": [1]}]},
            "$or": [{"b": [1]}, {"c": {"$or": [{"d": [1]}, {"e": [1]}]}}],
        }

        assert matches(pattern, {"a": {"y": 1}, "c": {"e": 1}})
        assert not matches(pattern, {"a": {"y": 1}, "c": {"f": 1}})

    @pytest.mark.rule("6.2/or-reserved-names")
    @pytest.mark.parametrize(
        ("value", "event", "verdict"),
        [
            (["a"], {"$or": "a"}, True),
            ([{"prefix": "a"}, {"suffix": "b"}], {"$or": "ab"}, True),
            ([{"prefix": "a"}, {"suffix": "b"}], {"prefix": "a"}, False),
        ],
    )
    def test_a_field_may_be_called_so(self, value, event, verdict):
        """§6.2: without two objects, or with the name of an operator inside, it is an ordinary field."""
        assert matches({"$or": value}, event) is verdict


class TestArrays:
    """§6.2, arrays of objects"""

    @pytest.mark.rule("6.2/array-consistency")
    @pytest.mark.parametrize(
        ("pattern", "verdict"),
        [
            ({"items": {"k": [2]}}, True),
            ({"items": {"k": [1], "v": ["a"]}}, True),
            ({"items": {"k": [1], "v": ["b"]}}, False),
            ({"items": {"k": [1, 2], "v": ["b"]}, "top": [1]}, True),
            ({"items": {"v": ["b"], "tags": {"n": [2], "m": [3]}}}, True),
            ({"items": {"v": ["b"], "tags": {"n": [1], "m": [3]}}}, False),
            ({"items": {"v": ["a"], "tags": {"n": [1]}}}, False),
            ({"items": {"none": [{"exists": False}]}}, True),
            ({"items": {"tags": {"m": [{"exists": False}]}}}, False),
        ],
    )
    def test_fields_hold_in_the_same_element(self, pattern, verdict):
        """§6.2: two fields under one array come from one element of it."""
        assert matches(pattern, ORDER) is verdict

    @pytest.mark.rule("6.2/array-consistency")
    def test_different_arrays_are_independent(self):
        """§6.2: an element of one array goes with any element of another; and many of them cost little."""
        event = {name: [{"k": n, "v": n + 1} for n in range(60)] for name in "abcd"}
        pattern = {name: {"k": [{"numeric": [">=", 0]}], "v": [{"numeric": [">", 0]}]} for name in "abc"}

        assert matches({**pattern, "d": {"k": [5], "v": [6]}}, event)
        assert not matches({**pattern, "d": {"k": [5], "v": [5]}}, event)

    @pytest.mark.rule("6.2/array-consistency")
    def test_arrays_that_share_a_dotted_name(self):
        """§6.2: when dotted names make two arrays share a path, elements still may not be mixed."""
        event = {"a": [{"b.x": 1, "b": {"y": 1}}, {"b": {"x": 2, "y": 2}}], "a.b": [{"x": 3}]}

        assert matches({"a": {"b": {"x": [2], "y": [2]}}}, event)
        assert not matches({"a": {"b": {"x": [1], "y": [2]}}}, event)
        assert matches({"a": {"b": {"x": [3], "y": [2]}}}, event)


class TestExplanations:
    """style rule 23: a matcher returns its answer and its reason"""

    def test_no_reason_for_a_match(self):
        """A matching event has nothing to explain."""
        assert compile_pattern(one_of("a")).explain(detail("a")) is None

    @pytest.mark.parametrize(
        ("pattern", "event", "reason"),
        [
            (one_of("running", "b"), detail("stopped"), 'detail.x: wanted "b" or "running", found "stopped"'),
            (one_of({"prefix": "a"}, 5), detail(None), 'detail.x: wanted {"prefix": "a"} or 5, found null'),
            (one_of("a"), {}, 'detail.x: wanted "a", found no value'),
            (one_of("a", {"exists": False}), detail("b"), 'detail.x: wanted "a" or no value at all, found "b"'),
            (one_of(9), detail(list(range(7))), "detail.x: wanted 9, found 0, 1, 2, 3, 4 and 2 more"),
            (
                {"i": {"k": [1], "v": [2]}},
                {"i": [{"k": 1, "v": 1}, {"k": 2, "v": 2}]},
                "i.k, i.v: each holds somewhere, but not all in the same element of their array",
            ),
        ],
    )
    def test_path_wanted_and_found(self, pattern, event, reason):
        """The first field that is wrong, what it should be and what it is."""
        assert compile_pattern(pattern).explain(event) == reason

    def test_the_nearest_alternative_is_explained(self):
        """Of several alternatives, the one with the fewest faults."""
        pattern = compile_pattern({"$or": [{"a": [1], "b": [1]}, {"c": [1]}]})

        assert pattern.explain({"a": 2, "b": 2, "c": 2}) == "c: wanted 1, found 2"

    def test_text_and_object_are_the_same_pattern(self):
        """A pattern may be given as JSON text or as what it stands for."""
        pattern = one_of("a", {"prefix": "b"})

        assert compile_pattern(json.dumps(pattern)).matches(detail("bc"))
        assert compile_pattern(pattern).matches(detail("bc"))


class TestEvents:
    """The public function takes events as they come"""

    def test_an_event_may_be_text(self):
        """As `TestEventPattern` takes both."""
        assert matches(json.dumps(one_of("a")), json.dumps(detail("a")))
        assert not matches(one_of("a"), json.dumps(detail("b")))

    @pytest.mark.parametrize("event", ["text", "[1]", "", None, [detail("a")], 5])
    def test_what_is_no_event_is_said_so(self, event):
        """A verdict about nothing would be a trap."""
        with pytest.raises(UsageError, match="an object or its JSON text; received"):
            matches(one_of("a"), event)
