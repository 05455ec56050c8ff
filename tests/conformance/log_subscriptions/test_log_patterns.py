"""aws-semantics §10.3: the filter patterns of CloudWatch Logs; the examples are AWS's own."""

from __future__ import annotations

import json

import pytest

from stagefright.patterns.log_patterns import BadLogPattern, compile_log_pattern

LINES = [
    "[ERROR 400] BAD REQUEST",
    "[ERROR 401] UNAUTHORIZED REQUEST",
    "[ERROR 419] MISSING ARGUMENTS",
    "[ERROR 420] INVALID ARGUMENTS",
    "[ERROR 500] INTERNAL SERVER ERROR",
    "[INFO] REQUEST FAILED",
    "fine",
]

TRAIL = json.dumps(
    {
        "eventType": "UpdateTrail",
        "sourceIPAddress": "111.111.111.111",
        "arrayKey": ["value", "another value"],
        "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}],
        "SomeObject": None,
        "ThisFlag": True,
        "cluster.name": "c",
    }
)

PEOPLE = json.dumps(
    {
        "user": {"id": 1, "email": "John.Stiles@example.com"},
        "users": [{"id": 2, "email": "John.Doe@example.com"}, {"id": 3, "email": "Jane.Doe@example.com"}],
        "actions": ["GET", "PUT", "DELETE"],
        "coordinates": [[0, 1, 2], [4, 5, 6], [7, 8, 9]],
    }
)

ACCESS = '127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'

WORDS = [
    "INFO 09/25/2014 12:00:00 GET /service/resource/67 1200",
    "INFO 09/25/2014 12:00:01 POST /service/resource/67/part/111 1310",
    "WARNING 09/25/2014 12:00:02 Invalid user request",
    "ERROR 09/25/2014 12:00:02 Failed to process request",
]


def matching(pattern, lines):
    """The places of the lines that a pattern lets through."""
    return [place for place, line in enumerate(lines) if compile_log_pattern(pattern).matches(line)]


class TestText:
    """§10.3: terms of unstructured text."""

    @pytest.mark.rule("10.3/pattern-terms")
    @pytest.mark.parametrize(
        ("pattern", "places"),
        [
            ("ERROR", [0, 1, 2, 3, 4]),
            ("error", []),
            ("ERROR ARGUMENTS", [2, 3]),
            ("ERROR -ARGUMENTS", [0, 1, 4]),
            ('"ERROR" - "ARGUMENTS"', [0, 1, 4]),
            ('"INTERNAL SERVER ERROR"', [4]),
            ("-ERROR", [5, 6]),
            ('"[INFO]"', [5]),
        ],
    )
    def test_terms(self, pattern, places):
        """§10.3: all of them, anywhere, case-sensitive."""
        assert matching(pattern, LINES) == places

    @pytest.mark.rule("10.3/pattern-optional-terms")
    @pytest.mark.parametrize(
        ("pattern", "places"),
        [
            ("?BAD ?MISSING", [0, 2]),
            ('?"400" ?FAILED', [0, 5]),
            ("?ERROR ?ARGUMENTS REQUEST", [0, 1, 5]),
            ("?X -ERROR", [5, 6]),
        ],
    )
    def test_optional_terms(self, pattern, places):
        """§10.3: one of them; nothing beside other terms."""
        assert matching(pattern, LINES) == places

    @pytest.mark.rule("10.3/pattern-everything")
    @pytest.mark.parametrize("pattern", ["", " ", '" "', '""'])
    def test_everything(self, pattern):
        """§10.3: no condition at all."""
        assert matching(pattern, LINES) == list(range(len(LINES)))

    @pytest.mark.rule("10.3/pattern-regex")
    @pytest.mark.parametrize(
        ("pattern", "line", "matches"),
        [
            ("%AUTHORIZED%", "[ERROR 401] UNAUTHORIZED REQUEST", True),
            ("%^[hc]at%", "hat", True),
            ("%^[hc]at%", "a hat", False),
            ("%[hc]at$%", "a cat", True),
            ("%colou?r%", "color", True),
            ("%a{3,5}%", "aa", False),
            ("%a{3, 5}%", "aaaa", True),
            ("%^starting|^initializing|^shutting down%", "skipping initializing ...", False),
            ("%^starting|^initializing|^shutting down%", "shutting down now", True),
            (r"%\[.\]%", "an [@]", True),
            (r"%10\.10\.0\.1%", "10010,051", False),
            (r"%\d\D\w\W\s\S%", "1a_. x", True),
            (r"%\x3A\x28%", "a:(b", True),
            ("ERROR %4[0-9]+%", "ERROR 404", True),
            ("ERROR -%4[0-9]+%", "ERROR 404", False),
        ],
    )
    def test_regular_expressions(self, pattern, line, matches):
        """§10.3: searched, with the operators that AWS lists."""
        assert compile_log_pattern(pattern).matches(line) is matches


