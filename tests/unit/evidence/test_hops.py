"""
One table: each way by which an event comes from one thing to the next, and what proves it, makes it likely, or leaves it open.

The evidence is made by hand: what a listener saw, what a function logged, what the test was answered. The flow is asked for at both ends.
"""

from __future__ import annotations

import base64
import itertools
import json
import warnings
from dataclasses import dataclass

import pytest

from stagefright.chaos.checks import conserved
from stagefright.flow import Flow
from stagefright.journal import UNPROVED
from stagefright.targets.evidence.correlation import arrange
from tests.unit.evidence.conftest import T0, Wired

ONE = "8f5b0a3e-0000-4000-8000-000000000001"
TWO = "8f5b0a3e-0000-4000-8000-000000000002"
THREE = "8f5b0a3e-0000-4000-8000-000000000003"
"""Request ids."""

ERROR = "[ERROR] ValueError: down\nTraceback (most recent call last):\n"

BUS, API, QUEUE = "AWS::Events::EventBus", "AWS::ApiGatewayV2::Api", "AWS::SQS::Queue"


def arn(service, resource):
    return f"arn:aws:{service}:us-east-1:123456789012:{resource}"


def sns_envelope(name, thread=None):
    attributes = {"x-correlation-id": {"Type": "String", "Value": thread}} if thread else {}
    return {
        "Type": "Notification", "MessageId": name, "TopicArn": arn("sns", "Feed"), "Message": "hello",
        "MessageAttributes": attributes,
    }  # fmt: skip


def bus_envelope(name, thread=None):
    context = {"__context__": {"x-correlation-id": thread}} if thread else {}
    return {"version": "0", "id": name, "detail-type": "Placed", "source": "shop", "detail": {"n": 1, **context}}


def sqs_record(name, body="{}", thread=None):
    attributes = {"x-correlation-id": {"stringValue": thread, "dataType": "String"}} if thread else {}
    return {
        "messageId": name, "body": body, "eventSource": "aws:sqs", "eventSourceARN": arn("sqs", "Orders"),
        "messageAttributes": attributes, "attributes": {"SentTimestamp": str(int(T0 * 1000))},
    }  # fmt: skip


def context_of(thread):
    return {"__context": {"x-correlation-id": thread}} if thread else {}


@dataclass(frozen=True)
class Hop:
    """One kind: the resource that accepted an event, what lies between it and the function, and how both show it."""

    source: str
    sources: dict
    """Who gets events from where."""
    name: str
    """The id of an event, with a number in it."""
    seen: object
    """What a listener saw of it, given the id and a thread."""
    event: object
    """What the function is handed, given the id and a thread."""
    between: tuple = ()

    @property
    def wiring(self):
        types = {"Bus": BUS, "Api": API, "Orders": QUEUE}
        return Wired(types={**types, "Worker": "AWS::Lambda::Function"}, **self.sources)

    @property
    def path(self):
        return [self.source, *self.between, "Worker"]


