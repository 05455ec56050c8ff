"""EventBridge hands events to targets, tries again, and gives up (§6.1, §6.3, §6.4)."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from stagefright.assumptions import Assumptions
from stagefright.aws_api.errors import ApiError
from stagefright.delivery.backoff import Backoff
from stagefright.services.bus_state import backend_of

DOWN = ApiError("ServiceException", "down", status=500)
THROTTLE = ApiError("TooManyRequestsException", "Rate Exceeded.", status=429)

AGE_RANGE = pytest.mark.rule("6.4/event-age-range")


class TestKinds:
    """§6.1, what each kind of target gets"""

    @pytest.mark.rule("6.1/targets-get-the-event")
    def test_a_function_gets_the_event(self, world):
        """§6.1: the whole event, asynchronously."""
        world.rule({"Arn": world.function()})

        reply = world.put_event({"a": 1})

        assert world.async_invoke.events[0]["id"] == reply["EventId"]
        (delivery,) = world.records("delivery")
        assert (delivery.resource, delivery.detail["source"], delivery.detail["rule"]) == ("worker", "default", "rule")
        assert delivery.cause == world.records("event")[0].n

    @pytest.mark.rule("6.1/fifo-target")
    def test_a_fifo_queue_gets_the_group(self, world):
        """§6.1: the group comes from the target; the queue deduplicates by content."""
        arn, queue = world.queue("jobs.fifo")
        world.rule({"Arn": arn, "SqsParameters": {"MessageGroupId": "g"}})

        world.put_event()

        assert (queue.sent[0]["group"], queue.sent[0]["dedup"]) == ("g", None)

    @pytest.mark.rule("6.1/targets-get-the-event")
    def test_a_topic_gets_the_event_as_its_message(self, world):
        """§6.1: subscribers of the topic get the JSON of the event."""
        arn, queue = world.queue()
        topic = world.topic()
        world.subscribe(topic, arn)
        world.rule({"Arn": topic})

        reply = world.put_event()

        assert json.loads(queue.bodies[0]["Message"])["id"] == reply["EventId"]

    @pytest.mark.rule("6.1/targets-get-the-event")
    @pytest.mark.parametrize(
        ("parameters", "key"),
        [({}, None), ({"PartitionKeyPath": "$.detail.user"}, "amy"), ({"PartitionKeyPath": "$.detail.none"}, None)],
    )
    def test_a_stream_gets_a_record(self, world, parameters, key):
        """§6.1: the partition key is read from the event, or is its id."""
        arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/posts"
        world.rule({"Arn": arn, "KinesisParameters": parameters})

        reply = world.put_event({"user": "amy"})

        ((stream, data, partition_key),) = world.put_records
        assert (stream, partition_key) == (arn, key or reply["EventId"])
        assert json.loads(data)["detail"] == {"user": "amy"}

    def test_a_log_group_gets_a_line(self, world):
        """§6.1: the group is named by the ARN, with or without `:*`."""
        for number, tail in enumerate(("", ":*")):
            arn = f"arn:aws:logs:eu-west-1:123456789012:log-group:/aws/events/all{tail}"
            world.rule({"Arn": arn}, name=f"rule{number}")

        world.put_event()

        assert [group for group, _ in world.log_lines] == ["/aws/events/all"] * 2

    @pytest.mark.rule("6.1/bus-to-bus")
    def test_a_bus_gets_the_event_once(self, world):
        """§6.1: a target bus applies its own rules; from there the event does not go on to a third."""
        arn, queue = world.queue()
        for name in ("second", "third"):
            world.events.create_event_bus(name)
        second, third = (f"arn:aws:events:eu-west-1:123456789012:event-bus/{name}" for name in ("second", "third"))
        world.rule({"Arn": second})
        world.rule({"Arn": arn}, {"Arn": third}, bus="second")

        reply = world.put_event()

        assert queue.bodies[0]["id"] == reply["EventId"]
        assert [record.resource for record in world.records("event")] == ["default", "second"]
        assert "forwards it once only" in world.records("dropped")[0].detail["reason"]

    @pytest.mark.rule("6.1/bus-to-bus")
    @pytest.mark.parametrize("place", ["us-west-2:123456789012", "eu-west-1:210987654321", "ap-south-1:210987654321"])
    def test_the_other_bus_may_be_far_away(self, world, place):
        """§6.1: in another Region or account; the event keeps saying where it was put, and the far bus has rules of its own."""
        region, account = place.split(":")
        far = backend_of(account, region)
        far.reset()
        bus = far.create_event_bus("far")
        arn, queue = world.queue()
        far.put_rule("far-rule", event_pattern='{"source": ["shop"]}', event_bus_arn="far")
        far.put_targets("far-rule", "far", [{"Id": "t", "Arn": arn}])
        world.rule({"Arn": bus.arn})

        reply = world.put_event()

        (body,) = queue.bodies
        assert (body["id"], body["region"], body["account"]) == (reply["EventId"], "eu-west-1", "123456789012")
        assert len(world.records("event")) == 2
        far.reset()

    @pytest.mark.rule("6.1/bus-to-bus")
    def test_a_bus_that_feeds_itself_ends(self, world):
        """§6.1: a rule that sends a bus's events to the same bus does not loop."""
        world.rule({"Arn": "arn:aws:events:eu-west-1:123456789012:event-bus/default"})

        world.put_event()

        assert len(world.records("event")) == 2

    def test_other_targets_are_warned_of_once(self, world):
        """What the local stage cannot deliver to is named once per target."""
        world.rule({"Arn": "arn:aws:states:eu-west-1:123456789012:stateMachine:flow"})

        world.put_event()
        world.put_event()

        (warning,) = world.records("warning")
        assert "states" in warning.detail["message"]


