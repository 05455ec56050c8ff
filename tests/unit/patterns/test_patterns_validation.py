"""What is not a pattern, in AWS's words (§6.2)."""

from __future__ import annotations

import pytest

from stagefright.patterns import InvalidPattern, compile_pattern

NOT_STRING_IGNORE_CASE = "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported."
NOT_IN_LIST = "Inside anything but list, start|null|boolean is not supported."
MIXED = "Inside anything but list, either all values are number or string, mixed type is not supported"
NOT_ANYTHING_BUT = "Value of anything-but must be an array or single string/number value."
AFFIX = "prefix/suffix match pattern must be a string"
TOO_COMPLEX = (
    "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard "
    "character"
)
UNRECOGNIZED = "was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"


def reason_for(pattern):
    """Why a pattern is refused."""
    with pytest.raises(InvalidPattern) as caught:
        compile_pattern(pattern)
    assert str(caught.value) == f"Event pattern is not valid. Reason: {caught.value.reason}"
    return caught.value.reason


def refused_for(rule, *case):
    """A case that proves the refusal of §6.2 with that name."""
    return pytest.param(*case, marks=pytest.mark.rule(f"6.2/refused-{rule}"))


class TestRecorded:
    """§6.2, the validation texts"""

    @pytest.mark.parametrize(
        ("entry", "reason"),
        [
            refused_for("unrecognized-operator", {"EXISTS": True}, "Unrecognized match type EXISTS"),
            refused_for("unrecognized-operator", {"NUMERIC": ["=", 5]}, "Unrecognized match type NUMERIC"),
            refused_for("bad-numeric-operator", {"numeric": [">", 0, ">", 0]}, "Bad numeric range operator: >"),
            refused_for("numeric-bound", {"numeric": [">", 0, "<"]}, "Value of < must be numeric"),
            refused_for("numeric-array", {"numeric": 5}, "Value of numeric must be an array."),
            ({"numeric": [{"a": 1}]}, "Invalid member in numeric match: {"),
            refused_for("numeric-bound", {"numeric": ["=", True]}, "Value of equals must be numeric"),
            ({"numeric": ["=", 1, 2]}, "Too many elements in numeric expression"),
            ({"numeric": ["=", 1], "x": 2}, "Too many elements in numeric expression"),
            refused_for(
                "numeric-limits", {"numeric": ["=", 5_000_000_001]}, "Value must be between -5.0E9 and 5.0E9, inclusive"
            ),
            refused_for(
                "consecutive-wildcards",
                {"wildcard": "arn:aws:events:us-east-1:**:x"},
                "Consecutive wildcard characters at pos 26",
            ),
            refused_for("consecutive-wildcards", {"wildcard": "ä**"}, "Consecutive wildcard characters at pos 3"),
            ({"wildcard": r"a\b"}, "Invalid escape character at pos 2"),
            ({"wildcard": "a\\"}, "Invalid escape character at pos 2"),
            refused_for("wildcard-text", {"wildcard": 123}, "wildcard match pattern must be a string"),
            refused_for("wildcard-text", {"wildcard": ["a"]}, "wildcard match pattern must be a string"),
            refused_for("wildcard-complexity", {"wildcard": "*:*:*:*:*:event-bus/*"}, TOO_COMPLEX),
            refused_for("prefix-text", {"prefix": 123}, "prefix match pattern must be a string"),
            refused_for("prefix-text", {"prefix": ["a"]}, "prefix match pattern must be a string"),
            ({"prefix": {}}, "Prefix expression name not found"),
            ({"prefix": {"suffix": "a"}}, "Unsupported prefix pattern: suffix"),
            refused_for(
                "ignore-case-text",
                {"suffix": {"equals-ignore-case": 1}},
                "equals-ignore-case match pattern must be a string",
            ),
            ({"suffix": {"equals-ignore-case": "a", "b": 1}}, "Only one key allowed in match expression"),
            refused_for("suffix-text", {"suffix": 123}, "suffix match pattern must be a string"),
            refused_for("suffix-text", {"suffix": [".png"]}, "suffix match pattern must be a string"),
            ({"suffix": "a", "prefix": "b"}, "Only one key allowed in match expression"),
            refused_for("suffix-text", {"suffix": 1, "prefix": "b"}, "suffix match pattern must be a string"),
            refused_for(
                "ignore-case-text", {"equals-ignore-case": ["a"]}, "equals-ignore-case match pattern must be a string"
            ),
            refused_for(
                "ignore-case-text",
                {"equals-ignore-case": {"prefix": "a"}},
                "equals-ignore-case match pattern must be a string",
            ),
            refused_for("anything-but-affix-text", {"anything-but": {"prefix": 123}}, AFFIX),
            refused_for("anything-but-affix-text", {"anything-but": {"suffix": 123}}, AFFIX),
            refused_for("anything-but-affix-text", {"anything-but": {"prefix": [123, "a"]}}, AFFIX),
            refused_for("anything-but-null-affix", {"anything-but": {"prefix": ""}}, "Null prefix/suffix not allowed"),
            refused_for("anything-but-null-affix", {"anything-but": {"suffix": ""}}, "Null prefix/suffix not allowed"),
            refused_for(
                "anything-but-value", {"anything-but": {"prefix": {"equals-ignore-case": "a"}}}, NOT_ANYTHING_BUT
            ),
            refused_for(
                "anything-but-value", {"anything-but": {"suffix": {"equals-ignore-case": "a"}}}, NOT_ANYTHING_BUT
            ),
            refused_for(
                "wildcard-text", {"anything-but": {"wildcard": 123}}, "wildcard match pattern must be a string"
            ),
            refused_for(
                "wildcard-text",
                {"anything-but": {"wildcard": [123, "*/dir/*"]}},
                "wildcard match pattern must be a string",
            ),
            ({"anything-but": {"equals-ignore-case": 123}}, NOT_STRING_IGNORE_CASE),
            ({"anything-but": {"equals-ignore-case": [123, 456]}}, NOT_STRING_IGNORE_CASE),
            ({"anything-but": {"numeric": ["=", 1]}}, "Unsupported anything-but pattern: numeric"),
            ({"anything-but": {}}, "Anything-But expression name not found"),
            ({"anything-but": {"prefix": "a", "suffix": "b"}}, "Too many elements in numeric expression"),
            refused_for("anything-but-value", {"anything-but": None}, NOT_ANYTHING_BUT),
            refused_for("anything-but-value", {"anything-but": True}, NOT_ANYTHING_BUT),
            refused_for("anything-but-list-value", {"anything-but": ["a", None]}, NOT_IN_LIST),
            refused_for("anything-but-list-value", {"anything-but": [True]}, NOT_IN_LIST),
            refused_for("anything-but-homogeneous", {"anything-but": ["a", 1]}, MIXED),
            refused_for("anything-but-homogeneous", {"anything-but": []}, MIXED),
            refused_for("numeric-limits", {"anything-but": 6e9}, "Value must be between -5.0E9 and 5.0E9, inclusive"),
            ({"exists": 0}, "exists match pattern must be either true or false."),
            ({"exists": False, "prefix": "a"}, "Only one key allowed in match expression"),
            refused_for("cidr-slash", {"cidr": "10.0.0.0"}, "Malformed CIDR, one '/' required"),
            refused_for("cidr-slash", {"cidr": "10.0.0.0/1/2"}, "Malformed CIDR, one '/' required"),
            refused_for("cidr-mask", {"cidr": "10.0.0.0/xx"}, "Malformed CIDR, mask bits must be an integer"),
            ({"cidr": "10.0.0.0/-1"}, "Malformed CIDR, mask bits must not be negative"),
            refused_for("cidr-address", {"cidr": "xx.11.xx/8"}, "Nonstandard IP address: xx.11.xx"),
            refused_for(
                "cidr-address", {"cidr": "xxxx:db8:1234:1a00::/64"}, "Nonstandard IP address: xxxx:db8:1234:1a00::"
            ),
            ({"cidr": "10.0.0.0/32"}, "IPv4 mask bits must be < 32"),
            ({"cidr": "::/128"}, "IPv6 mask bits must be < 128"),
            ({"cidr": ["bad-type"]}, "prefix match pattern must be a string"),
            ({}, "Match expression name not found"),
            (["nested"], "Match value must be String, number, true, false, or null"),
        ],
    )
    def test_operator(self, entry, reason):
        """§6.2: the text of AWS, or of its open-source compiler where no recording is known."""
        assert reason_for({"detail": {"x": [entry]}}) == reason

    @pytest.mark.parametrize(
        ("pattern", "reason"),
        [
            refused_for("structure", {"int": 42}, '"int" must be an object or an array'),
            refused_for("structure", {"string": "my-value"}, '"string" must be an object or an array'),
            refused_for("structure", {"a": {"b": None}}, '"b" must be an object or an array'),
            refused_for("empty-array", {"resources": []}, "Empty arrays are not allowed"),
            ({}, "Empty objects are not allowed"),
            ({"a": {}}, "Empty objects are not allowed"),
            refused_for("not-an-object", '["not", "a", "dict", "but valid json"]', "Filter is not an object"),
            ("this is valid json but not a dict", f"Unrecognized token 'this': {UNRECOGNIZED}"),
            ('{"not": closed mark"', f"Unrecognized token 'closed': {UNRECOGNIZED}"),
            (
                "{'bad': 'quotation'}",
                "Unexpected character (''' (code 39)): was expecting double-quote to start field name",
            ),
            refused_for("unrecognized-operator", {"$or": [{"a": [1]}]}, "Unrecognized match type a"),
            refused_for("structure", {"$or": {"a": [1]}, "b": 1}, '"b" must be an object or an array'),
        ],
    )
    def test_structure(self, pattern, reason):
        """§6.2: what is wrong with the pattern as a whole."""
        assert reason_for(pattern) == reason


class TestLimits:
    """§6.2"""

    @pytest.mark.rule("6.2/or-combinations")
    def test_a_thousand_combinations(self):
        """§6.2: `$or` alternatives multiply, up to 1,000 combinations; nothing worse than a refusal comes after."""
        ten = [{f"k{n}": [1]} for n in range(10)]

        compile_pattern({name: {"$or": ten} for name in "abc"})
        assert "too complex" in reason_for({name: {"$or": ten} for name in "abcdefghijklmnop"})

    @pytest.mark.parametrize("depth", [5_000, 100_000])
    def test_depth(self, depth):
        """§6.2: a pattern that is nested too deeply is refused, not a crash."""
        reason_for('{"a":' * depth + "[1]" + "}" * depth)

    @pytest.mark.parametrize(
        "text", ['{"a": [NaN]}', '{"a": [Infinity]}', '{"a": [1' + "0" * 5_000 + "]}", "", "{", "[", '"']
    )
    def test_what_is_not_json(self, text):
        """§6.2: Python's extensions of JSON, and numbers that it cannot read, are refused."""
        reason_for(text)