HOPS = {
    "kinesis -> function": Hop(
        "Posts", {"Worker": ["Posts"]}, "shardId-000000000000:4959033827149025660855969253836157109592157598913658{n}",
        lambda name, thread: {"data": json.dumps({"text": "hello", **context_of(thread)}), "key": "amy"},
        lambda name, thread: {"Records": [{
            "eventSource": "aws:kinesis", "eventID": name, "eventSourceARN": arn("kinesis", "stream/Posts"),
            "kinesis": {
                "sequenceNumber": name.partition(":")[2], "partitionKey": "amy", "approximateArrivalTimestamp": T0,
                "data": base64.b64encode(json.dumps({"text": "hello", **context_of(thread)}).encode()).decode(),
            },
        }]},
    ),
    "sqs -> function": Hop(
        "Orders", {"Worker": ["Orders"]}, "11111111-2222-4333-8444-00000000000{n}",
        lambda name, thread: {"body": "{}", "attributes": {"x-correlation-id": thread} if thread else {}},
        lambda name, thread: {"Records": [sqs_record(name, thread=thread)]},
    ),
    "sns -> function": Hop(
        "Feed", {"Worker": ["Feed"]}, "22222222-2222-4333-8444-00000000000{n}",
        lambda name, thread: {"message": "hello", "attributes": {"x-correlation-id": thread} if thread else {}},
        lambda name, thread: {"Records": [{"EventSource": "aws:sns", "Sns": sns_envelope(name, thread)}]},
    ),
    "sns -> sqs -> function": Hop(
        "Feed", {"Orders": ["Feed"], "Worker": ["Orders"]}, "33333333-2222-4333-8444-00000000000{n}",
        lambda name, thread: {"message": "hello", "attributes": {"x-correlation-id": thread} if thread else {}},
        lambda name, thread: {"Records": [sqs_record(f"{name[:-2]}f{name[-1]}", json.dumps(sns_envelope(name, thread)))]},
        ("Orders",),
    ),
    "rule -> function": Hop(
        "Bus", {"Worker": ["Bus"]}, "44444444-2222-4333-8444-00000000000{n}",
        lambda name, thread: {"source": "shop", "detail_type": "Placed", "detail": bus_envelope(name, thread)["detail"]},
        bus_envelope,
    ),
    "rule -> sqs -> function": Hop(
        "Bus", {"Orders": ["Bus"], "Worker": ["Orders"]}, "55555555-2222-4333-8444-00000000000{n}",
        lambda name, thread: {"source": "shop", "detail_type": "Placed", "detail": bus_envelope(name, thread)["detail"]},
        lambda name, thread: {"Records": [sqs_record(f"{name[:-2]}f{name[-1]}", json.dumps(bus_envelope(name, thread)))]},
        ("Orders",),
    ),
    "dynamodb -> function": Hop(
        "Table", {"Worker": ["Table"]}, "c81e728d9d4c2f636f067f89cc14862{n}",
        lambda name, thread: {"event_name": "INSERT", "data": {"NewImage": {"correlationId": {"S": thread}} if thread else {}}},
        lambda name, thread: {"Records": [{
            "eventSource": "aws:dynamodb", "eventID": name, "eventName": "INSERT", "dynamodb": {"Keys": {"id": {"S": "1"}}},
            "eventSourceARN": arn("dynamodb", "table/Table/stream/2026-11-21T03:00:00.000"),
        }]},
    ),
    "api -> function": Hop(
        "Api", {"Worker": ["Api"]}, "JKJaXmPLvHcESH{n}",
        lambda name, thread: {"method": "GET", "path": "/", "headers": {"X-Correlation-ID": thread} if thread else {}},
        lambda name, thread: {
            "version": "2.0", "headers": {"x-correlation-id": thread} if thread else {},
            "requestContext": {"requestId": f"{name}=", "apiId": "a1", "http": {"method": "GET", "path": "/"}},
        },
    ),
}  # fmt: skip


@pytest.fixture(params=HOPS.values(), ids=HOPS)
def hop(request):
    return request.param


@pytest.fixture
def accept(event, hop):
    """Lets a listener see the source's n-th event; gives its id."""

    def accept(n=0, *, thread=None, at=0.0):
        name = hop.name.format(n=n)
        event(hop.source, name, at=at, **hop.seen(name, thread))
        return name

    return accept


def flow_of(journal, hop_or_wiring, n, **given):
    wiring = hop_or_wiring.wiring if isinstance(hop_or_wiring, Hop) else hop_or_wiring
    arranged = arrange(list(journal), wiring=wiring, **given)
    return Flow.of(arranged, arranged.places[n])


