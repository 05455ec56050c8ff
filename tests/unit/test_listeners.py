"""Listeners: what they see, what satisfies an expectation, and what a miss says."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest

from stagefright.clock import EPOCH, Clock
from stagefright.errors import ExpectationFailed, UnknownResource, UsageError
from stagefright.journal import Journal
from stagefright.listeners import Listen
from stagefright.settings import Settings


@dataclass
class Resource:
    """A deployed resource."""

    type: str
    physical_id: str
    arn: str | None = None


RESOURCES = {
    "FeedTopic": Resource("AWS::SNS::Topic", "arn:aws:sns:us-east-1:123456789012:feed", "arn:aws:sns:::feed"),
    "OtherTopic": Resource("AWS::SNS::Topic", "arn:aws:sns:us-east-1:123456789012:other"),
    "Queue": Resource("AWS::SQS::Queue", "https://queue"),
    "Dead": Resource("AWS::SQS::Queue", "https://dead"),
    "PostStream": Resource("AWS::Kinesis::Stream", "posts"),
    "Orders": Resource("AWS::DynamoDB::Table", "orders"),
    "Report": Resource("AWS::DynamoDB::Table", "report"),
    "Shop": Resource("AWS::Events::EventBus", "shop"),
    "Worker": Resource("AWS::Lambda::Function", "worker"),
    "Uploads": Resource("AWS::S3::Bucket", "uploads"),
}


@dataclass
class Stage:
    """A stage whose future is a list of steps, each due at a second."""

    clock: Clock = field(default_factory=Clock)
    resources: dict = field(default_factory=lambda: RESOURCES)
    settings: Settings = field(default_factory=Settings)
    future: list = field(default_factory=list)

    def __post_init__(self):
        self.journal = Journal(self.clock)

    def later(self, seconds, kind, resource, **detail):
        self.future.append((EPOCH + seconds, kind, resource, detail))

    def now(self, kind, resource, cause=None, **detail):
        return self.journal.write(kind, resource, cause=cause, **detail).n

    is_deployed = False

    def name_of(self, spelling):
        return spelling

    def has_stream(self, table):
        return table == "Orders"

    def observe(self, resource, verb, pattern=None):
        """Everything is in the journal anyway."""

    def run_until(self, condition, within_s):
        deadline = self.clock.now() + within_s
        while not (value := condition()):
            if not self.future or self.future[0][0] > deadline:
                if self.future:
                    self.clock.move_to(deadline)
                return value
            at, kind, resource, detail = self.future.pop(0)
            self.clock.move_to(at)
            self.now(kind, resource, **detail)
        return value


@pytest.fixture
def stage():
    return Stage()


@pytest.fixture
def listen(stage):
    return Listen(stage)


def miss(action):
    with pytest.raises(ExpectationFailed) as caught:
        action()
    return str(caught.value)


class TestWhatIsSeen:
    """Arming, de-duplication, and the kinds of resources."""

    def test_a_listener_sees_what_comes_after_it_was_armed(self, stage, listen):
        """What was published before is somebody else's."""
        stage.now("event", "FeedTopic", id="1", message="early")
        feed = listen.sns("FeedTopic")
        stage.now("event", "FeedTopic", id="2", message="late")
        stage.now("event", "OtherTopic", id="3", message="elsewhere")

        assert [event.message for event in feed.events] == ["late"]

    def test_an_event_counts_once(self, stage, listen):
        """A second record with the same id is the same event."""
        queue = listen.sqs("Queue")
        for _ in range(2):
            stage.now("event", "Queue", id="1", body="x")

        assert len(queue.events) == 1

    def test_listeners_do_not_consume(self, stage, listen):
        """Two listeners on one topic see the same events, and each has its own expectations."""
        one, other = listen.sns("FeedTopic"), listen.sns("FeedTopic")
        stage.now("event", "FeedTopic", id="1", message="x")

        assert one.expect().id == other.expect().id == "1"

    def test_a_redriven_message_is_seen_in_the_dead_letter_queue(self, stage, listen):
        """A redrive moves the message with its id and body; no send is involved."""
        dead = listen.sqs("Dead")
        first = stage.now("event", "Queue", id="1", body="bad", attributes={})
        stage.now("dead_letter", "Dead", first, source="Queue", condition="max", ids=["1"], id="1", body="bad")
        event = dead.expect(body="bad")

        assert (event.id, event.resource) == ("1", "Dead")

    def test_a_dead_letter_that_is_sent_is_one_event(self, stage, listen):
        """Lambda gives up (one record) and sends to the queue (another); the queue got one message."""
        dead = listen.sqs("Dead")
        kept = stage.now("dead_letter", "Dead", source="Worker", condition="RetriesExhausted", ids=["request"])
        stage.now("event", "Dead", kept, id="m", body="{}", attributes={"ErrorMessage": {"StringValue": "down"}})

        assert dead.expect().attributes["ErrorMessage"] == "down"
        dead.expect_no_more()

    @pytest.mark.parametrize(
        ("arm", "resource", "kind", "detail", "expected"),
        [
            (lambda listen: listen.kinesis("PostStream"), "PostStream", "event", {"data": "{}", "key": "a"}, {"key": "a"}),
            (lambda listen: listen.eventbridge(), "default", "event", {"source": "s", "detail_type": "t", "detail": {}},
             {"detail_type": "t"}),
            (lambda listen: listen.eventbridge("Shop"), "Shop", "event", {"source": "s", "detail_type": "t", "detail": {}},
             {"pattern": {"detail-type": ["t"]}}),
            (lambda listen: listen.dynamodb("Orders"), "Orders", "event",
             {"event_name": "INSERT", "data": {"NewImage": {"n": {"N": "1"}}}}, {"new": {"n": 1}}),
            (lambda listen: listen.s3("Uploads"), "Uploads", "event", {"event_name": "ObjectCreated:Put", "key": "a", "size": 1},
             {"key": "a", "size": 1}),
            (lambda listen: listen.logs("Worker"), "Worker", "log", {"line": '{"level": "ERROR"}'},
             {"line": {"level": "ERROR"}}),
        ],
    )  # fmt: skip
    def test_every_kind_of_resource_has_its_verb(self, stage, listen, arm, resource, kind, detail, expected):
        """Streams, buses, tables, buckets and logs are observed as topics and queues are."""
        listener = arm(listen)
        stage.now(kind, resource, **detail)

        assert listener.expect(**expected).resource == resource

    def test_a_listener_with_a_pattern_sees_what_a_rule_would(self, stage, listen):
        """Other events do not exist for it, so `expect_no_more` is about the pattern."""
        bus = listen.eventbridge("Shop", pattern={"detail-type": ["Paid"], "account": ["123456789012"]})
        stage.now("event", "Shop", id="1", source="s", detail_type="Opened", detail={})
        stage.now("event", "Shop", id="2", source="s", detail_type="Paid", detail={})

        assert [event.id for event in bus.events] == ["2"]


