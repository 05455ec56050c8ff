"""Edges between what was seen and logged: proved by names and threads, likely ones marked, and none made up."""

from __future__ import annotations

import json
import warnings
from types import SimpleNamespace

import pytest

from stagefright.errors import UnprovedFlow
from stagefright.flow import Flow
from stagefright.targets.evidence.acts import note_request
from stagefright.targets.evidence.answers import ACTS
from stagefright.targets.evidence.correlation import arrange
from tests.unit.evidence.conftest import Wired

T0 = 1_795_200_000.0
"""When the evidence begins."""

ONE = "8f5b0a3e-0000-4000-8000-000000000001"
TWO = "8f5b0a3e-0000-4000-8000-000000000002"
"""Request ids."""

ERROR = "[ERROR] ValueError: down\nTraceback (most recent call last):\n"
MESSAGE = "11111111-2222-4333-8444-555555555555"
OTHER = "99999999-2222-4333-8444-555555555555"


def flow(journal, **given):
    return Flow(arrange(list(journal), **given).records)


def call(journal, *ids, at=-0.1, **detail):
    detail = {"service": "sns", "operation": "Publish", "ids": list(ids), **detail}
    return journal.write_past(T0 + at, "call", "test", detail)


def sqs_event(*ids, body="{}", **more):
    return json.dumps(
        {"Records": [{"eventSource": "aws:sqs", "messageId": name, "body": body, **more} for name in ids]}
    )


class TestNames:
    """Whoever names a thing by the id that AWS gave it has met it."""

    def test_the_tests_call_the_event_and_the_function_that_logs_it(self, journal, log, event):
        """The whole way, as on a local stage."""
        call(journal, MESSAGE)
        event("Orders", MESSAGE, body="{}")
        log.invocation(ONE, "got " + sqs_event(MESSAGE), at=1)
        found = flow(journal)

        assert found.path == ["Orders", "Worker"]
        assert found.unproved == []
        assert [line.split(maxsplit=1)[1] for line in str(found).splitlines()] == [
            "test called sns.Publish",
            "Orders accepted {}",
            "Worker attempt 1: ok after 100 ms",
        ]
        assert [line.index(line.split(maxsplit=1)[1]) for line in str(found).splitlines()] == [12, 14, 16]

    def test_records_of_a_batch(self, journal, log, event):
        """All events of the batch are its causes; the delivery has their ids."""
        event("Orders", MESSAGE, body="a")
        event("Orders", OTHER, body="b")
        log.invocation(ONE, sqs_event(MESSAGE, OTHER), at=1)

        found = arrange(list(journal)).records
        (delivery,) = [record for record in found if record.kind == "delivery"]
        assert delivery.detail["ids"] == [MESSAGE, OTHER]
        assert (delivery.detail["source"], delivery.resource) == ("Orders", "Worker")
        assert [found[n].detail["id"] for n in (delivery.cause, *delivery.detail["causes"])] == [MESSAGE, OTHER]

    def test_a_topics_message_inside_a_queues(self, journal, log, event):
        """The envelope names the message of the topic; the function was handed the queue's."""
        call(journal, MESSAGE)
        event("Feed", MESSAGE, message="hello")
        body = json.dumps({"Type": "Notification", "MessageId": MESSAGE, "Message": "hello"})
        event("Inbox", OTHER, at=0.2, body=body)
        log.invocation(ONE, sqs_event(OTHER, body=body), at=1)

        assert flow(journal).path == ["Feed", "Inbox", "Worker"]
        assert flow(journal).unproved == []

    def test_an_event_of_a_bus_that_a_function_logs(self, journal, log, event):
        """EventBridge's envelope has the id."""
        event("default", MESSAGE, detail={}, detail_type="Order", source="shop")
        log.invocation(ONE, json.dumps({"message": "event", "event": {"id": MESSAGE, "detail-type": "Order"}}), at=1)

        assert flow(journal).path == ["default", "Worker"]

    def test_a_function_that_logs_the_id_of_what_it_sent(self, journal, log, event):
        """The id came to be while it ran, so it is the sender."""
        log.invocation(ONE, f'published {{"MessageId": "{MESSAGE}"}}', at=0, took_ms=500)
        event("Feed", MESSAGE, at=0.3, message="{}")
        found = flow(journal, wiring=Wired(Worker=["Orders"]))

        assert found.path == ["Worker", "Feed"]

    def test_a_function_that_names_the_message_without_its_envelope(self, journal, log, event):
        """What was there before it began, and comes from one of its sources, it was handed."""
        event("Orders", MESSAGE, body="{}")
        log.invocation(ONE, f"working on {MESSAGE}", at=5)

        assert flow(journal, wiring=Wired(Worker=["Orders"])).path == ["Orders", "Worker"]
        assert flow(journal, wiring=Wired(Worker=["Others"])).unproved != []

    def test_one_invocation_that_logs_the_request_id_of_another(self, journal, log):
        """Its answer had the id."""
        log.invocation(ONE, f'invoked {{"RequestId": "{TWO}"}}', at=0, took_ms=900, function="Caller", stream="c")
        log.invocation(TWO, at=0.2, took_ms=300)

        assert flow(journal).path == ["Caller", "Worker"]

    def test_an_invocation_by_the_test(self, journal, log):
        """The answer's request id is the invocation's."""
        call(journal, ONE, service="lambda", operation="Invoke")
        log.invocation(ONE)

        (run,) = [record for record in flow(journal).records if record.kind == "invocation"]
        assert run.cause == 0
        assert flow(journal).unproved == []

    def test_a_log_that_comes_before_the_event_is_seen(self, journal, log, event):
        """The order in which things become known is not that in which they happened."""
        log.invocation(ONE, sqs_event(MESSAGE), at=1)
        event("Orders", MESSAGE, at=0, body="{}")
        found = arrange(list(journal)).records

        assert [record.kind for record in found][:3] == ["event", "delivery", "invocation"]
        assert all(record.cause is None or record.cause < record.n for record in found)


