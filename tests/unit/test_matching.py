"""Expectations: which events match, and the reasons when they do not."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from stagefright.errors import UsageError
from stagefright.event import Event
from stagefright.journal import Record
from stagefright.matching import Expectation


def event(**envelope):
    return Event(Record(3, 0.0, "event", "Feed", None, {"id": "e-1", **envelope}))


def reasons(found, **parts):
    return [str(difference) for difference in Expectation(**parts).match(found).differences]


def test_no_parts_match_any_event():
    """`expect()` takes the next event, whatever it is."""
    assert Expectation().match(event(message="x")).holds
    assert str(Expectation()) == "any event"


class TestValues:
    """How a wanted value is compared with what the event has."""

    @pytest.mark.parametrize(
        ("wanted", "payload"),
        [
            ("plain", "plain"),
            ('{"a": 1}', '{"a": 1}'),
            ({"author": "amy"}, '{"author": "amy", "text": "hi"}'),
            ({"post": {"author": "amy"}}, '{"post": {"author": "amy", "likes": 3}}'),
            ({"items": [1, {"b": 2}]}, '{"items": [1, {"b": 2, "c": 3}]}'),
            ([1, 2], "[1, 2]"),
            ({"inner": {"author": "amy"}}, '{"inner": "{\\"author\\": \\"amy\\"}"}'),
            (5, "5"),
            (None, "null"),
            (b"raw", "raw"),
            ({}, '{"anything": 1}'),
        ],
    )
    def test_an_event_that_has_what_is_wanted_matches(self, wanted, payload):
        """A mapping is a subset at every depth; JSON text is parsed for it, also inside JSON."""
        assert reasons(event(message=payload), message=wanted) == []

    @pytest.mark.parametrize(
        ("wanted", "payload", "expected"),
        [
            ({"author": "amy"}, '{"author": "bob"}', ['message.author: wanted "amy", found "bob"']),
            ({"author": "amy"}, "{}", ['message.author: wanted "amy", found nothing']),
            ({"author": "amy"}, "no json", ['message.author: wanted "amy", found "no json"']),
            ({"a": {"b": 1, "c": 2}}, '{"a": {"b": 1, "c": 3}}', ["message.a.c: wanted 2, found 3"]),
            ([1, 2], "[1, 2, 3]", ["message: wanted [1, 2], found [1, 2, 3]"]),
            ([1, {"b": 2}], '[1, {"b": 3}]', ["message[1].b: wanted 2, found 3"]),
            ({"paid": True}, '{"paid": 1}', ["message.paid: wanted true, found 1"]),
            ("plain", "other", ['message: wanted "plain", found "other"']),
        ],
    )
    def test_each_field_that_differs_is_named_with_both_values(self, wanted, payload, expected):
        """The reasons say path, wanted and found; the fields that are right are not mentioned."""
        assert reasons(event(message=payload), message=wanted) == expected

    def test_a_part_that_the_event_lacks_is_a_difference(self):
        """A queue's event has no `message`, and the reason says so."""
        assert reasons(event(body="x"), message="x") == ['message: wanted "x", found nothing']

    def test_attributes_are_plain_values(self):
        """SQS and SNS wrap attributes in their types; a test compares values."""
        wrapped = {"ErrorCode": {"DataType": "Number", "StringValue": "200"}, "Kind": {"Type": "String", "Value": "x"}}
        found = event(body="x", attributes=wrapped)

        assert reasons(found, attributes={"ErrorCode": "200", "Kind": "x"}) == []
        assert found.attributes["ErrorCode"] == "200"


class TestPredicates:
    """Callables decide for themselves."""

    def test_a_predicate_gets_the_parsed_payload(self):
        """JSON objects arrive as dicts, other text as text."""
        assert reasons(event(message='{"n": 3}'), message=lambda m: m["n"] == 3) == []
        assert reasons(event(message="text"), message=lambda m: m.startswith("te")) == []
        assert reasons(event(message='{"n": 3}'), message={"n": lambda n: n > 2}) == []

    def test_a_predicate_that_refuses_shows_what_it_got(self):
        """A named predicate is named in the reason."""

        def is_paid(order):
            return order["paid"]

        assert reasons(event(message='{"paid": false}'), message=is_paid) == [
            'message: wanted a value that is_paid() accepts, found {"paid": false}'
        ]

    def test_a_predicate_that_raises_does_not_match(self):
        """An event that a predicate cannot judge is a miss with the error as its reason, not a crash."""
        (reason,) = reasons(event(message="{}"), message=lambda m: m["paid"])

        assert "raised KeyError: 'paid', for {}" in reason

    def test_a_predicate_is_not_asked_about_a_missing_part(self):
        """There is nothing to give it."""
        assert reasons(event(body="x"), message=lambda m: True) == [
            "message: wanted a value that lambda m: True accepts, found nothing"
        ]