class TestNames:
    """Which resource is meant."""

    @pytest.mark.parametrize("name", ["FeedTopic", "arn:aws:sns:us-east-1:123456789012:feed"])
    def test_a_resource_is_named_by_logical_id_physical_id_or_arn(self, listen, name):
        """Whatever the test has at hand."""
        assert listen.sns(name).resource == "FeedTopic"

    def test_a_misspelt_name_lists_those_of_that_type(self, listen):
        """Only topics can be meant."""
        with pytest.raises(UnknownResource) as caught:
            listen.sns("FeedTopik")

        assert "no AWS::SNS::Topic called 'FeedTopik'. Did you mean FeedTopic? Known: FeedTopic, OtherTopic." in str(
            caught.value
        )

    def test_the_wrong_verb_says_the_right_one(self, listen):
        """A queue is no topic."""
        with pytest.raises(UsageError, match=r"Queue is an AWS::SQS::Queue.*Use listen\.sqs"):
            listen.sns("Queue")


class TestVacuousPasses:
    """What could never be seen is refused when the listener is armed or asked, and not taken for silence."""

    def test_a_table_without_a_stream_is_refused(self, listen):
        """None of its changes would ever be seen."""
        with pytest.raises(UsageError, match="Report has no StreamSpecification, so its changes cannot be observed"):
            listen.dynamodb("Report")

    @pytest.mark.parametrize("pattern", [{"sorce": ["s"]}, {"$or": [{"sorce": ["s"]}, {"detail-type": ["t"]}]}])
    def test_a_misspelt_field_of_a_pattern_is_refused(self, listen, pattern):
        """At arming, and when it is expected."""
        for ask in (
            lambda: listen.eventbridge("Shop", pattern=pattern),
            lambda: listen.eventbridge().expect(pattern=pattern),
        ):
            with pytest.raises(UsageError, match=r"no field 'sorce'. Did you mean source\?"):
                ask()

    def test_every_field_of_an_envelope_may_be_asked(self, listen):
        """On a bus EventBridge's own, elsewhere the parts."""
        listen.eventbridge(
            "Shop", pattern={"replay-name": [{"exists": False}], "$or": [{"id": ["1"]}, {"time": ["t"]}]}
        )
        listen.sns("FeedTopic").expect_none(pattern={"message": {"author": ["amy"]}}, within="1s")

    def test_a_pattern_is_a_mapping(self, listen):
        """Text would be taken apart letter by letter."""
        with pytest.raises(UsageError, match="A pattern is a mapping"):
            listen.eventbridge("Shop", pattern="{}")

    @pytest.mark.parametrize("verb", ["expect", "expect_none"])
    def test_a_part_that_the_resource_does_not_have_is_refused(self, listen, verb):
        """A topic's event has no body, so none would ever match."""
        feed = listen.sns("FeedTopic")
        with pytest.raises(
            UsageError, match=r"no part 'body'. What was sent is its message. Known: attributes, group_id, mes"
        ):
            getattr(feed, verb)(body="x", within="1s")
        with pytest.raises(UsageError, match=r"no part 'mesage'. Did you mean message\?"):
            getattr(feed, verb)(mesage="x", within="1s")

    def test_parts_are_named(self, listen):
        """A first try without a name is told how to say it."""
        with pytest.raises(UsageError, match=r"expect takes parts by name: expect\(message=\{...\}\)"):
            listen.sns("FeedTopic").expect({"author": "amy"})

    def test_a_misspelt_verb_has_a_suggestion(self, listen):
        """And is an AttributeError, as for any object."""
        with pytest.raises(AttributeError, match=r"listen has no 'kineses'. Did you mean kinesis\?"):
            listen.kineses("PostStream")