class TestRequests:
    """The test's HTTP requests and calls, whose events nobody observed."""

    def answered(self, journal, headers, sent=()):
        request = SimpleNamespace(
            method="POST", url="https://x.execute-api.us-east-1.amazonaws.com/orders?a=1", headers=dict(sent)
        )
        note_request(journal)(SimpleNamespace(request=request, headers=headers, status_code=202))
        journal.revise(len(journal) - 1, at=T0 - 0.5)

    def test_the_request_id_that_the_api_answers(self, journal, log):
        """A function that logs its event has it in `requestContext`."""
        self.answered(journal, {"Apigw-Requestid": "JKJaXmPLvHcESHA="})
        log.invocation(ONE, json.dumps({"requestContext": {"requestId": "JKJaXmPLvHcESHA="}}))
        found = flow(journal)

        assert found.unproved == []
        assert "test called http.POST /orders" in str(found)

    def test_the_correlation_id_that_the_test_sends(self, journal, log):
        """The header is handed on to the function."""
        self.answered(journal, {}, {"X-Correlation-Id": "c-1"})
        log.invocation(ONE, json.dumps({"event": {"headers": {"x-correlation-id": "c-1"}}}))

        assert flow(journal).unproved == []

    def test_a_message_whose_queue_nobody_could_watch(self, journal, log):
        """The call's answer had the message's id."""
        call(journal, MESSAGE, service="sqs", operation="SendMessage")
        log.invocation(ONE, sqs_event(MESSAGE))

        assert flow(journal).unproved == []

    @pytest.mark.parametrize(
        ("service", "operation", "answer", "ids"),
        [
            ("sns", "Publish", {"MessageId": "m"}, ["m"]),
            ("sqs", "SendMessageBatch", {"Successful": [{"MessageId": "a"}, {"MessageId": "b"}]}, ["a", "b"]),
            ("kinesis", "PutRecords", {"Records": [{"SequenceNumber": "1"}, {"ErrorCode": "x"}]}, ["1"]),
            ("events", "PutEvents", {"Entries": [{"EventId": "e"}, {"ErrorCode": "x"}]}, ["e"]),
            (
                "lambda",
                "Invoke",
                {"ResponseMetadata": {"RequestId": "r", "HTTPHeaders": {"x-amzn-requestid": "r"}}},
                ["r"],
            ),
            ("s3", "PutObject", {"ResponseMetadata": {"HTTPHeaders": {"x-amz-request-id": "R"}}}, ["R"]),
        ],
    )
    def test_the_ids_in_answers(self, service, operation, answer, ids):
        """Each service answers them in its own way."""
        assert list(ACTS[service, operation](answer)) == ids


