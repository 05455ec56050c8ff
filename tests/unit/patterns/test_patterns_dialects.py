"""SNS filter policies (§5.6) and the filters of event source mappings (§3.10, §4.8)."""

from __future__ import annotations

import base64
import json

import pytest

from stagefright.patterns import InvalidPattern, compile_mapping_filter, compile_sns_filter


def string(text):
    """A String attribute."""
    return {"DataType": "String", "StringValue": text}


def number(text):
    """A Number attribute."""
    return {"DataType": "Number", "StringValue": text}


def array(*items):
    """A String.Array attribute."""
    return {"DataType": "String.Array", "StringValue": json.dumps(items)}


class TestAttributeScope:
    """§5.6, `MessageAttributes`"""

    @pytest.mark.parametrize(
        ("entries", "passes", "fails"),
        [
            (["a"], [string("a"), array("b", "a")], [string("b"), string("A"), number("1"), None]),
            ([1], [number("1"), number("1.0"), array(1)], [string("1"), None]),
            ([{"anything-but": ["a"]}], [string("b"), number("5"), array("a", "b")], [string("a"), array("a"), None]),
            ([{"anything-but": [1, 2]}], [number("3"), string("1")], [number("1.0"), None]),
            ([{"anything-but": 1}], [number("3")], [number("1"), None]),
            ([{"anything-but": {"prefix": "a"}}], [string("b")], [string("ab"), array("ab")]),
            ([{"anything-but": {"suffix": "a"}}], [string("b")], [string("ba")]),
            ([{"anything-but": {"wildcard": "a*z"}}], [string("b")], [string("abz")]),
            ([{"prefix": "a"}], [string("ab"), array("x", "ab")], [string("b")]),
            ([{"suffix": "a"}], [string("ba")], [string("b")]),
            ([{"equals-ignore-case": "Ab"}], [string("aB")], [string("b")]),
            ([{"wildcard": "a*"}], [string("ab")], [string("b")]),
            ([{"cidr": "10.0.0.0/24"}], [string("10.0.0.7")], [string("10.0.1.7")]),
            ([{"numeric": [">", 0, "<=", 100]}], [number("99.12")], [number("0"), string("5"), None]),
            (
                [{"numeric": [">", 0]}],
                [number("+1"), number(".5"), number("5."), number("01"), number("1e2")],
                [number("-.5")],
            ),
            ([{"numeric": ["<", 5]}], [number("4.9")], [number("5"), string("4")]),
            ([{"numeric": [">=", 5]}], [number("5")], [number("4.99999")]),
            ([{"numeric": ["=", 1.000001]}], [number("1")], [number("1.00001")]),
            ([{"exists": True}], [string("a"), number("1")], [None]),
            ([{"exists": False}], [None], [string("a")]),
            (["a", {"exists": False}], [string("a"), None], [string("b")]),
            ([None, {"anything-but": "x"}], [string("a")], [string("x"), None]),
            ([True], [array(True)], [string("true")]),
        ],
    )
    @pytest.mark.rule("5.6/exact")
    @pytest.mark.rule("5.6/anything-but")
    @pytest.mark.rule("5.6/anything-but-prefix")
    @pytest.mark.rule("5.6/prefix")
    @pytest.mark.rule("5.6/suffix")
    @pytest.mark.rule("5.6/equals-ignore-case")
    @pytest.mark.rule("5.6/wildcard")
    @pytest.mark.rule("5.6/numeric")
    @pytest.mark.rule("5.6/numeric-decimals")
    @pytest.mark.rule("5.6/cidr")
    @pytest.mark.rule("5.6/exists")
    @pytest.mark.rule("5.6/and-or")
    @pytest.mark.rule("5.6/string-array")
    @pytest.mark.rule("5.6/number-attributes")
    @pytest.mark.rule("5.6/anything-but-array")
    @pytest.mark.rule("5.6/missing-attribute")
    def test_operator(self, entries, passes, fails):
        """§5.6: what each operator lets pass; arrays pass if one element does."""
        policy = compile_sns_filter({"k": entries})

        def verdict(attribute):
            return policy.matches({} if attribute is None else {"k": attribute}, "body")

        assert [attribute for attribute in passes if not verdict(attribute)] == []
        assert [attribute for attribute in fails if verdict(attribute)] == []

    @pytest.mark.rule("5.6/string-array")
    @pytest.mark.rule("5.6/binary-is-ignored")
    def test_binary_and_broken_attributes_are_ignored(self):
        """§5.6: they count as absent."""
        policy = compile_sns_filter({"k": [{"exists": True}]})

        for attribute in (
            {"DataType": "Binary", "BinaryValue": b"x"},
            {"DataType": "String.Array", "StringValue": "not json"},
            {"DataType": "String.Array", "StringValue": '"text"'},
            number("not a number"),
        ):
            assert not policy.matches({"k": attribute}, "body")

    @pytest.mark.rule("5.6/or")
    @pytest.mark.rule("5.6/and-or")
    def test_all_keys_or_one_alternative(self):
        """§5.6: AND across keys, OR within `$or`."""
        policy = compile_sns_filter({"a": ["1"], "$or": [{"b": ["2"]}, {"c": ["3"]}]})

        assert policy.matches({"a": string("1"), "c": string("3")}, "")
        assert not policy.matches({"a": string("1"), "c": string("4")}, "")
        assert not policy.matches({"b": string("2")}, "")

    @pytest.mark.rule("5.6/or")
    def test_a_key_that_is_only_called_so(self):
        """§5.6: one alternative, or a reserved name among them, and `$or` is an ordinary key."""
        reserved = compile_sns_filter({"$or": [{"prefix": "a"}, {"suffix": "b"}]})

        assert reserved.matches({"$or": string("ax")}, "")
        assert not reserved.matches({"prefix": string("a")}, "")
        with pytest.raises(InvalidPattern):
            compile_sns_filter({"$or": [{"a": ["x"]}]})