class TestRules:
    """§6.1, which rules apply"""

    @pytest.mark.rule("6.1/rule-state")
    def test_a_disabled_rule_is_silent(self, world):
        """§6.1: only enabled rules send."""
        arn, queue = world.queue()
        rule = world.rule({"Arn": arn})
        rule.disable()

        world.put_event()

        assert queue.sent == []

    @pytest.mark.rule("6.1/rule-state")
    @pytest.mark.parametrize(
        ("state", "count"),
        [("ENABLED", 1), ("ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS", 1), ("DISABLED", 0), (None, 1)],
    )
    def test_a_rule_has_a_state(self, world, state, count):
        """§6.1: two of the three send, and a rule that is made without one does."""
        arn, queue = world.queue()
        world.events.put_rule("stateful", event_pattern='{"source": ["shop"]}', state=state)
        world.events.put_targets("stateful", None, [{"Id": "t", "Arn": arn}])

        world.put_event()

        assert len(queue.sent) == count

    def test_a_schedule_does_not_react_to_events(self, world):
        """§6.1: a rule without a pattern sends only when it is told to."""
        arn, queue = world.queue()
        rule = world.events.put_rule("every-minute", scheduled_expression="rate(1 minute)")
        world.events.put_targets("every-minute", None, [{"Id": "t", "Arn": arn}])

        world.put_event()
        assert queue.sent == []

        event = {"id": "1", "source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
        world.buses.send_to_rule(rule, {**event, "resources": [rule.arn], "time": "t"})
        assert len(queue.sent) == 1

    @pytest.mark.rule("6.2/bad-pattern-code")
    def test_a_bad_pattern_never_becomes_a_rule(self, world, refusal):
        """§6.2: `PutRule` is refused in AWS's words."""
        params = {"Name": "r", "EventPattern": json.dumps({"source": []})}

        assert refusal(world.buses.validate_rule, params) == (
            "InvalidEventPatternException",
            "Event pattern is not valid. Reason: Empty arrays are not allowed",
        )

    @pytest.mark.rule("6.1/pattern-length")
    def test_a_pattern_has_a_length(self, world, refusal):
        """§6.1: a rule takes the quota of 2,048 characters, the API no text above 4,096."""

        def put(length):
            text = json.dumps({"source": ["x" * (length - len('{"source": [""]}'))]})
            assert len(text) == length
            return {"Name": "r", "EventPattern": text}

        world.buses.validate_rule(put(2_048))
        assert refusal(world.buses.validate_rule, put(2_049))[0] == "LimitExceededException"
        code, text = refusal(world.buses.validate_rule, put(4_097))
        assert code == "ValidationException"
        assert text.endswith(
            "at 'eventPattern' failed to satisfy constraint: Member must have length less than or equal to 4096"
        )

    @pytest.mark.rule("6.2/wildcard-rules-per-bus")
    def test_a_bus_has_thirty_rules_with_wildcards(self, world, refusal):
        """§6.2: one more is over the quota; one without, a changed one, or one on another bus is not."""
        world.events.create_event_bus("other")
        for number in range(30):
            operand = {"wildcard": "a*"} if number % 2 else {"anything-but": {"wildcard": ["a*"]}}
            world.events.put_rule(f"w{number}", event_pattern=json.dumps({"source": [operand]}))
        wild = json.dumps({"detail": {"$or": [{"a": ["x"]}, {"b": [{"wildcard": "a*"}]}]}})
        plain = json.dumps({"detail": {"wildcard": ["x"]}})

        def put(name, pattern, **where):
            return {"Name": name, "EventPattern": pattern, **where}

        for allowed in (put("w7", wild), put("new", plain), put("new", wild, EventBusName="other")):
            world.buses.validate_rule(allowed)
        assert refusal(world.buses.validate_rule, put("new", wild))[0] == "LimitExceededException"

    @pytest.mark.rule("6.1/managed-rules")
    def test_a_managed_rule_is_not_changed(self, world, refusal):
        """§6.1: the rule of an archive refuses everything but `Force`."""
        world.archive()
        name = "Events-Archive-all"
        refused = ("ManagedRuleException", f"{name} is a managed rule. Set 'force' parameter to true to override.")

        assert refusal(world.buses.validate_rule, {"Name": name, "EventPattern": '{"source": ["x"]}'}) == refused
        assert refusal(world.buses.validate_targets, {"Rule": name, "Targets": []}) == refused
        assert refusal(world.buses.validate_change, {"Name": name}) == refused
        assert refusal(world.buses.validate_change, {"Rule": name, "Ids": [name], "Force": False}) == refused
        world.buses.validate_change({"Rule": name, "Ids": [name], "Force": True})

    @pytest.mark.rule("6.1/targets-per-rule")
    def test_a_rule_has_five_targets(self, world, refusal):
        """§6.1: a sixth is over the quota; to replace one is not."""
        arn, _ = world.queue()
        world.rule(*[{"Arn": arn}] * 5)

        def put(target_id):
            return {"Rule": "rule", "Targets": [{"Id": target_id, "Arn": arn}]}

        world.buses.validate_targets(put("t5"))
        assert refusal(world.buses.validate_targets, put("t6")) == (
            "LimitExceededException",
            "The requested resource exceeds the maximum number allowed.",
        )

    @pytest.mark.rule("6.1/rules-per-bus")
    def test_a_bus_has_three_hundred_rules(self, world, refusal):
        """§6.1: one more is over the quota; to change one is not."""
        for number in range(300):
            world.events.put_rule(f"r{number}", event_pattern='{"source": ["x"]}')

        world.buses.validate_rule({"Name": "r7", "EventPattern": '{"source": ["y"]}'})
        refused = refusal(world.buses.validate_rule, {"Name": "new", "EventPattern": '{"source": ["y"]}'})
        assert refused[0] == "LimitExceededException"


class TestFailures:
    """§6.4"""

    def attributes(self, queue):
        return {name: value["StringValue"] for name, value in queue.sent[0]["attributes"].items()}

    @pytest.mark.rule("6.4/no-retry")
    @pytest.mark.rule("6.4/dead-letter-attributes")
    @pytest.mark.rule("6.4/dead-letter-body")
    @pytest.mark.parametrize(
        "target",
        [
            "arn:aws:sqs:eu-west-1:123456789012:gone",
            "arn:aws:lambda:eu-west-1:123456789012:function:gone",
            "arn:aws:sns:eu-west-1:123456789012:gone",
            "arn:aws:events:eu-west-1:123456789012:event-bus/gone",
            "arn:aws:kinesis:eu-west-1:123456789012:stream/gone",
        ],
    )
    def test_a_missing_target_is_final(self, world, target):
        """§6.4: no retry; the dead-letter queue gets the event and why at once."""
        dead_arn, dead = world.queue("dead")
        rule = world.rule({"Arn": target, "InputPath": "$.detail", "DeadLetterConfig": {"Arn": dead_arn}})

        reply = world.put_event({"a": 1})

        assert world.kernel.spawned == []
        assert dead.bodies[0]["id"] == reply["EventId"]
        facts = self.attributes(dead)
        assert facts.pop("ERROR_MESSAGE")
        assert facts == {"RULE_ARN": rule.arn, "TARGET_ARN": target, "ERROR_CODE": "NO_RESOURCE"}
        assert world.records("dead_letter")[0].resource == "dead"

    def test_without_a_dead_letter_queue_it_is_lost(self, world):
        """§6.4: the journal says so."""
        world.rule({"Arn": "arn:aws:sqs:eu-west-1:123456789012:gone"})

        world.put_event()

        assert "no dead-letter queue" in world.records("dropped")[0].detail["reason"]

    @pytest.mark.rule("6.4/no-retry")
    @pytest.mark.rule("6.4/error-codes")
    def test_a_refusal_is_final(self, world):
        """§6.4: permission and parameter errors are not retried."""
        for code, expected in (
            ("AccessDeniedException", "NO_PERMISSIONS"),
            ("InvalidParameterValue", "SDK_CLIENT_ERROR"),
        ):
            world.events.reset()
            dead_arn, dead = world.queue(f"dead-{code}")
            world.rule({"Arn": world.function(), "DeadLetterConfig": {"Arn": dead_arn}})
            world.async_invoke.refusals = [ApiError(code, "no", status=403)]

            world.put_event()

            assert self.attributes(dead)["ERROR_CODE"] == expected

    @pytest.mark.rule("6.4/backoff")
    def test_a_throttle_is_tried_again(self, world):
        """§6.4: with growing waits, until it works."""
        world.rule({"Arn": world.function()})
        world.async_invoke.refusals = [THROTTLE] * 3

        started = world.clock.now()
        world.put_event()
        world.kernel.run()

        assert len(world.async_invoke.events) == 1
        assert [record.at - started for record in world.records("delivery")] == [0, 1, 3, 7]
        assert [record.detail["due"] - started for record in world.records("retry")] == [1, 3, 7]

    @pytest.mark.rule("6.4/jitter")
    def test_jitter_shortens_the_waits(self, world):
        """§6.4: by chance, as far as the assumption lets it, and the same in every run."""
        world.assumptions = Assumptions(retry_jitter=0.5)
        world.backoff = Backoff(world.assumptions, world.chance)
        world.rule({"Arn": world.function()})
        world.async_invoke.refusals = [THROTTLE] * 6

        started = world.clock.now()
        world.put_event()
        world.kernel.run()

        times = [record.at - started for record in world.records("delivery")]
        waits = [later - earlier for earlier, later in pairwise(times)]
        assert all(full / 2 < wait <= full for wait, full in zip(waits, [1, 2, 4, 8, 16, 32], strict=True))
        assert waits != [1, 2, 4, 8, 16, 32]

    @pytest.mark.rule("6.4/retry-attempts-range")
    @pytest.mark.parametrize(
        ("policy", "fault"),
        [
            ({"MaximumRetryAttempts": 0}, None),
            ({"MaximumRetryAttempts": 185}, None),
            ({"MaximumRetryAttempts": 186}, "maximumRetryAttempts' failed to satisfy constraint: Member must have value less than or equal to 185"),
            ({"MaximumRetryAttempts": -1}, "maximumRetryAttempts' failed to satisfy constraint: Member must have value greater than or equal to 0"),
            pytest.param({"MaximumEventAgeInSeconds": 60}, None, marks=AGE_RANGE),
            pytest.param({"MaximumEventAgeInSeconds": 86_400}, None, marks=AGE_RANGE),
            pytest.param({"MaximumEventAgeInSeconds": 59}, "Member must have value greater than or equal to 60", marks=AGE_RANGE),
            pytest.param({"MaximumEventAgeInSeconds": 86_401}, "Member must have value less than or equal to 86400", marks=AGE_RANGE),
        ],
    )  # fmt: skip
    def test_the_policy_has_ranges(self, world, refusal, policy, fault):
        """§6.4: 0 to 185 retries, 60 to 86,400 seconds."""
        params = {"Rule": "r", "Targets": [{"Id": "t", "Arn": world.function(), "RetryPolicy": policy}]}

        if fault is None:
            world.buses.validate_targets(params)
            return
        code, text = refusal(world.buses.validate_targets, params)
        assert code == "ValidationException"
        assert text.startswith("1 validation error detected: Value '")
        assert text.endswith(fault)

    @pytest.mark.rule("6.4/dead-letter-queue")
    @pytest.mark.parametrize(
        ("arn", "fault"),
        [
            ("arn:aws:sqs:eu-west-1:123456789012:dead", None),
            ("arn:aws:sqs:eu-west-1:123456789012:dead.fifo", "a standard queue"),
            ("arn:aws:sqs:us-east-1:123456789012:dead", "a queue in eu-west-1"),
            ("arn:aws:sns:eu-west-1:123456789012:dead", "the ARN of an SQS queue"),
            ("dead", "the ARN of an SQS queue"),
        ],
    )
    def test_the_dead_letter_queue_is_a_standard_one(self, world, refusal, arn, fault):
        """§6.4: in the rule's Region."""
        params = {"Rule": "r", "Targets": [{"Id": "t", "Arn": world.function(), "DeadLetterConfig": {"Arn": arn}}]}

        if fault is None:
            world.buses.validate_targets(params)
        else:
            assert fault in refusal(world.buses.validate_targets, params)[1]

    @pytest.mark.rule("6.4/dead-letter-body")
    def test_the_dead_letter_may_be_the_input(self, world):
        """§6.4: where AWS is silent, the assumption speaks."""
        world.assumptions = Assumptions(eventbridge_dead_letter_has_input=True)
        dead_arn, dead = world.queue("dead")
        target = {"Arn": "arn:aws:sqs:eu-west-1:123456789012:gone", "InputPath": "$.detail"}
        world.rule({**target, "DeadLetterConfig": {"Arn": dead_arn}})

        world.put_event({"a": 1})

        assert dead.bodies == [{"a": 1}]

    @pytest.mark.rule("6.4/default-retries")
    @pytest.mark.rule("6.4/exhausted-attributes")
    def test_by_default_185_retries_in_24_hours(self, world):
        """§6.4: then the dead-letter queue gets the event, with the condition and the count."""
        dead_arn, dead = world.queue("dead")
        world.rule({"Arn": world.function(), "DeadLetterConfig": {"Arn": dead_arn}})
        world.async_invoke.refusals = [DOWN] * 1_000

        started = world.clock.now()
        world.put_event()
        world.kernel.run()

        assert len(world.records("delivery")) == 186
        assert 86_000 < world.clock.now() - started <= 86_400
        facts = self.attributes(dead)
        assert facts["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts"
        assert (facts["RETRY_ATTEMPTS"], facts["ERROR_CODE"]) == ("185", "INTERNAL_ERROR")

    @pytest.mark.rule("6.4/whichever-first")
    @pytest.mark.rule("6.4/exhausted-attributes")
    @pytest.mark.rule("6.4/retry-attempts-range")
    @pytest.mark.rule("6.4/error-codes")
    @pytest.mark.parametrize(
        ("policy", "condition", "retries"),
        [
            ({"MaximumRetryAttempts": 0}, "MaximumRetryAttempts", 0),
            ({"MaximumRetryAttempts": 2}, "MaximumRetryAttempts", 2),
            ({"MaximumEventAgeInSeconds": 60}, "MaximumEventAgeInSeconds", 5),
            # The sixth retry would come after 1 + 2 + 4 + 8 + 16 + 32 seconds.
            ({"MaximumEventAgeInSeconds": 62}, "MaximumEventAgeInSeconds", 5),
            ({"MaximumEventAgeInSeconds": 63}, "MaximumEventAgeInSeconds", 6),
        ],
    )
    def test_the_policy_ends_it_sooner(self, world, policy, condition, retries):
        """§6.4: whichever of the two limits comes first."""
        dead_arn, dead = world.queue("dead")
        world.rule({"Arn": world.function(), "RetryPolicy": policy, "DeadLetterConfig": {"Arn": dead_arn}})
        world.async_invoke.refusals = [THROTTLE] * 1_000

        world.put_event()
        world.kernel.run()

        facts = self.attributes(dead)
        assert (facts["EXHAUSTED_RETRY_CONDITION"], facts["RETRY_ATTEMPTS"]) == (condition, str(retries))
        assert facts["ERROR_CODE"] == "THROTTLING"

    @pytest.mark.rule("6.4/no-retry")
    def test_a_refusal_ends_the_retries(self, world):
        """§6.4: a target that disappears in the meantime is given up at once."""
        world.rule({"Arn": world.function()})
        world.async_invoke.refusals = [DOWN]

        world.put_event()
        world.async_invoke.known.clear()
        world.kernel.run()

        assert len(world.records("delivery")) == 2
        assert len(world.records("dropped")) == 1

    @pytest.mark.rule("6.4/error-codes")
    def test_input_that_is_not_json_cannot_go_to_a_function(self, world):
        """§6.4: `INVALID_JSON`."""
        dead_arn, dead = world.queue("dead")
        transformer = {"InputPathsMap": {}, "InputTemplate": '"two" "texts"'}
        target = {"Arn": world.function(), "InputTransformer": transformer}
        world.rule({**target, "DeadLetterConfig": {"Arn": dead_arn}})

        world.put_event()

        assert self.attributes(dead)["ERROR_CODE"] == "INVALID_JSON"

    def test_a_dead_letter_queue_that_refuses_loses_the_event(self, world):
        """§6.4: there is nothing behind a dead-letter queue."""
        dead_arn, dead = world.queue("dead")
        dead.refusals = [ApiError("InvalidParameterValue", "too long")]
        gone = "arn:aws:sqs:eu-west-1:123456789012:gone"
        world.rule({"Arn": gone, "DeadLetterConfig": {"Arn": dead_arn}})

        world.put_event()

        assert "its dead-letter queue refused it" in world.records("dropped")[0].detail["reason"]