class TestAttempts:
    """Attempts of an asynchronous invocation share their request id."""

    def test_all_hang_under_what_caused_the_first(self, journal, log, event):
        """A retry needs no evidence of its own."""
        event("Feed", MESSAGE, message="{}")
        record = {"EventSource": "aws:sns", "Sns": {"Type": "Notification", "MessageId": MESSAGE}}
        log.invocation(ONE, json.dumps({"Records": [record]}), ERROR, at=0.5)
        log.invocation(ONE, ERROR, at=60.5)
        log.invocation(ONE, at=180.5)
        places = arrange(list(journal))
        found = Flow.of(places, places.places[0])

        assert found.attempts("Worker").count == 3
        assert found.attempts("Worker").at == [0, 60, 180]
        assert found.attempts("Worker").outcomes == ["ValueError", "ValueError", None]

    def test_a_dead_letter_of_the_request(self, journal, log, event):
        """Lambda writes the request id to the message that it gives up."""
        log.invocation(ONE, ERROR, at=0)
        log.invocation(ONE, ERROR, at=60)
        attributes = {"RequestID": {"StringValue": ONE}, "ErrorCode": {"StringValue": "200"}}
        event("Dead", OTHER, at=61, body="{}", attributes=attributes)
        found = flow(journal)

        (letter,) = found.dead_letters
        assert (letter.resource, letter.source, letter.ids) == ("Dead", "Worker", [ONE])
        assert found.stopped_at == "Worker"

    def test_a_destinations_record(self, journal, log, event):
        """It has the condition; one of a success is no dead letter."""
        log.invocation(ONE, ERROR, at=0)
        for at, condition in ((1, "RetriesExhausted"), (2, "Success")):
            body = json.dumps({"requestContext": {"requestId": ONE, "condition": condition}})
            event("Failures", f"{MESSAGE}{at}", at=at, body=body)

        assert [(one.resource, one.condition) for one in flow(journal).dead_letters] == [
            ("Failures", "RetriesExhausted")
        ]

    def test_a_redrive(self, journal, log, event):
        """The message keeps its id when it is moved."""
        event("Orders", MESSAGE, body="{}")
        log.invocation(ONE, sqs_event(MESSAGE), ERROR, at=1)
        event("Dead", MESSAGE, at=90, body="{}")
        (letter,) = flow(journal).dead_letters

        assert (letter.resource, letter.source, letter.condition, letter.ids) == (
            "Dead",
            "Orders",
            "maxReceiveCount",
            [MESSAGE],
        )


class TestThreads:
    """Correlation ids and traces are handed on."""

    @pytest.mark.parametrize(
        ("carried", "logged"),
        [
            ({"attributes": {"x-correlation-id": {"Type": "String", "Value": "c-1"}}}, {"x-correlation-id": "c-1"}),
            (
                {"data": json.dumps({"__context": {"x-correlation-id": "c-1"}})},
                {"correlationIds": {"x-correlation-id": "c-1"}},
            ),
            ({"detail": {"__context__": {"x-correlation-id": "c-1"}}}, {"correlation_id": "c-1"}),
            ({"body": "{}", "attributes": {"AWSTraceHeader": "Root=1-5f3b;Sampled=1"}}, {"xray_trace_id": "1-5f3b"}),
        ],
        ids=["attribute", "kinesis", "eventbridge", "trace"],
    )
    def test_a_function_that_logs_the_thread_of_one_event(self, journal, log, event, carried, logged):
        """Only one event shares it, so that one was handed over."""
        call(journal, MESSAGE)
        event("Source", MESSAGE, **carried)
        log.invocation(ONE, json.dumps({"level": "INFO", "message": "x", **logged}), at=1)
        found = flow(journal)

        assert found.path == ["Source", "Worker"]
        assert found.unproved == []

    def test_the_trace_in_a_report(self, journal, log, event):
        """With active tracing, the platform names it."""
        event("Orders", MESSAGE, body="{}", attributes={"AWSTraceHeader": "Root=1-5f3b-ab;Parent=1;Sampled=1"})
        log.invocation(ONE, at=1, report="\nXRAY TraceId: 1-5f3b-ab\tSegmentId: 1\tSampled: true\t")

        assert flow(journal).unproved == ["event Orders (nothing seen names its cause)"]
        assert flow(journal).path == ["Orders", "Worker"]

    def test_a_name_of_your_own(self, journal, log, event):
        """The setting `correlation_keys` adds one."""
        event("Source", MESSAGE, message=json.dumps({"meta": {"orderId": "o-77"}}))
        log.invocation(ONE, json.dumps({"order-id": "o-77"}), at=1)

        assert len(flow(journal).unproved) == 2
        assert flow(journal, keys=["orderId"]).unproved == ["event Source (nothing seen names its cause)"]

    def test_an_event_whose_sender_shares_its_thread(self, journal, log, event):
        """One invocation alone ran with that id when the event came to be."""
        log.invocation(ONE, json.dumps({"correlation_id": "c-1"}), at=0, took_ms=500, function="Sender", stream="a")
        log.invocation(TWO, json.dumps({"correlation_id": "c-2"}), at=0, took_ms=500, function="Other", stream="b")
        event("Feed", MESSAGE, at=0.3, message="{}", attributes={"x-correlation-id": {"Value": "c-1"}})

        (sent,) = [record for record in arrange(list(journal)).records if record.kind == "event"]
        assert arrange(list(journal)).records[sent.cause].resource == "Sender"
        assert "unproved" not in sent.detail

    def test_a_thread_that_several_events_share_proves_nothing(self, journal, log, event):
        """Which of two messages it was handed cannot be said."""
        for n in range(2):
            event("Feed", f"{MESSAGE}{n}", message="{}", attributes={"x-correlation-id": {"Value": "c-1"}})
        log.invocation(ONE, json.dumps({"correlation_id": "c-1"}), at=1)
        found = flow(journal, wiring=Wired(Worker=["Feed"]))

        assert (
            "invocation Worker (any of 2 events of Feed with its correlation id may have led to it)" in found.unproved
        )