class TestWaiting:
    """`expect` lets time pass; it takes events in order, each once."""

    def test_expect_waits_until_the_event_comes(self, stage, listen):
        """And no longer."""
        feed = listen.sns("FeedTopic")
        stage.later(20, "event", "FeedTopic", id="1", message="x")
        stage.later(25, "event", "FeedTopic", id="2", message="y")
        event = feed.expect(within="30s")

        assert (event.id, stage.clock.now() - EPOCH) == ("1", 20)

    def test_one_event_satisfies_one_expectation(self, stage, listen):
        """Two equal expectations need two events."""
        feed = listen.sns("FeedTopic")
        for n in "12":
            stage.now("event", "FeedTopic", id=n, message="x")

        assert [feed.expect(message="x").id, feed.expect(message="x").id] == ["1", "2"]
        assert "satisfied an earlier expectation" in miss(lambda: feed.expect(message="x"))

    def test_an_event_can_be_expected_out_of_order(self, stage, listen):
        """What was passed over is still there for a later expectation."""
        feed = listen.sns("FeedTopic")
        stage.now("event", "FeedTopic", id="1", message="x")
        stage.now("event", "FeedTopic", id="2", message="y")

        assert [feed.expect(message="y").id, feed.expect(message="x").id] == ["2", "1"]
        feed.expect_no_more()

    def test_no_more_runs_the_stage_to_its_rest(self, stage, listen):
        """An event that is still on its way is more."""
        feed = listen.sns("FeedTopic")
        stage.later(3600, "event", "FeedTopic", id="1", message="late")
        message = miss(feed.expect_no_more)

        assert message.startswith("FeedTopic has 1 event that no expectation took; none should be there:")
        assert 'message="late"' in message

    def test_none_is_about_a_span_and_a_description(self, stage, listen):
        """What comes later, and what was expected before, does not count."""
        feed = listen.sns("FeedTopic")
        stage.now("event", "FeedTopic", id="1", message="x")
        feed.expect(message="x")
        stage.later(60, "event", "FeedTopic", id="2", message="x")
        feed.expect_none(message="x", within="30s")

        assert stage.clock.now() - EPOCH == 30
        assert 'has 1 event matching message="x" within 1m' in miss(lambda: feed.expect_none(message="x", within="1m"))

    def test_a_wrong_span_is_refused_before_any_waiting(self, stage, listen):
        """Nothing runs for a misspelt `within`."""
        with pytest.raises(UsageError, match="'soon'"):
            listen.sns("FeedTopic").expect(within="soon")