class TestBodyScope:
    """§5.6, `MessageBody`"""

    @pytest.mark.parametrize(
        ("policy", "body", "verdict"),
        [
            ({"a": {"b": ["x"]}}, {"a": {"b": "x"}}, True),
            ({"a": {"b": ["x"]}}, {"a": [{"b": "y"}, {"b": "x"}]}, True),
            ({"a": [None]}, {"a": None}, True),
            ({"a": [1]}, {"a": True}, False),
            ({"a": ["x"]}, {"a": '["x"]'}, False),
            ({"a": {"b": [{"exists": False}]}}, {"c": 1}, True),
            ({"$or": [{"a": ["x"]}, {"b": ["y"]}]}, {"b": "y"}, True),
        ],
    )
    @pytest.mark.rule("5.6/exact")
    @pytest.mark.rule("5.6/or")
    @pytest.mark.rule("5.6/body-arrays")
    def test_the_body_is_an_event(self, policy, body, verdict):
        """§5.6: nested keys, arrays and all JSON types."""
        assert compile_sns_filter(policy, "MessageBody").matches({}, json.dumps(body)) is verdict

    @pytest.mark.parametrize("body", ["text", "[1]", "null", "", "[" * 100_000])
    @pytest.mark.rule("5.6/body-no-object")
    def test_a_body_that_is_no_object_never_passes(self, body):
        """§5.6: and the reason says so."""
        policy = compile_sns_filter({"a": [{"exists": False}]}, "MessageBody")

        assert policy.explain({}, body) == "the message body is not a JSON object"


class TestPolicyLimits:
    """§5.6"""

    @pytest.mark.rule("5.6/keys")
    @pytest.mark.rule("5.6/complexity")
    def test_the_largest_policy_passes(self):
        """§5.6: 150 combinations and five keys; alternatives add up."""
        compile_sns_filter({"a": list("1234567890"), "b": list("1234567890abcde")})
        compile_sns_filter({letter: ["x"] for letter in "abcde"})
        compile_sns_filter({"top": {letter: ["x"] for letter in "abcde"}}, "MessageBody")
        compile_sns_filter({"$or": [{"a": [str(n) for n in range(100)]}, {"b": [str(n) for n in range(50)]}]})

    @pytest.mark.parametrize(
        "policy",
        [
            {"$or": [{"a": [str(n) for n in range(100)]}, {"b": [str(n) for n in range(51)]}]},
            {"a": [{"wildcard": f"{n}*x*"} for n in range(6)]},
            {"a": [{"anything-but": {"wildcard": [f"{n}*x*" for n in range(6)]}}]},
            {"$or": [{"a": [{"wildcard": "*1*2*3*"}]}, {"b": ["x"]}]},
            '{"a": ["' + "x" * 262_144 + '"]}',
        ],
    )
    @pytest.mark.rule("5.6/complexity")
    @pytest.mark.rule("5.6/policy-size")
    @pytest.mark.rule("5.6/wildcard-limits")
    def test_a_larger_policy_is_too_complex(self, policy):
        """§5.6: combinations, wildcards and bytes are bounded."""
        with pytest.raises(InvalidPattern, match="Filter policy is too complex"):
            compile_sns_filter(policy)

    @pytest.mark.rule("5.6/keys")
    def test_nested_keys_count_by_their_leaves(self):
        """§5.6: six leaves are too many, however few keys are at the top."""
        with pytest.raises(InvalidPattern, match="can not have more than 5 keys"):
            compile_sns_filter({"top": {letter: ["x"] for letter in "abcdef"}}, "MessageBody")

    @pytest.mark.rule("5.6/numeric-range")
    def test_numbers_have_a_range(self):
        """§5.6: from -10⁹ to 10⁹."""
        compile_sns_filter({"a": [{"numeric": ["<=", 1e9]}]})
        with pytest.raises(InvalidPattern, match="Value must be between"):
            compile_sns_filter({"a": [{"numeric": ["<=", 1e9 + 1]}]})