class TestPatterns:
    """EventBridge's own language."""

    ORDER = MappingProxyType(
        {"source": "shop", "detail_type": "OrderPaid", "detail": {"total": 10, "state": "paid"}, "resources": []}
    )

    def test_a_pattern_sees_the_whole_envelope(self):
        """AWS's names hold: `detail-type`, `source`, `account`."""
        pattern = {
            "detail-type": ["OrderPaid"],
            "source": [{"prefix": "sh"}],
            "account": ["123456789012"],
            "detail": {"total": [{"numeric": [">", 5]}]},
        }
        match = Expectation(pattern=pattern).match(event(**self.ORDER), {"account": "123456789012"})

        assert match.holds

    def test_each_field_of_a_pattern_that_fails_is_named(self):
        """Not only the first one."""
        wrong = {"source": ["store"], "detail-type": ["OrderPaid"], "detail": {"state": ["open"]}}
        match = Expectation(pattern=wrong).match(event(**self.ORDER))

        assert [str(difference) for difference in match.differences] == [
            'source: wanted "store", found "shop"',
            'detail.state: wanted "open", found "paid"',
        ]
        assert match.score == pytest.approx(1 / 3)

    def test_fields_that_only_fail_together_are_explained(self):
        """Each field holds somewhere in an array, but no one element has them all."""
        found = event(source="s", detail_type="t", detail={"items": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]})
        (reason,) = reasons(found, pattern={"detail": {"items": {"a": [1], "b": [4]}}})

        assert "not all in the same element" in reason

    def test_a_pattern_reads_the_parts_of_other_services(self):
        """On a topic the pattern sees the parsed message."""
        assert reasons(event(message='{"n": 1}'), pattern={"message": {"n": [1]}}) == []


def test_the_score_is_the_share_of_fields_that_are_right():
    """Nearest first needs a number: an event with two of three fields is nearer than one with none."""
    wanted = {"a": 1, "b": 2, "c": [3, 4]}
    scores = [
        Expectation(message=wanted).match(event(message=payload)).score
        for payload in ('{"a": 1, "b": 2, "c": [3, 4]}', '{"a": 1, "b": 2, "c": [3, 5]}', '{"a": 1}', "no json")
    ]

    assert scores == [1.0, 0.75, 0.25, 0.0]


def test_a_misspelt_part_is_refused_at_once():
    """`mesage=` would otherwise never match, and the test would wait for nothing."""
    with pytest.raises(UsageError, match=r"no part 'mesage'. Did you mean message\?"):
        Expectation(mesage="x")


def test_another_services_payload_can_be_compared():
    """For the hint that a matching event was seen elsewhere, `message` is compared with a queue's `body`."""
    found = event(body='{"author": "amy"}')

    assert not Expectation(message={"author": "amy"}).match(found).holds
    assert Expectation(message={"author": "amy"}).match(found, any_payload=True).holds


class TestEvents:
    """What an event gives besides matching."""

    def test_the_payload_is_there_raw_and_parsed(self):
        """`.message` is what travels, `.json` what it means."""
        found = event(message='{"author": "amy"}', subject="hi", key=None)

        assert found.message == '{"author": "amy"}'
        assert found.json == {"author": "amy"}
        assert (found.subject, found.id, found.record, found.resource) == ("hi", "e-1", 3, "Feed")

    def test_a_part_that_is_not_there_lists_those_that_are(self):
        """Asking a queue's event for `message` is a common slip."""
        with pytest.raises(AttributeError, match=r"event on Feed has no 'message'. It has: attributes, body"):
            event(body="x").message  # noqa: B018

    def test_a_tables_change_has_plain_values(self):
        """DynamoDB's typed images arrive as plain Python values."""
        change = {
            "Keys": {"id": {"S": "1"}},
            "NewImage": {"id": {"S": "1"}, "total": {"N": "3"}, "tags": {"SS": ["a"]}},
        }
        found = event(event_name="INSERT", key=change["Keys"], data=change)

        assert (found.key, found.new) == ({"id": "1"}, {"id": "1", "total": 3, "tags": {"a"}})
        assert reasons(found, event_name="INSERT", new={"total": 3}) == []
        assert reasons(found, new={"total": 4}) == ["new.total: wanted 4, found 3"]

    def test_an_unknown_attribute_is_an_ordinary_attribute_error(self):
        """`copy` and `hasattr` ask for names that have nothing to do with AWS."""
        assert not hasattr(event(body="x"), "nonsense")
