"""Flows: the causal tree, read from hand-made journals."""

from __future__ import annotations

import time

import pytest

from stagefright.clock import EPOCH, Clock
from stagefright.errors import UnknownResource
from stagefright.flow import LINES_MAX, Flow
from stagefright.journal import Journal


class Script:
    """Writes journals as the world does, a line per step."""

    def __init__(self):
        self.clock = Clock()
        self.journal = Journal(self.clock)

    def at(self, seconds):
        self.clock.move_to(EPOCH + seconds)
        return self

    def write(self, kind, resource, cause=None, **detail):
        return self.journal.write(kind, resource, cause=cause, **detail).n

    def event(self, resource, cause=None, **detail):
        return self.write("event", resource, cause, id=f"id-{len(self.journal)}", **detail)

    def run(self, function, cause, *, attempt=1, error=None):
        """A delivery, an invocation and its outcome; gives the numbers of invocation and outcome."""
        delivery = self.write("delivery", function, cause, source="s", ids=["i"], attempt=attempt)
        invocation = self.write("invocation", function, delivery, request_id="r", attempt=attempt, event={}, cold=True)
        failed = {"error_type": error, "error_message": f"{error} happened"} if error else {}
        return invocation, self.write("outcome", function, invocation, duration_ms=3, payload="null", **failed)


@pytest.fixture
def script():
    script = Script()
    yield script
    script.journal.clear()


@pytest.fixture
def feed(script):
    """A post that is distributed, and whose feed write fails three times."""
    call = script.write("call", "test", None, service="kinesis", operation="PutRecord")
    post = script.event("PostStream", call, data="{}")
    invocation, _ = script.at(0.01).run("DistributeFunction", post)
    publish = script.write("call", "DistributeFunction", invocation, service="sns", operation="Publish")
    script.batch = script.event("FeedTopic", publish, message='{"author": "amy"}')
    for attempt, at in enumerate((0.01, 60.01, 180.01), 1):
        _, outcome = script.at(at).run("AddToFeedFunction", script.batch, attempt=attempt, error="TableDown")
        if attempt < 3:
            due = script.clock.now() + 60 * attempt
            script.write("retry", "AddToFeedFunction", outcome, due=due, reason="FunctionError")
    dead = script.write(
        "dead_letter", "FeedDeadLetters", outcome, source="AddToFeedFunction", condition="RetriesExhausted", ids=["i"]
    )
    script.event("FeedDeadLetters", dead, body="{}")
    return script


class TestPath:
    """The way that events took."""

    def test_the_path_names_resources_and_functions_in_causal_order(self, feed):
        """Retries appear once, and the dead-letter queue is no part of the path."""
        expected = ["PostStream", "DistributeFunction", "FeedTopic", "AddToFeedFunction"]

        assert Flow(feed.journal).path == expected

    def test_a_flow_goes_back_to_its_stimulus(self, feed):
        """Asking for the flow of an event in the middle gives the whole tree that it belongs to."""
        assert Flow.of(feed.journal, feed.batch).path == Flow(feed.journal).path

    def test_a_fan_out_is_read_branch_by_branch(self, script):
        """Each branch is complete before the next begins, however the branches interleave in time."""
        topic = script.event("Topic")
        first, second = script.event("QueueA", topic), script.event("QueueB", topic)
        script.run("WorkerB", second)
        script.run("WorkerA", first)

        assert Flow(script.journal).path == ["Topic", "QueueA", "WorkerA", "QueueB", "WorkerB"]

    def test_two_stimuli_have_two_flows(self, script):
        """What another stimulus caused is not in the flow of this one."""
        one, other = script.event("TopicA"), script.event("TopicB")
        script.run("WorkerB", other)
        script.run("WorkerA", one)

        assert Flow.of(script.journal, one).path == ["TopicA", "WorkerA"]
        assert len(Flow.of(script.journal, other)) == 4

    def test_a_batch_belongs_to_the_flow_of_each_of_its_events(self, script):
        """A delivery of two messages hangs under the first, and is found from the second too."""
        one, other = script.event("Queue"), script.event("Queue")
        delivery = script.write("delivery", "Worker", one, causes=[other], source="Queue", ids=["a", "b"], attempt=1)
        script.write("invocation", "Worker", delivery, attempt=1)

        assert Flow.of(script.journal, other).path == ["Queue", "Worker"]
        assert Flow.of(script.journal, one).path == ["Queue", "Worker"]

    def test_a_flow_can_begin_at_a_record(self, feed):
        """`settle` gives what happened since the last one; causes before that are roots."""
        assert Flow(feed.journal, since=feed.batch).path == ["FeedTopic", "AddToFeedFunction"]