def silent_path(flow):
    """The path, which must be without a doubt but that of its beginning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Flow\.path begins with \w+, and may lack what came before: nothing")
        warnings.simplefilter("error", append=True)
        return flow.path


def run_of(journal, wiring, function="Worker"):
    found = arrange(list(journal), wiring=wiring).records
    return [record for record in found if record.kind == "invocation" and record.resource == function][-1]


class TestFromAResourceToAFunction:
    """The hop into a function, in each kind."""

    def both_ends(self, journal, hop):
        """From the event on, and from the invocation back."""
        (run,) = [record.n for record in journal if record.kind == "invocation"]
        return [silent_path(flow_of(journal, hop, n)) for n in (0, run)]

    def test_the_envelope_in_the_log_proves_it(self, journal, log, hop, accept):
        """`print(json.dumps(event))` is all it takes."""
        name = accept()
        log.invocation(ONE, "event: " + json.dumps(hop.event(name, None)), at=1)

        assert self.both_ends(journal, hop) == [hop.path, hop.path]

    def test_the_id_in_the_log_proves_it(self, journal, log, hop, accept):
        """Without its envelope."""
        name = accept()
        log.invocation(ONE, f"working on {name}", at=1)

        assert self.both_ends(journal, hop) == [hop.path, hop.path]

    def test_the_envelope_proves_an_event_that_nobody_watched(self, journal, log, hop):
        """It was accepted, or it could not have been handed over; the log tells what, and where."""
        log.invocation(ONE, json.dumps(hop.event(hop.name.format(n=0), None)), at=1)

        assert silent_path(flow_of(journal, hop, 0)) == hop.path

    def test_what_the_test_was_answered_proves_an_event_that_nobody_watched(self, journal, log, hop, call):
        """The id in the answer is the event's."""
        name = hop.name.format(n=0)
        call(name, accepted=[{"resource": hop.source, "id": name, **hop.seen(name, "c-1")}])
        log.invocation(ONE, json.dumps({"level": "INFO", "correlation_id": "c-1"}), at=1)

        assert silent_path(flow_of(journal, hop, 0)) == hop.path
        assert flow_of(journal, hop, 0).unproved == []

    def test_a_thread_proves_it(self, journal, log, hop, accept):
        """A correlation id that this event alone carries."""
        accept(thread="c-1")
        log.invocation(ONE, json.dumps({"level": "INFO", "correlation_id": "c-1"}), at=1)

        assert self.both_ends(journal, hop) == [hop.path, hop.path]

    def test_its_name_as_the_thread_proves_it(self, journal, log, hop, accept):
        """Code without a correlation id often begins one with the id of what it was handed."""
        name = accept()
        log.invocation(ONE, json.dumps({"x-correlation-id": name}), at=1)

        assert self.both_ends(journal, hop) == [hop.path, hop.path]

    def test_threads_of_a_batch_prove_all_of_it(self, journal, log, hop, accept):
        """Each of the two ids is that of one event."""
        accept(0, thread="c-1")
        accept(1, thread="c-2", at=0.1)
        log.invocation(ONE, *(json.dumps({"correlation_id": one}) for one in ("c-1", "c-2")), at=1)

        assert [silent_path(flow_of(journal, hop, n)) for n in (0, 1)] == [hop.path, hop.path]

    def test_one_event_alone_makes_it_likely(self, journal, log, hop, accept):
        """The log has no id; the wiring leaves one source, and there is one event of it."""
        accept()
        log.invocation(ONE, "hello", at=1)

        with pytest.warns(
            match=r"Flow\.path rests on what is not proved: \w+ -> Worker \(no correlation id in the logs\)"
        ):
            assert flow_of(journal, hop, 0).path == hop.path
        assert "? Worker attempt 1" in str(flow_of(journal, hop, 0))

    def test_an_event_that_was_not_seen_to_go_anywhere(self, journal, hop, accept):
        """That it was not delivered is more than anybody knows."""
        accept()

        assert str(flow_of(journal, hop, 0)).splitlines()[0].endswith("(not seen to be delivered)")

    def test_of_two_events_none_is_taken(self, journal, log, hop, accept):
        """No id in the log: it may be either, and the answer says so."""
        accept(0)
        accept(1, at=0.1)
        log.invocation(ONE, "hello", at=1)

        reason = f"any of 2 events of {hop.source} may have led to it: no correlation id in the logs"
        assert run_of(journal, hop.wiring).cause is None
        assert run_of(journal, hop.wiring).detail[UNPROVED] == reason
        for n in (0, 1):
            with pytest.warns(match=rf"Flow\.path may lack invocation Worker at \+\d\.\d00s \({reason}\)"):
                assert flow_of(journal, hop, n).path == [hop.source]
            assert str(flow_of(journal, hop, n)).splitlines()[-1].startswith("It may lack invocation Worker at +")
        whole = Flow(arrange(list(journal), wiring=hop.wiring).records)
        assert str(whole).count("(perhaps delivered to Worker)") == 2

    def test_of_two_events_with_one_thread_none_is_taken(self, journal, log, hop, accept):
        """A thread that both share proves nothing about either."""
        accept(0, thread="c-1")
        accept(1, thread="c-1", at=0.1)
        log.invocation(ONE, json.dumps({"correlation_id": "c-1"}), at=1)

        reason = f"any of 2 events of {hop.source} with its correlation id may have led to it"
        assert run_of(journal, hop.wiring).detail[UNPROVED] == reason
        with pytest.warns(match=rf"may lack invocation Worker at \+1\.000s \({reason}\)"):
            assert flow_of(journal, hop, 0).path == [hop.source]

    def test_what_somebody_else_was_handed_is_left_out(self, journal, log, hop, accept):
        """Of two events with one thread, the log of another invocation names one."""
        name = accept(0, thread="c-1")
        accept(1, thread="c-1", at=0.1)
        log.invocation(ONE, json.dumps(hop.event(name, None)), json.dumps({"correlation_id": "c-1"}), at=1)
        log.invocation(TWO, json.dumps({"correlation_id": "c-1"}), at=2, stream="s2")

        with pytest.warns(match="the one that nobody else was handed"):
            assert flow_of(journal, hop, 1).path == hop.path

    def test_another_thread_speaks_against_it(self, journal, log, hop, accept):
        """The event has one correlation id, and the log another."""
        accept(thread="c-1")
        log.invocation(ONE, json.dumps({"correlation_id": "c-2"}), at=1)

        assert run_of(journal, hop.wiring).cause is None
        assert run_of(journal, hop.wiring).detail[UNPROVED] == f"its log has another correlation id than {hop.source}"

    def test_what_does_not_come_there_is_no_cause(self, journal, log, hop, accept):
        """The function has another source, so the id in its log says something else."""
        name = accept(thread="c-1")
        log.invocation(ONE, f"saw {name}", json.dumps({"correlation_id": "c-1"}), at=1)

        assert run_of(journal, Wired(Worker=["Others"])).cause is None

    def test_without_evidence_and_wiring_it_is_unknown(self, journal, log, accept):
        """Nothing is guessed."""
        accept()
        log.invocation(ONE, "hello", at=1)

        assert run_of(journal, None).detail[UNPROVED] == "nothing seen names its cause"