def criteria(*patterns):
    """`FilterCriteria` with these patterns."""
    return {"Filters": [{"Pattern": json.dumps(pattern)} for pattern in patterns]}


class TestQueueFilters:
    """§3.10"""

    @pytest.mark.parametrize(
        ("pattern", "body", "verdict"),
        [
            ({"body": {"a": [1]}}, '{"a": 1}', True),
            ({"body": {"a": [1]}}, '{"a": 2}', False),
            ({"body": {"a": [1]}}, "plain", False),
            ({"body": ["plain"]}, "plain", True),
            ({"body": ["plain"]}, "other", False),
            ({"body": ['{"a": 1}']}, '{"a": 1}', False),
            ({"body": [{"prefix": "pl"}]}, "plain", True),
            ({"messageId": ["1"]}, "plain", True),
            ({"messageId": ["1"]}, '{"a": 1}', True),
            ({"messageId": ["2"], "body": {"a": [1]}}, '{"a": 1}', False),
            ({"$or": [{"messageId": ["2"]}, {"messageId": ["1"]}]}, "x", True),
        ],
    )
    @pytest.mark.rule("3.10/body-only")
    @pytest.mark.rule("3.10/plain-plain")
    @pytest.mark.rule("3.10/plain-body")
    @pytest.mark.rule("3.10/json-body")
    @pytest.mark.rule("3.10/json-json")
    @pytest.mark.rule("3.10/no-body-pattern")
    @pytest.mark.rule("3.10/operators")
    def test_json_and_plain_text_do_not_mix(self, pattern, body, verdict):
        """§3.10: the table of body and pattern formats; without a body pattern the body is not looked at."""
        compiled = compile_mapping_filter(criteria(pattern), "sqs")

        assert compiled.matches({"messageId": "1", "body": body}) is verdict

    @pytest.mark.rule("3.10/alternatives")
    def test_filters_are_alternatives(self):
        """§3.10: one of several is enough; the reason names each."""
        compiled = compile_mapping_filter(criteria({"body": {"a": [1]}}, {"body": {"b": [1]}}), "sqs")

        assert compiled.matches({"body": '{"b": 1}'})
        assert compiled.explain({"body": '{"b": 2}'}) == "body.a: wanted 1, found no value; body.b: wanted 1, found 2"
        assert compiled.explain({"body": "text"}) == "; ".join(["body: wanted JSON, found plain text"] * 2)
        assert compiled.explain({"body": '{"b": 1}'}) is None

    @pytest.mark.rule("3.10/duplicate-keys")
    def test_of_two_equal_keys_the_last_counts(self):
        """§3.10: duplicate keys in a pattern."""
        compiled = compile_mapping_filter({"Filters": [{"Pattern": '{"body": {"a": [1], "a": [2]}}'}]}, "sqs")

        assert (compiled.matches({"body": '{"a": 2}'}), compiled.matches({"body": '{"a": 1}'})) == (True, False)

    @pytest.mark.parametrize(
        ("entry", "passes", "fails"),
        [
            (None, None, 0),
            ("", "", "a"),
            ("a", "a", "A"),
            (1, 1, 2),
            ({"anything-but": ["a"]}, "b", "a"),
            ({"numeric": [">", 1, "<", 3]}, 2, 3),
            ({"exists": True}, "x", ...),
            ({"exists": False}, ..., "x"),
            ({"prefix": "a"}, "ab", "ba"),
            ({"suffix": "a"}, "ba", "ab"),
            ({"equals-ignore-case": "ab"}, "AB", "a"),
        ],
    )
    @pytest.mark.rule("3.10/operators")
    def test_operators(self, entry, passes, fails):
        """§3.10: the operators that filters of mappings have; `...` is a missing field."""
        compiled = compile_mapping_filter(criteria({"body": {"k": [entry]}}), "sqs")

        def verdict(value):
            return compiled.matches({"body": json.dumps({"o": 1} if value is ... else {"k": value})})

        assert (verdict(passes), verdict(fails)) == (True, False)

    @pytest.mark.parametrize("none", [None, {}, {"Filters": []}, {"Filters": [{"Pattern": "{}"}]}, {"Filters": [{}]}])
    @pytest.mark.rule("3.10/no-body-pattern")
    def test_without_filters_everything_passes(self, none):
        """§3.10: no criteria, no filter."""
        assert compile_mapping_filter(none, "sqs").matches({"body": "x"})

    @pytest.mark.rule("6.2/mapping-operators")
    @pytest.mark.parametrize(
        "text", ["text", "[]", '{"body": "x"}', '{"body": [{"wildcard": "x*"}]}', '{"body": [{"cidr": "10.0.0.0/8"}]}']
    )
    @pytest.mark.rule("3.5/bad-filter")
    @pytest.mark.rule("3.10/operators")
    def test_a_bad_filter_is_refused(self, text):
        """§3.5, §3.10, §6.2: with Lambda's text; wildcards and address ranges are not among the operators of mappings."""
        with pytest.raises(InvalidPattern) as caught:
            compile_mapping_filter({"Filters": [{"Pattern": text}]}, "sqs")

        assert str(caught.value) == "Invalid filter pattern definition."
        assert caught.value.reason