class TestAttempts:
    """How often a function ran, and when."""

    def test_attempts_are_seconds_since_the_first(self, feed):
        """Whole seconds are ints, so that a ladder reads as AWS documents it."""
        attempts = Flow(feed.journal).attempts("AddToFeedFunction")

        assert attempts.at == [0, 60, 180]
        assert [type(at) for at in attempts.at] == [int, int, int]
        assert (attempts.count, attempts.outcomes) == (3, ["TableDown"] * 3)

    def test_an_attempt_that_went_well_has_no_error(self, feed):
        """The outcome of a success is None."""
        assert Flow(feed.journal).attempts("DistributeFunction").outcomes == [None]

    def test_a_misspelt_function_is_an_error_that_lists_those_that_ran(self, feed):
        """An empty answer would make `count == 0` pass for a typo."""
        with pytest.raises(UnknownResource, match=r"Did you mean AddToFeedFunction\?"):
            Flow(feed.journal).attempts("AddToFeedFunctoin")

    def test_a_known_function_that_never_ran_has_no_attempts(self, feed):
        """With the stage's names at hand, zero is an answer."""
        flow = Flow(feed.journal, known=["Quiet", "AddToFeedFunction"])

        assert flow.attempts("Quiet").count == 0
        with pytest.raises(UnknownResource, match=r"Did you mean Quiet\?"):
            flow.attempts("Quite")

    def test_a_resource_is_reached_or_not(self, feed):
        """A dead letter reaches its queue; a misspelt name is refused when the names are known."""
        flow = Flow(feed.journal, known=["FeedTopic", "FeedDeadLetters", "Other"])

        assert flow.reached("FeedTopic")
        assert flow.reached("FeedDeadLetters")
        assert not flow.reached("Other")
        with pytest.raises(UnknownResource, match="FeedTopic"):
            flow.reached("FeedTopik")


class TestEnds:
    """Where a flow ended, and what became of the events."""

    def test_dead_letters_name_source_condition_and_time(self, feed):
        """Everything that a test wants to assert of a dead letter is a field."""
        (dead,) = Flow(feed.journal).dead_letters

        assert (dead.resource, dead.source, dead.condition) == (
            "FeedDeadLetters",
            "AddToFeedFunction",
            "RetriesExhausted",
        )
        assert (dead.ids, dead.at) == (["i"], 180.01)

    def test_a_flow_stops_at_the_function_that_failed(self, feed):
        """Not at the queue that kept the dead letter."""
        flow = Flow(feed.journal)

        assert flow.stopped_at == "AddToFeedFunction"
        assert str(flow.errors[0]) == ("AddToFeedFunction failed at +0.010s with TableDown: TableDown happened")

    def test_a_redrive_stops_at_the_consumer_that_failed(self, script):
        """The move hangs under the message, so the consumer is found below it."""
        message = script.event("Queue", body="{}")
        script.run("Worker", message, error="Boom")
        script.write("dead_letter", "Dead", message, source="Queue", condition="maxReceiveCount", ids=["m"], id="m")

        assert Flow(script.journal).stopped_at == "Worker"

    def test_an_undeliverable_event_stops_at_its_consumer(self, script):
        """No function failed; the one that could not be reached is named."""
        event = script.event("Topic")
        delivery = script.write("delivery", "Queue", event, source="Topic", ids=["i"], attempt=1)
        script.write("dropped", "Queue", delivery, reason="could not be delivered", ids=["i"])

        assert Flow(script.journal).stopped_at == "Queue"
        assert Flow(script.journal).dropped[0].reason == "could not be delivered"

    def test_a_failure_that_was_retried_in_vain_is_no_end(self, script):
        """A function whose last attempt went well did not stop the flow."""
        event = script.event("Topic")
        script.run("Worker", event, error="Boom")
        script.run("Worker", event, attempt=2)

        assert Flow(script.journal).stopped_at is None

    def test_a_failure_without_a_retry_is_an_end(self, script):
        """A synchronous invocation fails once, and nothing is journaled after it."""
        script.run("Worker", script.event("Api"), error="Boom")

        assert Flow(script.journal).stopped_at == "Worker"

    def test_a_filtered_event_ends_the_flow_only_if_nobody_took_it(self, script):
        """Filters are normal in a fan-out; they matter when they leave no consumer."""
        taken, lost = script.event("Topic"), script.event("Other")
        script.write("dropped", "Worker", taken, reason="filtered out by the policy", ids=["i"])
        script.run("Second", taken)

        assert Flow.of(script.journal, taken).stopped_at is None

        script.write("dropped", "Worker", lost, reason="filtered out by the policy", ids=["i"])

        assert Flow.of(script.journal, lost).stopped_at == "Worker"