@pytest.mark.parametrize("resource", ["Feed", "Orders", "Bus", "Posts", "Table"])
class TestFromAFunctionToAResource:
    """The hop out of a function: which sent it."""

    NAME = "99999999-2222-4333-8444-000000000001"

    def sent(self, event, resource, thread=None, at=0.3):
        return event(resource, self.NAME, at=at, attributes={"x-correlation-id": thread} if thread else {})

    def test_the_answered_id_in_the_log_proves_it(self, journal, log, event, resource):
        """The sender has logged what AWS answered."""
        log.invocation(ONE, f'sent {{"MessageId": "{self.NAME}"}}', took_ms=500)
        letter = self.sent(event, resource)

        assert silent_path(flow_of(journal, Wired(), letter.n)) == ["Worker", resource]

    def test_a_thread_proves_it(self, journal, log, event, resource):
        """It alone ran with that id."""
        log.invocation(ONE, json.dumps({"correlation_id": "c-1"}), took_ms=500)
        log.invocation(TWO, json.dumps({"correlation_id": "c-2"}), took_ms=500, function="Other", stream="o")
        letter = self.sent(event, resource, "c-1")

        assert silent_path(flow_of(journal, Wired(), letter.n)) == ["Worker", resource]

    def test_one_function_alone_makes_it_likely(self, journal, log, event, resource):
        """No id, but nobody else ran."""
        log.invocation(ONE, "hello", took_ms=500)
        letter = self.sent(event, resource)

        with pytest.warns(match=rf"Worker -> {resource} \(no correlation id in the logs\)"):
            assert flow_of(journal, Wired(), letter.n).path == ["Worker", resource]

    def test_of_two_functions_none_is_taken(self, journal, log, event, resource):
        """Both ran, and either may have sent it."""
        log.invocation(ONE, "hello", took_ms=500)
        log.invocation(TWO, "hello", took_ms=500, function="Other", stream="o")
        letter = self.sent(event, resource)

        with pytest.warns(
            match=f"begins with {resource}, and may lack what came before: Worker or Other, which ran at that"
        ):
            assert flow_of(journal, Wired(), letter.n).path == [resource]

    def test_of_two_functions_the_settings_of_one_make_it_likely(self, journal, log, event, resource):
        """Only one of them is told the resource's name."""
        for request, function in ((ONE, "Worker"), (TWO, "Other")):
            log.invocation(
                request, json.dumps({"correlation_id": "c-1"}), took_ms=500, function=function, stream=function
            )
        letter = self.sent(event, resource, "c-1")
        wiring = Wired(told={"Worker": [resource]}, Worker=["A"], Other=["A"])

        with pytest.warns(
            match=f"Other ran with its correlation id, too, but only the settings of Worker lead to {resource}"
        ):
            assert flow_of(journal, wiring, letter.n).path == ["Worker", resource]

    def test_of_two_functions_one_of_which_led_to_the_other(self, journal, log, event, resource):
        """Whoever of them sent it, the first has led to it; and its settings say that it is the sender."""
        log.invocation(ONE, json.dumps({"correlation_id": "c-1"}), took_ms=500)
        log.invocation(TWO, json.dumps({"correlation_id": "c-1"}), at=0.1, took_ms=390, function="Asked", stream="o")
        letter = self.sent(event, resource, "c-1", at=0.495)
        asking = {"Worker": ["Asked"]}

        assert silent_path(flow_of(journal, Wired(told={"Worker": ["Asked", resource]}), letter.n)) == [
            "Worker",
            resource,
        ]
        with pytest.warns(match="Worker or Asked, which ran with its correlation id"):
            assert flow_of(journal, Wired(told=asking), letter.n).path == ["Worker", resource]