class TestMisses:
    """A miss is read by somebody who wants to know why."""

    def test_a_miss_shows_every_event_nearest_first_with_what_differs(self, stage, listen):
        """The event with the most fields right is on top."""
        feed = listen.sns("FeedTopic")
        stage.now("event", "FeedTopic", id="far", message='{"author": "bob", "likes": 0}')
        stage.now("event", "FeedTopic", id="near", message='{"author": "amy", "likes": 0}')
        message = miss(lambda: feed.expect(message={"author": "amy", "likes": 1}, within="30s"))

        head, _, rest = message.partition("\n\n")
        assert head == (
            'No event on FeedTopic matched message={"author": "amy", "likes": 1}; nothing is due any more, so none will '
            "come (waited up to 30s)."
        )
        assert rest.splitlines()[:6] == [
            "FeedTopic has seen 2 events since the listener was armed, nearest first:",
            '  +0.000s  near  message={"author": "amy", "likes": 0}',
            "      message.likes: wanted 1, found 0",
            '  +0.000s  far  message={"author": "bob", "likes": 0}',
            '      message.author: wanted "amy", found "bob"',
            "      message.likes: wanted 1, found 0",
        ]

    def test_a_miss_shows_where_the_flow_stopped_and_why(self, stage, listen):
        """The error of the function that should have published is in the message."""
        feed = listen.sns("FeedTopic")
        post = stage.now("event", "PostStream", id="1", data="{}")
        run = stage.now("invocation", "Worker", post, attempt=1)
        end = stage.now("outcome", "Worker", run, duration_ms=1, error_type="KeyError", error_message="'author'")
        stage.now("retry", "Worker", end, due=EPOCH + 60, reason="FunctionError")
        stage.later(60, "log", "Worker", line="again")
        message = miss(lambda: feed.expect(within="30s"))

        for part in (
            "No event on FeedTopic matched any event within 30s.",
            "FeedTopic has seen no event since the listener was armed.",
            "Worker attempt 1: failed after 1 ms with KeyError: 'author'",
            "It stopped at Worker.",
            "- Worker failed with KeyError: 'author'. Its log: listen.logs('Worker').events",
            "- Worker will be tried again at +60.000s: wait longer (within=...)",
            "- nothing reached FeedTopic; events were seen on: PostStream (1)",
        ):
            assert part in message

    def test_a_matching_event_elsewhere_is_pointed_out(self, stage, listen):
        """The wrong topic, or a queue whose body is what the topic should have said."""
        feed = listen.sns("FeedTopic")
        stage.now("event", "OtherTopic", id="1", message='{"author": "amy"}')
        stage.now("event", "Queue", id="2", body='{"author": "amy"}')
        message = miss(lambda: feed.expect(message={"author": "amy"}))

        assert "- 1 event on OtherTopic would have matched" in message
        assert "- 1 event on Queue would have matched" in message

    def test_a_matching_event_before_the_listener_is_pointed_out(self, stage, listen):
        """The commonest slip: the stimulus first, the listener second."""
        stage.now("event", "FeedTopic", id="1", message="x")
        message = miss(lambda: listen.sns("FeedTopic").expect(message="x"))

        assert "a matching event came before the listener was armed" in message
        assert "Nothing has happened in the stage since the listener was armed." in message

    def test_what_led_to_the_resource_is_no_advice(self, stage, listen):
        """Neither the test's own stimulus, nor the request, nor what the resource's events came through."""
        feed = listen.sns("FeedTopic")
        wanted = '{"author": "amy"}'
        request = stage.now("event", "Api", id="0", route="POST /", method="POST", path="/", body=wanted)
        post = stage.now("event", "Queue", request, id="1", body=wanted)
        stage.now("event", "FeedTopic", post, id="2", message='{"writer": "amy"}')
        call = stage.now("call", "test", service="sqs", operation="SendMessage")
        stage.now("event", "Dead", call, id="3", body=wanted)
        message = miss(lambda: feed.expect(message={"author": "amy"}))

        assert "would have matched" not in message

    def test_failures_come_before_other_advice(self, stage, listen):
        """The error is the likeliest cause."""
        feed = listen.sns("FeedTopic")
        stage.now("event", "OtherTopic", id="1", message="x")
        run = stage.now("invocation", "Worker", attempt=1)
        stage.now("outcome", "Worker", run, duration_ms=1, error_type="KeyError", error_message="'id'")
        advice = miss(lambda: feed.expect(message="x")).partition("Try next:\n")[2].splitlines()

        assert [line.split()[1] for line in advice[:2]] == ["Worker", "1"]

    def test_an_event_that_was_expected_before_is_told(self, stage, listen):
        """The second of two equal expectations."""
        feed = listen.sns("FeedTopic")
        stage.now("event", "FeedTopic", id="1", message="x")
        feed.expect(message="x")
        message = miss(lambda: feed.expect(message="x"))

        assert "- it came once, and an earlier expect took it" in message
        assert "compare the fields" not in message

    def test_a_miss_shows_what_the_listeners_pattern_kept_out(self, stage, listen):
        """The pattern itself, and each event with the reason, nearest first."""
        bus = listen.eventbridge("Shop", pattern={"source": ["shops"], "detail-type": ["Paid"]})
        stage.now("event", "Shop", id="far", source="s", detail_type="Opened", detail={})
        stage.now("event", "Shop", id="near", source="shop", detail_type="Paid", detail={"id": "1"})
        message = miss(lambda: bus.expect(detail={"id": "1"}))

        assert message.startswith(
            'No event on Shop (pattern={"source": ["shops"], "detail-type": ["Paid"]}) matched detail='
        )
        assert "No event on Shop has passed the pattern." in message
        assert "Shop has seen 2 events that the listener's pattern kept out, nearest first:" in message
        assert message.index("  near  ") < message.index("  far  ")
        assert 'source: wanted "shops", found "shop"' in message
        assert "- the listener's pattern let nothing through: compare it with the reasons above" in message
        assert "has seen no event" not in message

    def test_a_predicate_is_shown_as_it_is_written(self, stage, listen):
        """The source of a lambda, the name of a function."""
        feed = listen.sns("FeedTopic")

        assert 'message=a value that lambda m: m["n"] > 3 accepts;' in miss(
            lambda: feed.expect(message=lambda m: m["n"] > 3)
        )
        assert "message=a value that len() accepts;" in miss(lambda: feed.expect(message=len))

    def test_a_failed_request_is_no_lost_event(self, stage, listen):
        """The client was answered; the function's own error is told once."""
        feed = listen.sns("FeedTopic")
        run = stage.now("invocation", "Worker", attempt=1)
        end = stage.now("outcome", "Worker", run, duration_ms=1, error_type="NameError", error_message="orders")
        stage.now("dropped", "Worker", end, reason="NameError: orders", status=500, ids=[])
        stage.now("dropped", "Other", reason="the function took longer than 30 s", status=503, ids=[])
        message = miss(feed.expect)

        assert "Worker's request was answered 500: NameError: orders" in message
        assert "- Worker's request" not in message
        assert "- Other's request was answered 503: the function took longer than 30 s" in message

    def test_losses_and_dead_letters_are_pointed_out(self, stage, listen):
        """An event that was filtered out or given up will not come."""
        feed = listen.sns("FeedTopic")
        event = stage.now("event", "OtherTopic", id="1", message="x")
        stage.now("dropped", "Worker", event, reason="filtered out by the policy", ids=["1"])
        stage.now("dead_letter", "Dead", event, source="OtherTopic", condition="NoPermission", ids=["1"])
        message = miss(lambda: feed.expect(message="y"))

        assert "- Worker lost 1 event: filtered out by the policy" in message
        assert "- Dead holds a dead letter of OtherTopic (NoPermission)" in message

    @pytest.mark.parametrize(
        ("kind", "hint"),
        [(None, "nothing was sent to the stage"), ("call", "no resource accepted an event")],
    )
    def test_silence_is_explained(self, stage, listen, kind, hint):
        """Nothing sent, or sent to nobody."""
        feed = listen.sns("FeedTopic")
        if kind:
            stage.now(kind, "test", service="s3", operation="PutObject")

        assert hint in miss(feed.expect)

    def test_a_long_miss_stays_readable(self, stage, listen):
        """Ten events, six differences each, and payloads on one short line; the rest is counted."""
        feed = listen.sns("FeedTopic")
        for n in range(13):
            stage.now("event", "FeedTopic", id=f"{n}", message="x" * 5000)
        message = miss(lambda: feed.expect(message={f"field{n}": n for n in range(9)}))

        assert "  ... and 3 more" in message
        assert "      and 3 more differences" in message
        assert "… (5002 characters)" in message
        assert max(map(len, message.splitlines())) < 260
        assert len(message.splitlines()) < 130

    def test_an_unexpected_event_shows_how_it_came_about(self, stage, listen):
        """The flow of the first one is in the message."""
        queue = listen.sqs("Queue")
        topic = stage.now("event", "FeedTopic", id="1", message="x")
        stage.now("event", "Queue", topic, id="2", body="x")
        message = miss(queue.expect_no_more)

        assert "How the first came about:" in message
        assert '+0.000s     FeedTopic accepted "x"' in message