class TestStreamFilters:
    """§4.8"""

    def record(self, data):
        encoded = base64.b64encode(data.encode()).decode()
        return {"eventSource": "aws:kinesis", "kinesis": {"partitionKey": "amy", "data": encoded}}

    @pytest.mark.parametrize(
        ("pattern", "data", "verdict"),
        [
            ({"data": {"a": [1]}}, '{"a": 1}', True),
            ({"data": {"a": [1]}}, "not json", False),
            ({"data": ["plain"]}, "plain", True),
            ({"partitionKey": ["amy"]}, "not json", True),
            ({"partitionKey": ["bob"], "data": {"a": [1]}}, '{"a": 1}', False),
            ({"eventSource": ["aws:kinesis"]}, "x", True),
        ],
    )
    def test_kinesis_data_is_decoded(self, pattern, data, verdict):
        """§4.8: data is decoded and parsed; metadata stands beside it."""
        assert compile_mapping_filter(criteria(pattern), "kinesis").matches(self.record(data)) is verdict

    def test_data_that_is_not_base64_is_taken_as_it_is(self):
        """A record that a test made by hand may have its data in plain text."""
        record = {"kinesis": {"data": '{"a": 1}'}}

        assert compile_mapping_filter(criteria({"data": {"a": [1]}}), "kinesis").matches(record)

    @pytest.mark.rule(
        "4.8/down-to-the-type", "4.8/n-is-a-string", "4.8/creation-is-a-number", "4.8/exists-false", "4.8/list-is-or"
    )
    @pytest.mark.parametrize(
        ("pattern", "verdict"),
        [
            ({"eventName": ["INSERT"]}, True),
            ({"dynamodb": {"NewImage": {"name": {"S": ["amy"]}}}}, True),
            ({"dynamodb": {"NewImage": {"name": ["amy"]}}}, False),
            ({"dynamodb": {"NewImage": {"name": [{"exists": False}]}}}, True),
            ({"dynamodb": {"NewImage": {"n": {"N": [{"numeric": [">", 1]}]}}}}, False),
            ({"dynamodb": {"NewImage": {"n": {"N": [{"numeric": [">", 100]}, {"anything-but": "101"}]}}}}, True),
            ({"dynamodb": {"ApproximateCreationDateTime": [{"numeric": [">", 1]}]}}, True),
        ],
    )
    def test_dynamodb_images_are_typed(self, pattern, verdict):
        """§4.8: patterns go down to the type key, numbers are texts, and a typed value counts as absent."""
        image = {"name": {"S": "amy"}, "n": {"N": "42"}}
        record = {"eventName": "INSERT", "dynamodb": {"NewImage": image, "ApproximateCreationDateTime": 1.7e9}}

        assert compile_mapping_filter(criteria(pattern), "dynamodb").matches(record) is verdict