class TestThroughWhatNobodyWatched:
    """A queue that is worked off cannot be listened to, and who would listen to all?"""

    @pytest.mark.parametrize("between", [["Orders"], ["Feed", "Orders"], ["Api"]])
    def test_settings_and_wiring_say_what_lies_between(self, journal, log, between):
        """The sender is told of one resource, from which events come to the other function."""
        log.invocation(ONE, json.dumps({"correlation_id": "c-1"}), function="Sender", stream="a")
        log.invocation(TWO, json.dumps({"correlation_id": "c-1"}), at=2)
        chain = [*between, "Worker"]
        wiring = Wired(told={"Sender": [between[0]]}, **{to: [one] for one, to in itertools.pairwise(chain)})

        assert silent_path(flow_of(journal, wiring, 0)) == ["Sender", *between, "Worker"]

    def test_nothing_is_invented(self, journal, log):
        """Nothing says by which way it came, so none is drawn, and that it came from there is only likely."""
        log.invocation(ONE, json.dumps({"correlation_id": "c-1"}), function="Sender", stream="a")
        log.invocation(TWO, json.dumps({"correlation_id": "c-1"}), at=2)

        with pytest.warns(match="Sender -> Worker .it alone ran with its correlation id before"):
            assert flow_of(journal, Wired(Worker=["Orders"]), 0).path == ["Sender", "Worker"]

    def test_two_ways_between_are_none(self, journal, log, event):
        """A topic with two queues that one function works off."""
        letter = event("Feed", "m-00000001", attributes={"x-correlation-id": "c-1"})
        log.invocation(ONE, json.dumps({"correlation_id": "c-1"}), at=1)
        wiring = Wired(Slow=["Feed"], Fast=["Feed"], Worker=["Slow", "Fast"])

        assert silent_path(flow_of(journal, wiring, letter.n)) == ["Feed", "Worker"]

    def test_of_three_messages_with_one_thread_each_invocation_hangs_under_who_sent_them(self, journal, log, event):
        """Which message led to which invocation is open; that the sender led to all of them is not."""
        log.invocation(ONE, json.dumps({"correlation_id": "c-1"}), took_ms=500, function="Sender", stream="a")
        letters = [event("Feed", f"m-0000000{n}", at=0.1 * n, attributes={"x-correlation-id": "c-1"}) for n in range(3)]
        for n, request in enumerate((TWO, THREE)):
            log.invocation(request, json.dumps({"correlation_id": "c-1"}), at=1 + n / 10, stream=f"w{n}")
        wiring = Wired(told={"Sender": ["Feed"]}, Worker=["Feed"])

        with pytest.warns(match="attempts.*rests on what is not proved: Sender -> Worker .any of 3 events of Feed"):
            assert flow_of(journal, wiring, 0).attempts("Worker").count == 2
        with pytest.warns(
            match=r"Flow\.path may lack invocation Worker at \+1\.000s .any of 3 events of Feed with its"
        ):
            assert flow_of(journal, wiring, letters[1].n).path == ["Sender", "Feed"]