def test_any_time_is_a_span():
    """`expect_no_more` waits for ever, and the message of a stage can say so."""
    from stagefright.spans import format_span

    assert format_span(math.inf) == "any time"


def test_a_predicate_judges_each_event_once_per_expectation():
    """However many instants pass meanwhile; a predicate may be slow, or count its calls."""
    stage = Stage()
    listener = Listen(stage).sns("FeedTopic")
    for n in range(3):
        stage.now("event", "FeedTopic", id=str(n), message=str(n))
    for n in range(3, 50):
        stage.later(n, "event", "FeedTopic", id=str(n), message=str(n))
    judged = []

    def is_40(message):
        judged.append(message)
        return message == "40"

    assert listener.expect(message=is_40, within="5m").id == "40"
    assert judged == [str(n) for n in range(41)]

    judged.clear()
    with pytest.raises(ExpectationFailed):
        listener.expect_none(message=lambda message: judged.append(message) or message in ("41", "48"), within="5m")
    assert judged == [str(n) for n in range(42) if n != 40]


def test_events_may_be_expected_in_any_order():
    """An expectation looks at all that came, also before the one that was found last."""
    stage = Stage()
    listener = Listen(stage).sns("FeedTopic")
    for n in range(5):
        stage.now("event", "FeedTopic", id=str(n), message=str(n))

    assert [listener.expect(message=n).id for n in (4, 0, 3, 1, 2)] == ["4", "0", "3", "1", "2"]
    listener.expect_no_more()
