"""aws-semantics §8.2: what a function's answer to a REST API becomes."""

from __future__ import annotations

import pytest

MALFORMED = (502, '{"message": "Internal server error"}')


def returning(value):
    return f"def handler(event, context): return {value}"


@pytest.fixture
def answer(rest):
    """What the client gets for what the function returns."""

    def ask(value, *, accept=None, **api):
        return rest(returning(value), **api).get("/", headers={"Accept": accept} if accept else {})

    return ask


class TestStatus:
    """§8.2: the status and the type."""

    @pytest.mark.parametrize(
        "value",
        [
            pytest.param("{'statusCode': 200}", marks=pytest.mark.rule("8.2/status-only")),
            pytest.param("{'headers': {'X-A': 'b'}}", marks=pytest.mark.rule("8.2/headers-only")),
        ],
    )
    def test_without_a_body(self, answer, value):
        """§8.2: 200, nothing, application/json."""
        found = answer(value)

        assert (found.status_code, found.content) == (200, b"")
        assert found.headers["Content-Type"] == "application/json"

    @pytest.mark.rule("8.2/status-as-text")
    def test_as_text(self, answer):
        """§8.2: "201" is 201."""
        assert answer("{'statusCode': '201'}").status_code == 201

    @pytest.mark.rule("8.2/headers-null")
    def test_headers_may_be_null(self, answer):
        """§8.2: fine."""
        found = answer("{'statusCode': 200, 'headers': None, 'multiValueHeaders': None, 'body': 'x'}")

        assert (found.status_code, found.text) == (200, "x")

    @pytest.mark.rule("8.2/allowed-keys")
    def test_all_keys(self, answer):
        """§8.2: the five that there are."""
        value = "{'isBase64Encoded': False, 'statusCode': 418, 'headers': {'A': '1'}, 'multiValueHeaders': {'B': ['2']}, 'body': 'x'}"
        found = answer(value)

        assert (found.status_code, found.text) == (418, "x")
        assert (found.headers["A"], found.headers["B"]) == ("1", "2")

    def test_its_own_type(self, answer):
        """A type of its own replaces application/json, however it is spelled."""
        found = answer("{'statusCode': 200, 'headers': {'content-type': 'text/html'}, 'body': '<p>'}")

        assert found.headers["Content-Type"] == "text/html"


class TestMalformed:
    """§8.2: 502 with a body of API Gateway's own."""

    @pytest.mark.parametrize(
        "value",
        [
            pytest.param("{'statusCode': 200, 'wrong': 1}", marks=pytest.mark.rule("8.2/unknown-key")),
            pytest.param("{'statusCode': 200, 'cookies': []}", marks=pytest.mark.rule("8.2/allowed-keys")),
            pytest.param("{}", marks=pytest.mark.rule("8.2/empty-answer")),
            pytest.param("'just text'", marks=pytest.mark.rule("8.2/bare-string")),
            pytest.param(
                "{'statusCode': 200, 'multiValueHeaders': {'A': 'b'}}",
                marks=pytest.mark.rule("8.2/multi-value-not-a-list"),
            ),
            pytest.param("{'statusCode': 'wrong'}", marks=pytest.mark.rule("8.2/status-not-a-number")),
            pytest.param("None", marks=pytest.mark.rule("8.2/any-other-format")),
            pytest.param("[1, 2]", marks=pytest.mark.rule("8.2/any-other-format")),
            pytest.param("7", marks=pytest.mark.rule("8.2/any-other-format")),
            pytest.param("{'statusCode': 200, 'headers': 'no'}", marks=pytest.mark.rule("8.2/any-other-format")),
            pytest.param("{'statusCode': 200, 'headers': {'A': []}}", marks=pytest.mark.rule("8.2/any-other-format")),
            pytest.param("{'statusCode': 99}", marks=pytest.mark.rule("8.2/any-other-format")),
        ],
    )
    def test_it_is_a_502(self, system, answer, value):
        """§8.2: the client learns nothing of it; the journal does."""
        found = answer(value)

        assert (found.status_code, found.text) == MALFORMED
        assert system.dropped() == ["the function's answer is malformed"]

    @pytest.mark.rule("8.2/body-as-object")
    def test_an_object_as_body(self, answer):
        """§8.2: assumed to be a 502."""
        found = answer("{'statusCode': 200, 'body': {'a': 1}}")

        assert (found.status_code, found.text) == MALFORMED

    @pytest.mark.rule("8.2/body-as-object")
    def test_an_object_as_body_is_an_assumption(self, system, rest):
        """§8.2: a project that knows better says so."""
        import dataclasses

        http = rest(returning("{'statusCode': 200, 'body': {'a': 1}}"))
        world = system.stage.world
        world.assumptions = dataclasses.replace(world.assumptions, rest_object_body_status=500)

        assert http.get("/").status_code == 500