class TestText:
    """The drawn tree."""

    def test_the_tree_tells_the_whole_story(self, feed):
        """Times, attempts, errors, planned retries and the dead letter, in causal order."""
        assert str(Flow(feed.journal)).splitlines() == [
            "+0.000s     test called kinesis.PutRecord",
            "+0.000s       PostStream accepted {}",
            "+0.010s         DistributeFunction attempt 1: ok after 3 ms",
            '+0.010s           FeedTopic accepted {"author": "amy"}',
            "+0.010s             AddToFeedFunction attempt 1: failed after 3 ms with TableDown: TableDown happened",
            "+0.010s               AddToFeedFunction will be tried again at +60.010s (FunctionError)",
            "+60.010s            AddToFeedFunction attempt 2: failed after 3 ms with TableDown: TableDown happened",
            "+60.010s              AddToFeedFunction will be tried again at +180.010s (FunctionError)",
            "+180.010s           AddToFeedFunction attempt 3: failed after 3 ms with TableDown: TableDown happened",
            "+180.010s             FeedDeadLetters keeps a dead letter of AddToFeedFunction (RetriesExhausted)",
            "+180.010s               FeedDeadLetters accepted {}",
        ]

    def test_what_went_wrong_on_the_way_is_drawn(self, script):
        """Refused calls, faults, warnings, losses, undelivered events and unfinished runs each have a line."""
        event = script.event("Topic", message="hi")
        script.write("fault", "Worker", event, fault="latency", settings={"delay_ms": 4})
        invocation = script.write("invocation", "Worker", event, attempt=1)
        script.write("call", "Worker", invocation, service="dynamodb", operation="PutItem", error="Throttled")
        script.write("delivery", "Queue", event, source="Topic", attempt=2)
        script.write("dropped", "Queue", event, reason="gone", ids=["a", "b"])
        script.write("warning", "Topic", None, message="careful")
        script.event("Lonely", body="x")
        text = str(Flow(script.journal))

        for line in (
            'fault latency struck Worker {"delay_ms": 4}',
            "Worker attempt 1: still running",
            "Worker called dynamodb.PutItem: refused with Throttled",
            "Queue: attempt 2 to deliver from Topic",
            "Queue lost 2 events: gone",
            "warning, Topic: careful",
            'Lonely accepted "x" (not delivered)',
        ):
            assert line in text

    def test_reading_calls_and_logs_are_not_drawn(self, script):
        """The tree is about what events did; a GetItem is noise, and logs have a section of their own."""
        script.write("call", "test", None, service="dynamodb", operation="GetItem")
        script.write("log", "Worker", None, line="hello")

        assert str(Flow(script.journal)) == "(nothing happened)"
        assert repr(Flow(script.journal)) == "<Flow of 2 records: nothing happened>"

    def test_a_long_tree_is_cut_and_says_so(self, script):
        """A failure report stays readable; the whole tree is one call away."""
        for _ in range(LINES_MAX + 7):
            script.event("Queue")
        flow = Flow(script.journal)

        assert str(flow).splitlines()[-1] == "... and 7 lines more"
        assert len(flow.text(lines_max=None).splitlines()) == LINES_MAX + 7

    def test_an_empty_flow_answers_everything(self, script):
        """Nothing happened is an answer, not a crash."""
        flow = Flow(script.journal)

        assert (flow.path, flow.dead_letters, flow.dropped, flow.errors, flow.stopped_at) == ([], [], [], [], None)


def test_a_deep_flow_of_ten_thousand_records_is_read_without_recursion(script):
    """A message that is handed on thousands of times is one deep chain."""
    cause = None
    for _ in range(10_000):
        cause = script.event("Queue", cause)
    began = time.perf_counter()
    flow = Flow.of(script.journal, cause)

    assert flow.path == ["Queue"]
    assert len(flow.text(lines_max=None).splitlines()) == 10_000
    assert time.perf_counter() - began < 5


class TestTables:
    """A table's events are told by what changed."""

    @pytest.mark.parametrize(
        ("name", "images", "line"),
        [
            ("INSERT", {"NewImage": {"id": {"S": "1"}, "n": {"N": "1.5"}}}, 'Table INSERT {"id": "1"}: n=1.5'),
            ("MODIFY", {"OldImage": {"id": {"S": "1"}, "n": {"N": "1"}, "m": {"S": "x"}},
                        "NewImage": {"id": {"S": "1"}, "n": {"N": "2"}, "m": {"S": "x"}}}, 'Table MODIFY {"id": "1"}: n 1 -> 2'),
            ("MODIFY", {}, 'Table MODIFY {"id": "1"}'),
            ("REMOVE", {"OldImage": {"id": {"S": "1"}, "n": {"N": "1"}}}, 'Table REMOVE {"id": "1"}'),
        ],
    )  # fmt: skip
    def test_a_change_is_told_in_a_line(self, script, name, images, line):
        """The kind, the key and the attributes that are new, as plain values."""
        key = {"id": {"S": "1"}}
        script.event("Table", event_name=name, key=key, data={"Keys": key, **images})

        assert Flow(script.journal).text() == f"+0.000s     {line} (not delivered)"


def test_attempts_suggest_functions_only(script):
    """No queue can have been meant."""
    flow = Flow(script.journal, known=["WorkQueue", "Worker"], functions=["Worker"])

    assert flow.attempts("Worker").count == 0
    with pytest.raises(UnknownResource, match=r"Did you mean Worker\? Known: Worker\.$"):
        flow.attempts("Workr")


def test_a_long_list_of_names_is_cut():
    """The likeliest are shown, the rest is counted."""
    from stagefright.errors import KNOWN_MAX, nearest

    message = nearest("Table7", [f"Table{n}" for n in range(KNOWN_MAX)] + [f"Some{n}Role" for n in range(14)])

    assert message.startswith("Did you mean Table7? Known: Table0, ")
    assert message.endswith("Table9, and 14 more.")
