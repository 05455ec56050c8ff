"""EventBridge accepts events one by one, and mostly with a 200 (§6.1)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from stagefright.assumptions import Assumptions
from stagefright.event import Event
from stagefright.matching import Expectation
from stagefright.patterns import matches

EVENT = {"id": "1", "account": "1", "source": "shop", "time": "t", "region": "r", "detail-type": "d"}
ENTRY = {"Source": "shop", "DetailType": "order", "Detail": "{}"}


class TestEntries:
    """§6.1, faults of an entry"""

    @pytest.mark.rule("6.1/missing-argument")
    @pytest.mark.rule("6.1/replies-in-order")
    @pytest.mark.parametrize("missing", ["Source", "DetailType", "Detail"])
    def test_a_missing_part_fails_its_entry_only(self, world, missing):
        """§6.1: the call succeeds, and the replies stand in the order of the entries."""
        faulty = {name: value for name, value in ENTRY.items() if name != missing}

        reply = world.buses.put_events({"Entries": [faulty, ENTRY]})

        text = f"Parameter {missing} is not valid. Reason: {missing} is a required argument."
        assert reply["FailedEntryCount"] == 1
        assert reply["Entries"][0] == {"ErrorCode": "InvalidArgument", "ErrorMessage": text}
        assert list(reply["Entries"][1]) == ["EventId"]

    @pytest.mark.rule("6.1/missing-argument")
    def test_even_all_entries_may_fail(self, world):
        """§6.1: the call succeeds all the same."""
        faulty = {"Source": "shop", "Detail": "{}"}

        reply = world.buses.put_events({"Entries": [faulty, {}]})

        assert reply["FailedEntryCount"] == 2
        assert [entry["ErrorCode"] for entry in reply["Entries"]] == ["InvalidArgument"] * 2
        assert reply["Entries"][1]["ErrorMessage"].startswith("Parameter Source is not valid.")

    @pytest.mark.rule("6.1/malformed-detail")
    @pytest.mark.parametrize("detail", ["[1]", '"text"', "5", "null", "{", "", '{"a": NaN}', "[" * 100_000])
    def test_the_detail_is_an_object(self, world, detail):
        """§6.1: anything but a JSON object is malformed (nothing at all is missing)."""
        reply = world.buses.put_events({"Entries": [{**ENTRY, "Detail": detail}]})

        code = "MalformedDetail" if detail else "InvalidArgument"
        assert reply["Entries"][0]["ErrorCode"] == code

    @pytest.mark.rule("6.1/json-depth")
    def test_the_detail_has_a_depth(self, world):
        """§6.1: 1,001 objects in one another are too deep; what is far below passes whole."""

        def nested(depth):
            return '{"a":' * depth + "1" + "}" * depth

        arn, queue = world.queue()
        world.rule({"Arn": arn})

        assert world.put_event(Detail=nested(300)).keys() == {"EventId"}
        assert queue.sent[0]["body"].endswith(nested(300) + "}")
        assert world.put_event(Detail=nested(1_001))["ErrorCode"] == "MalformedDetail"
        assert world.put_event(Detail='{"a":' + "[" * 1_000 + "]" * 1_000 + "}")["ErrorCode"] == "MalformedDetail"

    @pytest.mark.rule("6.1/aws-source")
    def test_the_source_of_a_service_is_not_for_customers(self, world):
        """§6.1: a source that starts with `aws.` fails its entry; with which code is an assumption."""
        assert world.put_event(Source="aws.s3")["ErrorCode"] == "NotAuthorizedForSourceException"
        assert list(world.put_event(Source="awsome.s3")) == ["EventId"]

        world.assumptions = Assumptions(eventbridge_aws_source_error="AccessDenied")
        assert world.put_event(Source="aws.s3")["ErrorCode"] == "AccessDenied"

    @pytest.mark.rule("6.1/missing-bus")
    def test_an_event_for_a_missing_bus_vanishes(self, world):
        """§6.1: AWS answers with an event id; the journal tells the truth."""
        reply = world.put_event(EventBusName="nowhere")

        assert list(reply) == ["EventId"]
        assert world.records("event") == []
        assert world.records("dropped")[0].detail["ids"] == [reply["EventId"]]

    @pytest.mark.rule("6.1/own-bus-only")
    def test_a_bus_is_named_by_name_or_arn(self, world):
        """§6.1: both lead to the same bus."""
        bus = world.events.create_event_bus("orders")

        world.put_event(EventBusName="orders")
        world.put_event(EventBusName=bus.arn)

        assert [record.resource for record in world.records("event")] == ["orders", "orders"]


class TestRequests:
    """§6.1, faults of the call"""

    @pytest.mark.rule("6.1/entries-per-call")
    @pytest.mark.rule("6.1/eleven-entries-text")
    def test_eleven_entries_are_refused(self, world, refusal):
        """§6.1: the whole call fails, and the text begins with the entries."""
        code, text = refusal(world.buses.put_events, {"Entries": [ENTRY] * 11})

        assert code == "ValidationException"
        assert text.startswith("1 validation error detected: Value '[PutEventsRequestEntry(")
        assert text.endswith(
            "at 'entries' failed to satisfy constraint: Member must have length less than or equal to 10"
        )

    @pytest.mark.rule("6.1/entries-per-call")
    def test_no_entries_are_refused(self, world, refusal):
        """§6.1: one entry is the least."""
        assert refusal(world.buses.put_events, {"Entries": []})[0] == "ValidationException"

    @pytest.mark.rule("6.1/request-size")
    @pytest.mark.rule("6.1/request-size-text")
    @pytest.mark.rule("6.1/entry-size")
    def test_a_megabyte_is_too_large(self, world, refusal):
        """§6.1: the sizes of the entries add up, with 14 bytes for a time, and stay under 1 MB."""
        detail = json.dumps({"x": "ä" * 520_000}, ensure_ascii=False)
        big = {**ENTRY, "Detail": detail}
        room = 1_048_576 - len(detail.encode()) - len("shoporder")

        def with_resource(size, **more):
            return {"Entries": [{**big, "Resources": ["x" * size], **more}]}

        assert world.buses.put_events(with_resource(room - 1))["FailedEntryCount"] == 0
        refused = ("ValidationException", "Total size of the entries in the request is over the limit.")
        assert refusal(world.buses.put_events, with_resource(room)) == refused
        assert refusal(world.buses.put_events, with_resource(room - 14, Time=0)) == refused


class TestEvents:
    """§6.1, the event"""

    @pytest.mark.rule("6.1/event-shape")
    def test_the_event_has_its_envelope(self, world):
        """§6.1: fields, their order, and whole seconds in the time."""
        arn, queue = world.queue()
        world.rule({"Arn": arn})

        reply = world.put_event({"a": 1}, Resources=["r"])

        assert queue.bodies == [
            {
                "version": "0",
                "id": reply["EventId"],
                "detail-type": "order",
                "source": "shop",
                "account": "123456789012",
                "time": "2026-01-01T00:00:00Z",
                "region": "eu-west-1",
                "resources": ["r"],
                "detail": {"a": 1},
            }
        ]
        assert list(queue.bodies[0])[:3] == ["version", "id", "detail-type"]

    @pytest.mark.rule("6.1/event-time")
    @pytest.mark.parametrize(
        "time",
        [
            datetime(2026, 5, 1, 12, 0, 0, 999, tzinfo=UTC),
            datetime(2026, 5, 1, 14, tzinfo=timezone(timedelta(hours=2))),
            1777636800,
            "2026-05-01T12:00:00Z",
        ],
    )
    def test_the_sender_may_set_the_time(self, world, time):
        """§6.1: as boto3 takes it, written in UTC."""
        world.put_event(Time=time)

        assert world.records("event")[0].detail["time"] == "2026-05-01T12:00:00Z"

    def test_the_journal_has_the_event(self, world):
        """docs/architecture.md: an `event` record on the bus, with the envelope."""
        reply = world.put_event({"a": 1})

        (record,) = world.records("event")
        assert record.resource == "default"
        assert (
            record.detail["id"]
            == reply["EventId"]
            == world.chance.uuid("events", "arn:aws:events:eu-west-1:123456789012:event-bus/default", 1)
        )
        assert (record.detail["source"], record.detail["detail_type"]) == ("shop", "order")
        assert record.detail["detail"] == {"a": 1}

    @pytest.mark.rule("6.1/aws-source")
    def test_a_service_may_use_its_own_source(self, world):
        """§6.1, §10.2: S3 and schedules put events with sources that are closed to customers."""
        arn, queue = world.queue()
        world.rule({"Arn": arn}, pattern={"source": ["aws.s3"]})

        event_id = world.buses.accept(None, source="aws.s3", detail_type="Object Created", detail={"key": "k"})

        assert (queue.bodies[0]["id"], queue.bodies[0]["detail"]) == (event_id, {"key": "k"})

    def test_a_service_is_told_of_a_missing_bus(self, world, refusal):
        """§2.3: a destination that does not exist is a failed delivery."""
        arn = "arn:aws:events:eu-west-1:123456789012:event-bus/gone"

        refused = refusal(world.buses.accept, arn, source="lambda", detail_type="x", detail={})

        assert refused == ("ResourceNotFoundException", "Event bus gone does not exist.")

    def test_a_snapshot_brings_the_ids_back(self, world):
        """A restored world draws the same event ids again."""
        before = world.buses.snapshot()

        first = world.put_event()
        world.buses.restore(before)

        assert world.put_event() == first


class TestOneEngine:
    """§6.2, whoever asks"""

    @pytest.mark.rule("6.2/one-engine")
    @pytest.mark.parametrize(
        ("pattern", "verdict"), [({"detail": {"n": [{"numeric": [">", 1]}]}}, True), ({"detail": {"n": [1]}}, False)]
    )
    def test_rules_questions_and_functions_agree(self, world, pattern, verdict):
        """§6.2: a rule, `TestEventPattern` and `matches` give one verdict of an event."""
        arn, queue = world.queue()
        world.rule({"Arn": arn}, pattern=pattern)

        world.put_event({"n": 2})

        event = {**EVENT, "detail": {"n": 2}}
        asked = {"EventPattern": json.dumps(pattern), "Event": json.dumps(event)}
        assert bool(queue.sent) is verdict
        assert world.buses.test_event_pattern(asked) == {"Result": verdict}
        assert matches(pattern, event) is verdict
        put = Event(world.records("event")[0])
        assert Expectation(pattern=pattern).match(put).holds is verdict


class TestTestEventPattern:
    """§6.2, the operation that only asks"""

    @pytest.mark.rule("6.2/test-event-pattern")
    @pytest.mark.parametrize(("source", "verdict"), [("shop", True), ("other", False)])
    def test_it_gives_a_verdict(self, world, source, verdict):
        """§6.2: `Result` says whether the event matches."""
        params = {"EventPattern": json.dumps({"source": [source]}), "Event": json.dumps(EVENT)}

        assert world.buses.test_event_pattern(params) == {"Result": verdict}

    @pytest.mark.rule("6.2/test-event-pattern")
    @pytest.mark.parametrize("event", ["plain text", "[]", "{}", '{"id": "1"}'])
    def test_it_wants_a_whole_event(self, world, refusal, event):
        """§6.1: the recorded refusal of texts and of incomplete events."""
        params = {"EventPattern": '{"source": ["shop"]}', "Event": event}

        assert refusal(world.buses.test_event_pattern, params) == (
            "ValidationException",
            "Parameter Event is not valid.",
        )

    @pytest.mark.rule("6.2/bad-pattern-code")
    def test_it_refuses_a_bad_pattern(self, world, refusal):
        """§6.2: with the code and the text of `PutRule`."""
        params = {"EventPattern": '{"source": "shop"}', "Event": json.dumps(EVENT)}

        assert refusal(world.buses.test_event_pattern, params) == (
            "InvalidEventPatternException",
            'Event pattern is not valid. Reason: "source" must be an object or an array',
        )