class TestJson:
    """§10.3: JSON log events."""

    @pytest.mark.rule("10.3/pattern-json")
    @pytest.mark.parametrize(
        ("pattern", "matches"),
        [
            ('{ $.eventType = "UpdateTrail" }', True),
            ("{ $.eventType = UpdateTrail }", True),
            ("{$.eventType=updatetrail}", False),
            ('{ $.eventType != "UpdateTrail" }', False),
            ("{ $.eventType = %Trail% }", True),
            ('{ $.arrayKey[0] = "value" }', True),
            ('{ $.arrayKey[1] = "value" }', False),
            ('{ $.arrayKey[7] = "value" }', False),
            ("{ $.objectList[1].id = 2 }", True),
            ("{ $.objectList[1].id = 2.0 }", True),
            ("{ $.objectList[1].id != 2 }", False),
            ("{ $.objectList[1].id >= 2 }", True),
            ("{ $.objectList[1].id > 1e0 }", True),
            ("{ $.objectList[1].id < -1 }", False),
            ("{ $.objectList[1].id <= +2 }", True),
            ("{ $.eventType > 1 }", False),
            ("{ $.['cluster.name'] = \"c\" }", True),
        ],
    )
    def test_comparisons(self, pattern, matches):
        """§10.3: text and numbers, fields and elements."""
        assert compile_log_pattern(pattern).matches(TRAIL) is matches

    @pytest.mark.rule("10.3/pattern-json-wildcards")
    @pytest.mark.parametrize(
        ("pattern", "matches"),
        [
            ("{ $.sourceIPAddress != 123.123.* }", True),
            ("{ $.sourceIPAddress = 111.* }", True),
            ('{ $.eventType = "*Trail" }', True),
            ("{ $.eventType = *pdate* }", True),
            ("{ $.eventType = Up*il }", False),
            ("{ $.eventType = * }", True),
            ("{ $.arrayKey[*] = %val.{2}% }", True),
            ("{ $.arrayKey[*] = another }", False),
            (r"{ $.* = %111\.111\.111\.1[0-9]{1,2}% }", True),
            ("{ $.objectList[*].id = 2 }", True),
        ],
    )
    def test_wildcards(self, pattern, matches):
        """§10.3: of values at their ends, of elements and of fields."""
        assert compile_log_pattern(pattern).matches(TRAIL) is matches

    @pytest.mark.rule("10.3/pattern-json-is")
    @pytest.mark.parametrize(
        ("pattern", "matches"),
        [
            ("{ $.SomeObject IS NULL }", True),
            ("{ $.eventType IS NULL }", False),
            ("{ $.SomeOther IS NULL }", False),
            ("{ $.ThisFlag IS TRUE }", True),
            ("{ $.ThisFlag IS FALSE }", False),
            ("{ $.SomeOtherObject NOT EXISTS }", True),
            ("{ $.SomeObject NOT EXISTS }", False),
            ("{ $.objectList[2] NOT EXISTS }", True),
        ],
    )
    def test_is_and_not_exists(self, pattern, matches):
        """§10.3: constants, and absence."""
        assert compile_log_pattern(pattern).matches(TRAIL) is matches

    @pytest.mark.rule("10.3/pattern-json-compound")
    @pytest.mark.parametrize(
        ("pattern", "matches"),
        [
            ('{ ($.user.id = 1) && ($.users[0].email = "John.Doe@example.com") }', True),
            (
                '{ $.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = "nonmatch" && $.actions[2] = "nonmatch" }',
                True,
            ),
            (
                '{ ($.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = nonmatch) && $.actions[2] = nonmatch }',
                False,
            ),
            ('{ ($.user.id = 2 && $.users[0].email = "nonmatch") || $.actions[2] = "GET" }', False),
            ("{($.user.id=1)&&($.coordinates[1][2]=6)}", True),
        ],
    )
    def test_compounds(self, pattern, matches):
        """§10.3: AWS's four examples, and one without spaces."""
        assert compile_log_pattern(pattern).matches(PEOPLE) is matches

    @pytest.mark.rule("10.3/pattern-json-no-value")
    @pytest.mark.parametrize(
        "pattern", ["{ $.users = 1 }", "{ $.users != 1 }", "{ $.user != a }", "{ $.missing != 1 }"]
    )
    def test_what_is_no_value(self, pattern):
        """§10.3: arrays, objects and nothing match neither way."""
        assert not compile_log_pattern(pattern).matches(PEOPLE)

    @pytest.mark.parametrize("message", ["plain text", "7", '"text"', "{broken", "[INFO]\t{}"])
    def test_what_is_no_json(self, message):
        """§10.3: a JSON pattern is for log events that are JSON."""
        assert not compile_log_pattern("{ $.missing NOT EXISTS }").matches(message)