class TestFromAFunctionToAFunction:
    """Synchronous or not."""

    wiring = Wired(told={"Caller": ["Worker"]})

    def caller(self, log, *lines, took_ms=900.0):
        log.invocation(ONE, *lines, took_ms=took_ms, function="Caller", stream="c")

    def test_the_answered_request_id_in_the_log_proves_it(self, journal, log):
        """Lambda answers the id of the invocation, of an asynchronous one too."""
        self.caller(log, f'invoked {{"StatusCode": 202, "RequestId": "{TWO}"}}', took_ms=100)
        log.invocation(TWO, at=5)

        assert silent_path(flow_of(journal, Wired(), 0)) == ["Caller", "Worker"]

    @pytest.mark.parametrize("at", [0.2, 5], ids=["synchronous", "asynchronous"])
    def test_a_thread_and_settings_prove_it(self, journal, log, at):
        """One function alone is told of the other and ran before with that id; it is over or not."""
        self.caller(log, json.dumps({"correlation_id": "c-1"}))
        log.invocation(TWO, json.dumps({"correlation_id": "c-1"}), at=at)

        assert silent_path(flow_of(journal, self.wiring, 0)) == ["Caller", "Worker"]

    def test_the_callers_request_id_as_the_thread_proves_it(self, journal, log):
        """A correlation id that nobody sent is the first request's."""
        self.caller(log, json.dumps({"x-correlation-id": ONE}))
        log.invocation(TWO, json.dumps({"x-correlation-id": ONE}), at=2)

        assert silent_path(flow_of(journal, self.wiring, 0)) == ["Caller", "Worker"]

    @pytest.mark.parametrize("wiring", [Wired(), None], ids=["no sources", "unknown wiring"])
    def test_a_thread_alone_makes_it_likely(self, journal, log, wiring):
        """Both may have been called by somebody else."""
        self.caller(log, json.dumps({"correlation_id": "c-1"}))
        log.invocation(TWO, json.dumps({"correlation_id": "c-1"}), at=0.2)

        with pytest.warns(match="Caller -> Worker .it alone ran with its correlation id before"):
            assert flow_of(journal, wiring, 0).path == ["Caller", "Worker"]

    def test_what_stands_beside_it_is_no_caller(self, journal, log):
        """Both get the events of a topic that nobody watched."""
        self.caller(log, json.dumps({"correlation_id": "c-1"}))
        log.invocation(TWO, json.dumps({"correlation_id": "c-1"}), at=0.2)

        assert run_of(journal, Wired(Caller=["Feed"], Worker=["Feed"])).cause is None

    def test_settings_alone_make_it_likely(self, journal, log):
        """The caller is told the function's name, and nothing else leads there."""
        self.caller(log, "hello")
        log.invocation(TWO, "hello", at=0.2)

        with pytest.warns(match="Caller -> Worker .no correlation id in the logs"):
            assert flow_of(journal, self.wiring, 0).path == ["Caller", "Worker"]

    def test_two_callers_leave_it_open(self, journal, log):
        """Both ran with the id, both are told."""
        for request, function in ((ONE, "Caller"), (THREE, "Other")):
            log.invocation(request, json.dumps({"correlation_id": "c-1"}), function=function, stream=function)
        log.invocation(TWO, json.dumps({"correlation_id": "c-1"}), at=2)
        wiring = Wired(told={"Caller": ["Worker"], "Other": ["Worker"]})

        assert run_of(journal, wiring).cause is None
        assert (
            run_of(journal, wiring).detail[UNPROVED]
            == "Caller or Other, which ran with its correlation id, may have led to it"
        )

    def test_without_evidence_it_is_unknown(self, journal, log):
        """Two functions that ran one after the other have nothing to do with each other."""
        self.caller(log, "hello")
        log.invocation(TWO, "hello", at=0.2)

        assert run_of(journal, Wired()).cause is None


def ended(condition="RetriesExhausted", **more):
    return {
        "version": "1.0", "requestContext": {"requestId": ONE, "functionArn": arn("lambda", "function:Worker:$LATEST"),
        "condition": condition, "approximateInvokeCount": 1}, "requestPayload": {"id": 7}, **more,
    }  # fmt: skip


CARRIERS = {
    "queue": ("Failures", lambda record: {"body": json.dumps(record)}),
    "topic": ("Failures", lambda record: {"message": json.dumps(record)}),
    "bus": ("Bus", lambda record: {"source": "lambda", "detail_type": "Lambda Function Invocation Result", "detail": record}),
}  # fmt: skip


class TestAttempts:
    """Of an asynchronous invocation."""

    def test_a_retry_hangs_where_the_first_attempt_does(self, journal, log, event):
        """The first is known by its thread; the second has said nothing, and another event waits for somebody."""
        letter = event("Feed", "m-00000001", attributes={"x-correlation-id": "c-1"})
        log.invocation(ONE, json.dumps({"correlation_id": "c-1"}), ERROR, at=1)
        event("Feed", "m-00000002", at=50, message="hello")
        log.invocation(ONE, at=61)
        found = flow_of(journal, Wired(Worker=["Feed"]), letter.n)

        assert found.attempts("Worker").outcomes == ["ValueError", None]


