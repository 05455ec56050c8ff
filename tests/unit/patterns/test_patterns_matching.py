"""Which events match which patterns (§6.2; a star marks what was recorded from AWS)."""

from __future__ import annotations

import json

import pytest

from stagefright.patterns import compile_pattern, matches

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


class TestStarred:
    """§6.2, the rules marked with a star"""

    @pytest.mark.parametrize(
        ("pattern", "event", "verdict"),
        [
            # Names, strings and operators are case-sensitive.
            ({"Source": ["aws.autoscaling"]}, LAUNCH, False),
            ({"source": ["AWS.autoscaling"]}, LAUNCH, False),
            # Dotted names join, on both sides.
            ({"detail.eventVersion": [""]}, LAUNCH, True),
            ({"a": {"b": [1]}}, {"a.b": 1}, True),
            ({"a.b": {"c": [1]}}, {"a": {"b.c": 1}}, True),
            ({"a.b": [1]}, {"a": {"c": 1}}, False),
            # exists, on leaves only.
            ({"resources": [{"exists": True}]}, LAUNCH, False),
            ({"resources": [{"exists": False}]}, LAUNCH, True),
            ({"detail": [{"exists": True}]}, LAUNCH, False),
            ({"detail": [{"exists": False}]}, LAUNCH, True),
            ({"detail": {"responseElements": [{"exists": True}]}}, LAUNCH, True),
            ({"detail": {"missing": {"child": [{"exists": False}]}}}, LAUNCH, True),
            ({"detail": {"missing": {"child": [{"anything-but": ["x"]}, {"exists": False}]}}}, LAUNCH, True),
            # anything-but: a missing field never matches; null and other types do.
            (one_of({"anything-but": "a"}), {"detail": {}}, False),
            (one_of({"anything-but": "a"}), detail(None), True),
            (one_of({"anything-but": {"equals-ignore-case": ["a", "b"]}}), detail(None), True),
            (one_of({"anything-but": {"prefix": ["init", "test"]}}), detail(12), True),
            (one_of({"anything-but": {"prefix": "init"}}), detail(None), True),
            (one_of({"anything-but": {"suffix": "init"}}), detail(None), True),
            (one_of({"anything-but": {"wildcard": "*/dir/*"}}), detail(None), True),
            (one_of({"anything-but": {"wildcard": ""}}), detail("dir/init/file"), True),
            (one_of({"anything-but": 0}), detail(0), False),
            (one_of({"anything-but": [100, 200]}), detail("100"), True),
            # Numbers.
            (one_of(300), detail(300.0), True),
            (one_of(300.0), detail(300), True),
            (one_of({"numeric": [">", 0]}), detail("5"), False),
            (one_of({"numeric": [">", 0]}), detail(None), False),
            (one_of({"numeric": ["=", 5]}), detail(5.0), True),
            # Empty texts and null.
            (one_of({"prefix": ""}), detail("any"), True),
            (one_of({"suffix": ""}), detail("any"), True),
            (one_of({"wildcard": ""}), detail("any"), False),
            (one_of({"equals-ignore-case": ""}), detail(""), True),
            (one_of({"equals-ignore-case": ""}), detail("any"), False),
            (one_of(None), detail("null"), False),
            (one_of("null"), detail(None), False),
            ({"resources": [None]}, LAUNCH, False),
            # A detail that is text is not parsed.
            ({"detail": {"x": [1]}}, {"detail": '{"x": 1}'}, False),
        ],
    )
    def test_vector(self, pattern, event, verdict):
        """§6.2: the verdict of AWS."""
        assert matches(pattern, event) is verdict

    def test_the_last_of_two_equal_keys_wins(self):
        """§6.2: in the pattern, also when one of the keys is dotted."""
        assert matches('{"a": [1], "a": [2]}', {"a": 2})
        assert not matches('{"a": [1], "a": [2]}', {"a": 1})
        assert matches('{"a": {"b": [1]}, "a.b": [2]}', {"a": {"b": 2}})

    def test_recorded_wildcards(self):
        """§6.2: repeated sequences behind a wildcard need to be all there."""
        pattern = {"FileName": [{"wildcard": "/Users/*/dir/dir/dir/dir/dir/doc.txt"}]}

        assert matches(pattern, {"FileName": "/Users/ls_user/dir/dir/dir/dir/dir/doc.txt"})
        assert not matches(pattern, {"FileName": "/Users/ls_user/dir/dir/dir/dir/otherdir/doc.txt"})

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
            ("a", ["a", ["b", "a"], [["a"]]], ["A", 1, None, ["b"], []]),
            (1, [1, 1.0, [2, 1]], [True, "1", 2]),
            (True, [True], [1, "true", False, None]),
            (False, [False], [0, None]),
            (None, [None, [None]], [0, "", False]),
            ("", [""], [" ", None]),
            ({"prefix": "a"}, ["a", "ab"], ["ba", "A", 1]),
            ({"suffix": "a"}, ["a", "ba"], ["ab", "A"]),
            ({"prefix": {"equals-ignore-case": "aB"}}, ["ABc", "abc"], ["bab"]),
            ({"suffix": {"equals-ignore-case": "aB"}}, ["cAB", "cab"], ["abc"]),
            ({"equals-ignore-case": "aB"}, ["AB", "ab"], ["abc", 1, None]),
            ({"wildcard": "a*c"}, ["ac", "abbc", "a\nc"], ["ab", "bac", 1]),
            ({"wildcard": "*"}, ["", "x"], [1]),
            ({"wildcard": r"a\*c"}, ["a*c"], ["abc", r"a\*c"]),
            ({"wildcard": r"a\\*"}, [r"a\bc"], ["abc"]),
            ({"wildcard": "*aa*aa*"}, ["aaaa", "xaaxaax"], ["aaa"]),
            ({"wildcard": "a*a"}, ["aa"], ["a"]),
            ({"anything-but": "a"}, ["b", 1, None, True, ["a", "b"]], ["a", ["a"], []]),
            ({"anything-but": ["a", "b"]}, ["c"], ["a", "b"]),
            ({"anything-but": [1, 2]}, [3, "1", True], [1, 2.0]),
            ({"anything-but": {"prefix": "a"}}, ["ba"], ["ab"]),
            ({"anything-but": {"suffix": ["a", "b"]}}, ["c"], ["xa", "xb"]),
            ({"anything-but": {"equals-ignore-case": "a"}}, ["b"], ["A"]),
            ({"anything-but": {"wildcard": ["a*", "*z"]}}, ["b"], ["ab", "yz"]),
            ({"numeric": ["=", 3]}, [3, 3.0], [4, "3", True]),
            ({"numeric": ["<", 3]}, [2.9, -1], [3]),
            ({"numeric": ["<=", 3]}, [3], [3.1]),
            ({"numeric": [">", 3]}, [3.1], [3]),
            ({"numeric": [">=", 3]}, [3], [2.9]),
            ({"numeric": [">", 1, "<=", 3]}, [2, 3], [1, 4]),
            ({"numeric": [">=", 1, "<", 3]}, [1, 2], [3, 0]),
            ({"cidr": "10.0.0.0/24"}, ["10.0.0.0", "10.0.0.255"], ["10.0.1.0", "x", 5, "::1"]),
            ({"cidr": "10.0.0.5/24"}, ["10.0.0.5", "10.0.0.200"], ["10.0.0.4"]),
            ({"cidr": "2001:db8::/32"}, ["2001:db8::1"], ["2001:db9::1", "10.0.0.1"]),
            ("::1", ["::1", "0:0:0:0:0:0:0:1"], ["::2", "1"]),
            ({"exists": True}, [1, None, "", [0]], [{}, {"y": 1}, []]),
            ({"exists": False}, [{}, {"y": 1}, []], [1, None, "", [0]]),
        ],
    )
    def test_operator(self, entry, accepted, refused):
        """§6.2: what each entry of a value list accepts."""
        pattern = compile_pattern(one_of(entry))

        assert [value for value in accepted if not pattern.matches(detail(value))] == []
        assert [value for value in refused if pattern.matches(detail(value))] == []

    def test_large_numbers_compare_exactly(self):
        """§6.2: account numbers are beyond the range of `numeric`, and still equal themselves."""
        assert matches(one_of(123456789012), detail(123456789012))
        assert not matches(one_of(123456789012), detail(123456789013))


class TestAlternatives:
    """§6.2, `$or`"""

    def test_alternatives_multiply(self):
        """§6.2: two of them on one level both have to hold."""
        pattern = {
            "a": {"$or": [{"x": [1]}, {"y": [1]}]},
            "$or": [{"b": [1]}, {"c": {"$or": [{"d": [1]}, {"e": [1]}]}}],
        }

        assert matches(pattern, {"a": {"y": 1}, "c": {"e": 1}})
        assert not matches(pattern, {"a": {"y": 1}, "c": {"f": 1}})

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

    def test_different_arrays_are_independent(self):
        """§6.2: an element of one array goes with any element of another; and many of them cost little."""
        event = {name: [{"k": n, "v": n + 1} for n in range(60)] for name in "abcd"}
        pattern = {name: {"k": [{"numeric": [">=", 0]}], "v": [{"numeric": [">", 0]}]} for name in "abc"}

        assert matches({**pattern, "d": {"k": [5], "v": [6]}}, event)
        assert not matches({**pattern, "d": {"k": [5], "v": [5]}}, event)

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