class TestDoubt:
    """What is not proved is marked, and said."""

    def likely(self, journal, log, event):
        event("Orders", MESSAGE, body="{}")
        log.invocation(ONE, "no ids here", at=1)
        return arrange(list(journal), wiring=Wired(Worker=["Orders"]))

    def test_the_tree_has_a_question_mark_and_a_legend(self, journal, log, event):
        """A likely edge is drawn as such."""
        text = str(Flow(self.likely(journal, log, event).records))

        assert "? Worker attempt 1" in text
        assert text.splitlines()[-1].startswith("? = not proved: ")
        assert "no correlation id in the logs" in text.splitlines()[-1]

    def test_the_answers_warn(self, journal, log, event):
        """A path, attempts and dead letters of one stimulus say that they rest on it."""
        found = self.likely(journal, log, event)
        with pytest.warns(UnprovedFlow, match="Orders -> Worker"):
            assert Flow.of(found, 0).path == ["Orders", "Worker"]
        with pytest.warns(UnprovedFlow, match="attempts"):
            assert Flow.of(found, 0).attempts("Worker").count == 1

    def test_what_is_proved_does_not_warn(self, journal, log, event):
        """No doubt, no warning."""
        call(journal, MESSAGE)
        event("Orders", MESSAGE, body="{}")
        log.invocation(ONE, sqs_event(MESSAGE), at=1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert flow(journal).path == ["Orders", "Worker"]

    def test_without_wiring_nothing_is_guessed(self, journal, log, event):
        """The invocation stands by itself."""
        event("Orders", MESSAGE, body="{}")
        log.invocation(ONE, "no ids here", at=1)
        (run,) = [record for record in arrange(list(journal)).records if record.kind == "invocation"]

        assert run.cause is None
        assert run.detail["unproved"] == "nothing seen names its cause"

    def test_no_circles(self, journal, log, event):
        """Two functions that name each other do not cause each other."""
        log.invocation(ONE, f"saw {TWO}", at=0, function="A", stream="a")
        log.invocation(TWO, f"saw {ONE}", at=0, function="B", stream="b")

        found = arrange(list(journal)).records
        assert all(record.cause is None or record.cause < record.n for record in found)
        assert len(found) == len(journal)


def test_wild_values_are_searched_without_harm(journal, log, event):
    """Whatever code logs, and whatever a message holds."""
    event("Orders", MESSAGE, body="[" * 100_000, attributes={"x-correlation-id": 7, "a": None, "b": {"Value": 3}})
    log.invocation(ONE, "{" * 50_000, '{"id": {"detail-type": []}, "Records": [1, null, {"eventSource": 5}]}', at=1)

    assert len(arrange(list(journal)).records) == len(journal)