class TestHeaders:
    """§8.2: two maps of headers, and what becomes of their values."""

    @pytest.mark.rule("8.2/header-values-become-text")
    def test_values_become_text(self, answer):
        """§8.2: booleans and numbers."""
        found = answer("{'statusCode': 200, 'headers': {'A': True, 'B': 1, 'C': 1.5}}")

        assert [found.headers[name] for name in "ABC"] == ["true", "1", "1.5"]

    @pytest.mark.rule("8.2/headers-merged")
    def test_merged(self, answer):
        """§8.2: both maps reach the client; several values stay several."""
        found = answer(
            "{'statusCode': 200, 'headers': {'A': '1'}, 'multiValueHeaders': {'Set-Cookie': ['a=1', 'b=2']}}"
        )

        assert found.headers["A"] == "1"
        assert found.cookies.get_dict() == {"a": "1", "b": "2"}

    @pytest.mark.rule("8.2/same-header-twice")
    def test_the_same_header_in_both(self, answer):
        """§8.2: the multi value, then the solo one, under the name of the former."""
        found = answer("{'headers': {'X-KEY': 'value-solo'}, 'multiValueHeaders': {'x-Key': ['value-multi']}}")

        assert found.headers["x-key"] == "value-multi, value-solo"
        # requests joins the lines under the first one's name.
        lines = found.raw._original_response.msg.items()
        assert [line for line in lines if line[0].lower() == "x-key"] == [
            ("x-Key", "value-multi"),
            ("x-Key", "value-solo"),
        ]

    @pytest.mark.rule("8.2/identical-pair-once")
    def test_an_identical_pair(self, answer):
        """§8.2: once."""
        found = answer("{'headers': {'X-Key': 'same'}, 'multiValueHeaders': {'X-Key': ['same', 'other']}}")

        assert found.headers["X-Key"] == "same, other"

    def test_some_are_renamed(self, answer):
        """Headers of the connection are API Gateway's own; the function's come out with a prefix."""
        found = answer("{'headers': {'Content-Length': '99', 'Server': 'mine'}, 'body': 'abc'}")

        assert found.headers["Content-Length"] == "3"
        assert found.headers["x-amzn-Remapped-Server"] == "mine"


class TestBinary:
    """§8.2: base64 is decoded for who asks for a binary media type."""

    PNG = "{'isBase64Encoded': True, 'body': 'AP8=', 'headers': {'Content-Type': 'image/png'}}"

    @pytest.mark.rule("8.2/base64-without-binary-type")
    @pytest.mark.rule("8.2/binary-needs-types")
    def test_without_types(self, answer):
        """§8.2: text, undecoded."""
        assert answer(self.PNG, accept="image/png").text == "AP8="

    @pytest.mark.rule("8.2/binary-out")
    @pytest.mark.parametrize(
        ("accept", "content"),
        [
            ("image/png", b"\x00\xff"),
            ("image/png, text/html", b"\x00\xff"),
            ("text/html, image/png", b"AP8="),
            ("*/*", b"AP8="),
        ],
    )
    def test_the_first_accept_decides(self, answer, accept, content):
        """§8.2: what comes after it does not."""
        assert answer(self.PNG, accept=accept, BinaryMediaTypes=["image/png"]).content == content

    @pytest.mark.rule("8.2/binary-out")
    def test_every_type(self, answer):
        """§8.2: */* of the API means all."""
        assert answer(self.PNG, BinaryMediaTypes=["*/*"]).content == b"\x00\xff"

    def test_text_stays_text(self, answer):
        """Without isBase64Encoded nothing is decoded."""
        assert answer("{'body': 'AP8='}", BinaryMediaTypes=["*/*"]).content == b"AP8="