class TestDestinations:
    """Lambda's record of a request that ended has its id."""

    @pytest.mark.parametrize(("resource", "carry"), CARRIERS.values(), ids=CARRIERS)
    @pytest.mark.parametrize("condition", ["Success", "RetriesExhausted"])
    def test_of_a_queue_a_topic_and_a_bus(self, journal, log, event, condition, resource, carry):
        """What was given up is a dead letter; the record of a success is an event like any other."""
        log.invocation(ONE, *([] if condition == "Success" else [ERROR]))
        letter = event(resource, "m-00000001", at=0.5, **carry(ended(condition)))
        found = flow_of(journal, Wired(), letter.n)

        assert found.reached(resource)
        assert "Worker" in silent_path(found)
        assert [one.resource for one in found.dead_letters] == ([] if condition == "Success" else [resource])

    def test_of_a_function(self, journal, log):
        """The function that is the destination gets the record as its event."""
        log.invocation(ONE, ERROR)
        log.invocation(
            TWO,
            json.dumps({"event": ended(requestPayload=sns_envelope("m-00000001"))}),
            at=1,
            function="After",
            stream="a",
        )
        run = next(record.n for record in journal if record.resource == "After")

        assert silent_path(flow_of(journal, Wired(), run)) == ["Worker", "After"]

    def test_of_a_function_behind_the_queue_that_gets_the_record(self, journal, log):
        """The queue's message carries it."""
        log.invocation(ONE, ERROR)
        body = json.dumps(ended())
        log.invocation(
            TWO, json.dumps({"Records": [sqs_record("m-00000001", body)]}), at=1, function="After", stream="a"
        )
        run = next(record.n for record in journal if record.resource == "After")
        found = flow_of(journal, Wired(After=["Orders"]), run)

        assert [one.source for one in found.dead_letters] == ["Worker"]
        assert silent_path(found) == ["Worker", "After"]
        assert found.reached("Orders")


class TestDeadLetterQueues:
    """What was given up, and for whom."""

    NAME = "11111111-2222-4333-8444-000000000001"

    def moved(self, journal, at=90.0):
        """As SQS shows a message that a redrive moved."""
        detail = {"id": self.NAME, "body": "{}", "source": "Orders", "condition": "maxReceiveCount", "ids": [self.NAME]}
        return journal.write_past(T0 + at, "dead_letter", "Dead", detail)

    def test_the_answer_to_the_test_proves_where_a_moved_message_came_from(self, journal, log, call):
        """Nobody could watch the queue; the test has sent the message."""
        call(self.NAME, accepted=[{"resource": "Orders", "id": self.NAME, "body": "{}"}])
        log.invocation(ONE, json.dumps({"Records": [sqs_record(self.NAME)]}), ERROR, at=1)
        letter = self.moved(journal)
        found = flow_of(journal, Wired(Worker=["Orders"]), letter.n)

        assert [(one.resource, one.source, one.condition) for one in found.dead_letters] == [
            ("Dead", "Orders", "maxReceiveCount")
        ]
        assert found.reached("Worker")
        assert found.stopped_at == "Worker"
        assert found.unproved == []

    def test_the_log_proves_it_too(self, journal, log):
        """Its envelope was logged."""
        log.invocation(ONE, json.dumps({"Records": [sqs_record(self.NAME)]}), ERROR, at=1)
        found = flow_of(journal, Wired(Worker=["Orders"]), self.moved(journal).n)

        assert (found.stopped_at, found.reached("Worker")) == ("Worker", True)

    def test_an_id_in_the_log_is_enough(self, journal, log):
        """The last run that named the message has failed with it."""
        log.invocation(ONE, f"cannot book {self.NAME}", ERROR, at=1)
        found = flow_of(journal, Wired(Worker=["Orders"]), self.moved(journal).n)

        assert (found.stopped_at, found.reached("Worker")) == ("Worker", True)

    def test_without_evidence_a_moved_message_names_its_queue(self, journal, log):
        """SQS itself says where it was."""
        log.invocation(ONE, ERROR, at=1)
        found = flow_of(journal, Wired(Worker=["Orders"]), self.moved(journal).n)

        assert found.stopped_at == "Orders"
        assert not found.reached("Worker") if found.names() else True

    def test_of_an_asynchronous_invocation(self, journal, log, event):
        """Lambda writes the request id to its attributes."""
        log.invocation(ONE, ERROR)
        attributes = {"RequestID": ONE, "ErrorCode": "200", "ErrorMessage": "down"}
        letter = event("Dead", "m-00000001", at=1, body="{}", attributes=attributes)
        found = flow_of(journal, Wired(), letter.n)

        assert [(one.source, one.ids) for one in found.dead_letters] == [("Worker", [ONE])]

    def test_of_a_rule(self, journal, event):
        """EventBridge writes the rule and the error to its attributes; the event is in it."""
        event("Bus", "44444444-0001", source="shop", detail_type="Placed", detail={})
        attributes = {
            "RULE_ARN": arn("events", "rule/Bus/r"),
            "TARGET_ARN": arn("sqs", "Orders"),
            "ERROR_CODE": "NO_PERMISSIONS",
        }
        letter = event(
            "Dead", "m-00000001", at=1, body=json.dumps(bus_envelope("44444444-0001")), attributes=attributes
        )
        found = flow_of(journal, Wired(Orders=["Bus"]), letter.n)

        assert [(one.source, one.condition, one.ids) for one in found.dead_letters] == [
            ("Bus", "NO_PERMISSIONS", ["44444444-0001"])
        ]

    def test_of_a_subscription(self, journal, event):
        """SNS leaves its envelope, which names the message, and nothing else leads there."""
        event("Feed", "22222222-0001", message="hello")
        letter = event("Dead", "m-00000001", at=1, body=json.dumps(sns_envelope("22222222-0001")))
        found = flow_of(journal, Wired(Worker=["Feed"]), letter.n)

        assert [(one.resource, one.source, one.condition) for one in found.dead_letters] == [
            ("Dead", "Feed", "undelivered")
        ]

    def test_a_queue_that_is_subscribed_is_none(self, journal, event):
        """It was handed the message; so the journal has a delivery."""
        event("Feed", "22222222-0001", message="hello")
        letter = event("Inbox", "m-00000001", at=1, body=json.dumps(sns_envelope("22222222-0001")))
        found = flow_of(journal, Wired(Inbox=["Feed"]), letter.n)

        assert found.dead_letters == []
        assert [(r.resource, r.detail["source"], r.detail["ids"]) for r in found.records if r.kind == "delivery"] == [
            ("Inbox", "Feed", ["22222222-0001"])
        ]
        assert conserved("Feed")(found).holds