class TestFields:
    """§10.3: space-delimited log events."""

    @pytest.mark.rule("10.3/pattern-fields")
    @pytest.mark.parametrize(
        ("pattern", "matches"),
        [
            ("[ip, user, username, timestamp, request, status_code, bytes]", True),
            ("[ip, user, username, timestamp, request, status_code, bytes > 1000]", True),
            ("[ip, user, username, timestamp, request, status_code, bytes > 2000]", False),
            ("[ip, user, username, timestamp, request =*.html*, status_code = 4*, bytes]", True),
            ("[..., request =*.html*, status_code = 4*, bytes]", True),
            ("[..., request=*.html*, status_code=4*,]", True),
            ("[ip, user, ..., status_code = 404, bytes]", True),
            ("[ip, ...]", True),
            ("[ip, user, username, timestamp, request, status_code = 404 || status_code = 410, bytes]", True),
            ("[ip, user, username, timestamp, request, status_code = 4* && status_code != 404, bytes]", False),
            (r"[ip=%127\.0\.0\.[1-9]%, user, username, timestamp, request =*.html*, status_code = 4*, bytes]", True),
            ('[..., timestamp = "10/Oct/*", request, status_code, bytes]', True),
            ("[a, b, c, d, e, f, g, h]", False),
            ("[..., a=x]", False),
            ("[]", True),
        ],
    )
    def test_an_access_log(self, pattern, matches):
        """§10.3: seven fields, of which one is in brackets and one in quotes."""
        assert compile_log_pattern(pattern).matches(ACCESS) is matches

    @pytest.mark.rule("10.3/pattern-fields-rest")
    @pytest.mark.parametrize(
        ("pattern", "places"),
        [
            ("[w1=ERROR, w2]", [3]),
            ("[w1=ERROR || w1=WARNING, w2]", [2, 3]),
            ("[w1!=ERROR && w1!=WARNING, w2]", [0, 1]),
            ("[w1=ERROR]", []),
            ("[logLevel, date, time, method, url=%/service/resource/[0-9]+$%, response_time]", [0]),
            ("[logLevel, date, time, method, url=%/service/resource/[0-9]+/part/[0-9]+$%, response_time]", [1]),
        ],
    )
    def test_the_rest_of_the_line(self, pattern, places):
        """§10.3: AWS's "blank indicator"."""
        assert matching(pattern, WORDS) == places


class TestRefusals:
    """§10.3: what is no pattern."""

    @pytest.mark.rule("10.3/pattern-refused")
    @pytest.mark.parametrize(
        "pattern",
        [
            "foo.bar",
            '"unclosed',
            "%unclosed",
            "%something!%",
            "%(a|b)%",
            "%[a%",
            r"%\b%",
            "%ä%",
            "{ $.a }",
            "{ $.a = }",
            "{ a = 1 }",
            "{ $ = 1 }",
            "{ $.a = 1",
            "{ $.a = 1 } x",
            "{ $.a = 1 && }",
            "{ ($.a = 1 }",
            "{ $.a > b }",
            "{ $.a EXISTS }",
            '{ $.["a"] = 1 }',
            "{ $.*.* = 1 }",
            "{ $.a[*] = 1 || $.b[*] = 1 || $.c[*] = 1 || $.d[*] = 1 }",
            "{ $.a = %a% || $.b = %b% || $.c = %c% }",
            "[a, b",
            "[a] x",
            "[a, ..., b, ...]",
            "[a = 1 && b = 2]",
            "[a > b]",
            "{ " + "(" * 1000 + " }",
        ],
    )
    def test_refused(self, pattern):
        """§10.3: each of these breaks one rule of the language."""
        with pytest.raises(BadLogPattern):
            compile_log_pattern(pattern)
