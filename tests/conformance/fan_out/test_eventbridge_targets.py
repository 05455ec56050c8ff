"""EventBridge hands events to targets, tries again, and gives up (§6.1, §6.3, §6.4)."""

from __future__ import annotations

import json

import pytest

from stagefright.aws_api.errors import ApiError

DOWN = ApiError("ServiceException", "down", status=500)
THROTTLE = ApiError("TooManyRequestsException", "Rate Exceeded.", status=429)


class TestKinds:
    """§6.1, what each kind of target gets"""

    def test_a_function_gets_the_event(self, world):
        """§6.1: the whole event, asynchronously."""
        world.rule({"Arn": world.function()})

        reply = world.put_event({"a": 1})

        assert world.async_invoke.events[0]["id"] == reply["EventId"]
        (delivery,) = world.records("delivery")
        assert (delivery.resource, delivery.detail["source"], delivery.detail["rule"]) == ("worker", "default", "rule")
        assert delivery.cause == world.records("event")[0].n

    def test_a_fifo_queue_gets_the_group(self, world):
        """§6.1: the group comes from the target; the queue deduplicates by content."""
        arn, queue = world.queue("jobs.fifo")
        world.rule({"Arn": arn, "SqsParameters": {"MessageGroupId": "g"}})

        world.put_event()

        assert (queue.sent[0]["group"], queue.sent[0]["dedup"]) == ("g", None)

    def test_a_topic_gets_the_event_as_its_message(self, world):
        """§6.1: subscribers of the topic get the JSON of the event."""
        arn, queue = world.queue()
        topic = world.topic()
        world.subscribe(topic, arn)
        world.rule({"Arn": topic})

        reply = world.put_event()

        assert json.loads(queue.bodies[0]["Message"])["id"] == reply["EventId"]

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

    def test_a_bus_that_feeds_itself_ends(self, world):
        """§6.1: a rule that sends a bus's events to the same bus does not loop."""
        world.rule({"Arn": "arn:aws:events:eu-west-1:123456789012:event-bus/default"})

        world.put_event()

        assert len(world.records("event")) == 2

    def test_an_archive_keeps_the_event(self, world):
        """§6.5: moto's archives count what they keep; their replays come back through `send_to_rule`."""
        arn, queue = world.queue()
        bus = world.events.describe_event_bus("default")
        archive = world.events.create_archive("all", bus.arn, "", json.dumps({"source": ["shop"]}), None)
        rule = world.rule({"Arn": arn})

        world.put_event()
        world.buses.send_to_rule(rule, {**archive.events[0], "replay-name": "again"})

        assert len(archive.events) == 1
        assert [body.get("replay-name") for body in queue.bodies] == [None, "again"]

    def test_other_targets_are_warned_of_once(self, world):
        """What the local stage cannot deliver to is named once per target."""
        world.rule({"Arn": "arn:aws:states:eu-west-1:123456789012:stateMachine:flow"})

        world.put_event()
        world.put_event()

        (warning,) = world.records("warning")
        assert "states" in warning.detail["message"]


class TestRules:
    """§6.1, which rules apply"""

    def test_a_disabled_rule_is_silent(self, world):
        """§6.1: only enabled rules send."""
        arn, queue = world.queue()
        rule = world.rule({"Arn": arn})
        rule.disable()

        world.put_event()

        assert queue.sent == []

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

    def test_a_bad_pattern_never_becomes_a_rule(self, world, refusal):
        """§6.2: `PutRule` is refused in AWS's words."""
        params = {"Name": "r", "EventPattern": json.dumps({"source": []})}

        assert refusal(world.buses.validate_rule, params) == (
            "InvalidEventPatternException",
            "Event pattern is not valid. Reason: Empty arrays are not allowed",
        )

    def test_a_pattern_has_a_length(self, world, refusal):
        """§6.1: the API takes 4,096 characters."""
        params = {"Name": "r", "EventPattern": json.dumps({"source": ["x" * 4_096]})}

        assert refusal(world.buses.validate_rule, params)[0] == "ValidationException"

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

    @pytest.mark.parametrize(
        ("policy", "condition", "retries"),
        [
            ({"MaximumRetryAttempts": 0}, "MaximumRetryAttempts", 0),
            ({"MaximumRetryAttempts": 2}, "MaximumRetryAttempts", 2),
            ({"MaximumEventAgeInSeconds": 60}, "MaximumEventAgeInSeconds", 5),
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

    def test_a_refusal_ends_the_retries(self, world):
        """§6.4: a target that disappears in the meantime is given up at once."""
        world.rule({"Arn": world.function()})
        world.async_invoke.refusals = [DOWN]

        world.put_event()
        world.async_invoke.known.clear()
        world.kernel.run()

        assert len(world.records("delivery")) == 2
        assert len(world.records("dropped")) == 1

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