class TestWrittenByTheTest:
    """A table's stream and a bucket's events do not name the request; what was written, and where, does."""

    def test_one_call_wrote_the_item(self, journal, log, event, call):
        """Its key is the event's."""
        item = {"id": {"S": "o-1"}, "n": {"N": "7"}}
        call("req-00000001", service="dynamodb", operation="PutItem", written=[["Table", item]])
        change = event(
            "Table", "c81e728d9d4c2f63", event_name="INSERT", key={"id": {"S": "o-1"}}, data={"NewImage": item}
        )

        assert flow_of(journal, Wired(), change.n).unproved == []
        assert "test called dynamodb.PutItem" in str(flow_of(journal, Wired(), change.n))

    def test_of_two_calls_the_last_is_likely(self, journal, event, call):
        """Which of them a change tells of, only its order says."""
        for at in (-0.3, -0.2):
            call(f"req-{at}", at=at, service="s3", operation="PutObject", written=[["Bucket", "in/a.json"]])
        change = event("Bucket", "in/a.json@1", event_name="ObjectCreated:Put", key="in/a.json")

        assert flow_of(journal, Wired(), change.n).unproved == [
            "test -> Bucket (2 calls of the test wrote it, this one last)"
        ]

    def test_a_function_that_may_have_written_it(self, journal, log, event, call):
        """Both may have; a correlation id in the item decides."""
        call("req-00000001", service="dynamodb", operation="PutItem", written=[["Table", {"id": {"S": "o-1"}}]])
        log.invocation(ONE, json.dumps({"correlation_id": "c-1"}), took_ms=500)
        wiring = Wired(told={"Worker": ["Table"]})
        change = event("Table", "c81e728d9d4c2f63", at=0.3, event_name="MODIFY", key={"id": {"S": "o-1"}}, data={})

        with pytest.warns(match="begins with Table, and may lack what came before: the test or Worker"):
            assert flow_of(journal, wiring, change.n).path == ["Table"]
        data = {"NewImage": {"correlationId": {"S": "c-1"}}}
        journal.revise(change.n, data=data)
        assert silent_path(flow_of(journal, wiring, change.n)) == ["Worker", "Table"]


def test_a_thread_that_is_an_events_name_does_not_make_everybody_its_consumer(journal, log, event):
    """A function far down the way logs the id of what came first; it was not handed that."""
    name = "shardId-000000000000:49590338271490256608559692538361571"
    event("Posts", name, data="{}")
    log.invocation(ONE, json.dumps({"x-correlation-id": name}), at=0.1, took_ms=500, function="Distribute", stream="d")
    event("Feed", "m-00000001", at=0.4, attributes={"x-correlation-id": name})
    log.invocation(TWO, json.dumps({"x-correlation-id": name}), at=1, function="Add", stream="a")
    wiring = Wired(Distribute=["Posts"], Add=["Feed"], told={"Distribute": ["Feed"]})

    for n in range(len(journal)):
        if journal[n].kind in ("event", "invocation"):
            assert silent_path(flow_of(journal, wiring, n)) == ["Posts", "Distribute", "Feed", "Add"]
