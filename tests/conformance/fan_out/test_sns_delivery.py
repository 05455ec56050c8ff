"""SNS delivers: what subscribers get, and what happens when they cannot be reached (§5)."""

from __future__ import annotations

import base64
import json

import pytest

from stagefright.assumptions import Assumptions
from stagefright.aws_api.errors import ApiError

NUMBER = {"DataType": "Number", "StringValue": "99.12"}
BINARY = {"DataType": "Binary", "BinaryValue": b"\x02\x03\x04"}


class TestShapes:
    """§5.5"""

    @pytest.mark.rule("5.5/url-casing")
    @pytest.mark.rule("5.5/notification")
    def test_a_queue_gets_the_notification(self, world):
        """§5.5: the envelope has the recorded fields in the recorded order, attributes only if there are any."""
        arn, queue = world.queue()
        topic = world.topic()
        subscription = world.subscribe(topic, arn)

        reply = world.topics.publish({"TopicArn": topic, "Message": "hi", "MessageAttributes": {"n": NUMBER}})

        body = queue.bodies[0]
        assert list(body) == [
            "Type", "MessageId", "TopicArn", "Message", "Timestamp", "SignatureVersion", "Signature", "SigningCertURL",
            "UnsubscribeURL", "MessageAttributes",
        ]  # fmt: skip
        assert body["MessageId"] == reply["MessageId"]
        assert body["Timestamp"] == "2026-01-01T00:00:00.000Z"
        assert body["SignatureVersion"] == "1"
        assert len(base64.b64decode(body["Signature"])) == 256
        assert body["SigningCertURL"].startswith("https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-")
        assert body["UnsubscribeURL"].endswith(f"/?Action=Unsubscribe&SubscriptionArn={subscription}")
        assert body["MessageAttributes"] == {"n": {"Type": "Number", "Value": "99.12"}}
        assert queue.sent[0]["attributes"] is None

    @pytest.mark.rule("5.5/notification")
    def test_the_subject_is_there_only_if_set(self, world):
        """§5.5: `Subject` stands between topic and message."""
        arn, queue = world.queue()
        topic = world.topic()
        world.subscribe(topic, arn)

        world.topics.publish({"TopicArn": topic, "Message": "hi", "Subject": "news"})

        assert list(queue.bodies[0])[2:5] == ["TopicArn", "Subject", "Message"]
        assert queue.sent[0]["body"].startswith('{\n  "Type" : "Notification",\n  "MessageId" : "')

    @pytest.mark.rule("5.5/lambda-event")
    @pytest.mark.rule("5.5/url-casing")
    @pytest.mark.rule("5.5/binary")
    def test_a_function_gets_the_event(self, world):
        """§5.5: one record, `Url` instead of `URL`, subject null if unset, binary values in base64."""
        function = world.function()
        topic = world.topic()
        subscription = world.subscribe(topic, function)

        world.topics.publish({"TopicArn": topic, "Message": "{}", "MessageAttributes": {"b": BINARY}})

        (record,) = world.async_invoke.events[0]["Records"]
        sns = record.pop("Sns")
        assert record == {"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": subscription}
        assert set(sns) == {
            "Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "SignatureVersion", "Signature",
            "SigningCertUrl", "UnsubscribeUrl", "MessageAttributes",
        }  # fmt: skip
        assert sns["Subject"] is None
        assert sns["MessageAttributes"] == {"b": {"Type": "Binary", "Value": "AgME"}}

    @pytest.mark.rule("5.5/raw")
    def test_raw_delivery_is_the_message_and_its_attributes(self, world):
        """§5.5: with raw delivery the body is the message, and attributes become SQS attributes."""
        arn, queue = world.queue()
        topic = world.topic()
        world.subscribe(topic, arn, RawMessageDelivery="true")

        world.topics.publish({"TopicArn": topic, "Message": "hi", "MessageAttributes": {"n": NUMBER, "b": BINARY}})

        assert queue.sent[0]["body"] == "hi"
        assert queue.sent[0]["attributes"] == {"n": NUMBER, "b": BINARY}

    @pytest.mark.rule("5.5/raw-attributes")
    def test_raw_delivery_discards_more_than_ten_attributes(self, world):
        """§5.5: an eleventh attribute is a client-side error, so the message is lost."""
        arn, queue = world.queue()
        topic = world.topic()
        world.subscribe(topic, arn, RawMessageDelivery="true")

        attributes = {f"a{number}": NUMBER for number in range(11)}
        world.topics.publish({"TopicArn": topic, "Message": "hi", "MessageAttributes": attributes})

        assert queue.sent == []
        assert "10 message attributes" in world.records("dropped")[0].detail["reason"]

    def test_each_protocol_reads_its_own_text(self, world):
        """§5.1: with `MessageStructure` json, a protocol without a text of its own gets the default one."""
        arn, queue = world.queue()
        topic = world.topic()
        world.subscribe(topic, arn)
        world.subscribe(topic, world.function())

        message = json.dumps({"default": "all", "sqs": "queues", "lambda": 5})
        world.topics.publish({"TopicArn": topic, "Message": message, "MessageStructure": "json"})

        assert queue.bodies[0]["Message"] == "queues"
        assert world.async_invoke.events[0]["Records"][0]["Sns"]["Message"] == "all"

    def test_the_same_seed_gives_the_same_ids(self, world):
        """Ids come from chance: message n of a topic has the same id in every run."""
        topic = world.topic()

        first = world.topics.publish({"TopicArn": topic, "Message": "a"})

        assert first["MessageId"] == world.chance.uuid("sns", topic, 1)


class TestJournal:
    """docs/architecture.md, records"""

    def test_an_event_causes_its_deliveries(self, world):
        """One `event` record per message, and one `delivery` per subscription that it causes."""
        arn, queue = world.queue()
        topic = world.topic()
        world.subscribe(topic, arn)
        world.subscribe(topic, world.function())

        reply = world.topics.publish(
            {"TopicArn": topic, "Message": "hi", "Subject": "s", "MessageAttributes": {"b": BINARY}}
        )

        (event,) = world.records("event")
        assert (event.resource, event.detail["id"]) == ("feed", reply["MessageId"])
        assert (event.detail["message"], event.detail["subject"]) == ("hi", "s")
        assert event.detail["attributes"] == {"b": "AgME"}
        deliveries = world.records("delivery")
        assert [record.resource for record in deliveries] == ["jobs", "worker"]
        assert {record.cause for record in deliveries} == {event.n}
        assert deliveries[0].detail["source"] == "feed"
        assert deliveries[0].detail["ids"] == [reply["MessageId"]]
        assert queue.sent[0]["cause"] == deliveries[0].n

    def test_other_endpoints_are_warned_of_once(self, world):
        """The local stage has no mail and no web hooks, and says so once per subscription."""
        topic = world.topic()
        world.subscribe(topic, "https://example.com/hook")

        for _ in range(2):
            world.topics.publish({"TopicArn": topic, "Message": "hi"})

        (warning,) = world.records("warning")
        assert "https" in warning.detail["message"]

    @pytest.mark.parametrize(
        ("endpoint", "protocol"),
        [
            ("arn:aws:firehose:eu-west-1:123456789012:deliverystream/logs", "firehose"),
            ("https://example.com/hook", "https"),
        ],
    )
    def test_an_endpoint_that_gets_nothing_is_named(self, world, endpoint, protocol):
        """§5.2: what SNS would deliver and the local stage does not, it says by protocol."""
        topic = world.topic()
        subscription = world.subscribe(topic, endpoint)

        world.topics.publish({"TopicArn": topic, "Message": "hi"})

        (warning,) = world.records("warning")
        assert f"does not deliver to {protocol} endpoints" in warning.detail["message"]
        assert subscription in warning.detail["message"]

    def test_a_text_message_goes_nowhere(self, world):
        """`Publish` to a phone number is accepted and warned of."""
        reply = world.topics.publish({"PhoneNumber": "+4915112345678", "Message": "hi"})

        assert reply["MessageId"]
        assert "sms" in world.records("warning")[0].detail["message"]


class TestFilters:
    """§5.6 at work"""

    @pytest.mark.rule("5.6/rejected")
    def test_a_filtered_message_is_dropped_with_its_reason(self, world):
        """§5.6: a rejected message is not delivered and does not go to the dead-letter queue."""
        arn, queue = world.queue()
        dead_arn, dead = world.queue("dead")
        topic = world.topic()
        policy = {"kind": ["a"]}
        world.subscribe(topic, arn, FilterPolicy=policy, RedrivePolicy={"deadLetterTargetArn": dead_arn})

        world.topics.publish({"TopicArn": topic, "Message": "hi"})

        assert (queue.sent, dead.sent) == ([], [])
        assert 'kind: wanted "a", found no value' in world.records("dropped")[0].detail["reason"]

    def test_a_changed_policy_applies_at_once(self, world):
        """§5.6: AWS may take 15 minutes to apply a policy; the local stage applies it to the next message."""
        arn, queue = world.queue()
        topic = world.topic()
        subscription = world.subscribe(topic, arn, FilterPolicy={"k": [1]}, FilterPolicyScope="MessageBody")

        world.topics.publish({"TopicArn": topic, "Message": '{"k": 2}'})
        world.sns.subscriptions[subscription].attributes["FilterPolicy"] = '{"k": [2]}'
        world.topics.publish({"TopicArn": topic, "Message": '{"k": 2}'})

        assert len(queue.sent) == 1


class TestFailedDeliveries:
    """§5.2 and §5.4"""

    @pytest.mark.parametrize("raw", ["true", "false"])
    @pytest.mark.rule("5.2/client-side-errors")
    @pytest.mark.rule("5.4/raw-body")
    @pytest.mark.rule("5.4/envelope-body")
    def test_a_missing_queue_is_final(self, world, raw):
        """§5.4: the dead-letter queue gets at once what the subscriber would have got."""
        dead_arn, dead = world.queue("dead")
        topic = world.topic()
        gone = "arn:aws:sqs:eu-west-1:123456789012:gone"
        world.subscribe(topic, gone, RawMessageDelivery=raw, RedrivePolicy={"deadLetterTargetArn": dead_arn})

        world.topics.publish({"TopicArn": topic, "Message": "hi", "MessageAttributes": {"n": NUMBER}})

        assert world.kernel.spawned == []
        (sent,) = dead.sent
        assert (sent["body"] == "hi") == (raw == "true")
        assert sent["attributes"] == ({"n": NUMBER} if raw == "true" else None)
        (record,) = world.records("dead_letter")
        assert record.resource == "dead"
        assert sent["cause"] == record.n

    @pytest.mark.rule("5.4/envelope-body")
    def test_a_missing_function_leaves_a_notification(self, world):
        """§5.4: the dead-letter queue of a Lambda subscription gets the notification, not the Lambda event."""
        dead_arn, dead = world.queue("dead")
        topic = world.topic()
        gone = "arn:aws:lambda:eu-west-1:123456789012:function:gone"
        world.subscribe(topic, gone, RedrivePolicy={"deadLetterTargetArn": dead_arn})

        world.topics.publish({"TopicArn": topic, "Message": "hi"})

        assert dead.bodies[0]["Type"] == "Notification"
        assert "SigningCertURL" in dead.bodies[0]

    @pytest.mark.rule("5.2/client-side-errors")
    def test_without_a_dead_letter_queue_it_is_lost(self, world):
        """§5.2: nothing keeps the message; the journal says so."""
        topic = world.topic()
        world.subscribe(topic, "arn:aws:sqs:eu-west-1:123456789012:gone")

        world.topics.publish({"TopicArn": topic, "Message": "hi"})

        assert "it has no dead-letter queue" in world.records("dropped")[0].detail["reason"]

    @pytest.mark.rule("5.2/immediate")
    @pytest.mark.rule("5.2/pre-backoff")
    @pytest.mark.rule("5.2/server-side-errors")
    def test_a_throttled_function_is_tried_again(self, world):
        """§5.2: three retries at once, two after a second each; then the event is accepted."""
        topic = world.topic()
        world.subscribe(topic, world.function())
        throttle = ApiError("TooManyRequestsException", "Rate Exceeded.", status=429)
        world.async_invoke.refusals = [throttle] * 5

        started = world.clock.now()
        world.topics.publish({"TopicArn": topic, "Message": "hi"})
        world.kernel.run()

        assert len(world.async_invoke.events) == 1
        assert [record.at - started for record in world.records("delivery")] == [0, 0, 0, 0, 1, 2]
        assert [record.detail["attempt"] for record in world.records("delivery")] == [1, 2, 3, 4, 5, 6]

    @pytest.mark.rule("5.2/client-side-errors")
    def test_a_retry_that_finds_the_endpoint_gone_ends_the_ladder(self, world):
        """§5.2: a client-side error is final also when it comes after server-side ones."""
        topic = world.topic()
        function = world.function()
        world.subscribe(topic, function)
        world.async_invoke.refusals = [ApiError("ServiceException", "down", status=500)]

        world.topics.publish({"TopicArn": topic, "Message": "hi"})
        world.async_invoke.known.clear()
        world.kernel.run()

        assert len(world.records("delivery")) == 2
        assert "Function not found" in world.records("dropped")[0].detail["reason"]


class TestFifo:
    """§5.5, FIFO topics"""

    def fifo(self, world, **attributes):
        return world.topic("feed.fifo", FifoTopic="true", **attributes)

    @pytest.mark.rule("5.5/notification-fifo")
    @pytest.mark.rule("5.5/fifo-subscribers")
    @pytest.mark.rule("5.5/fifo-content")
    def test_a_fifo_queue_gets_group_and_deduplication_id(self, world):
        """§5.5: the id is the SHA-256 of the message; the notification is numbered and not signed."""
        arn, queue = world.queue("jobs.fifo")
        topic = self.fifo(world, ContentBasedDeduplication="true")
        world.subscribe(topic, arn)

        reply = world.topics.publish({"TopicArn": topic, "Message": "Test", "MessageGroupId": "g"})

        assert queue.sent[0]["group"] == "g"
        assert queue.sent[0]["dedup"] == "532eaabd9574880dbf76b9b8cc00832c20a6ec113d682299550d7a6e0f345e25"
        assert list(queue.bodies[0]) == [
            "Type", "MessageId", "SequenceNumber", "TopicArn", "Message", "Timestamp", "UnsubscribeURL",
        ]  # fmt: skip
        assert queue.bodies[0]["SequenceNumber"] == reply["SequenceNumber"]
        assert len(reply["SequenceNumber"]) == 20

    @pytest.mark.rule("5.5/fifo-subscribers")
    def test_a_standard_queue_may_subscribe(self, world):
        """§5.5: standard queues get no deduplication id, which they would refuse."""
        arn, queue = world.queue("jobs")
        topic = self.fifo(world)
        world.subscribe(topic, arn)

        params = {"TopicArn": topic, "Message": "a", "MessageGroupId": "g", "MessageDeduplicationId": "d"}
        world.topics.publish(params)

        assert queue.sent[0]["dedup"] is None

    @pytest.mark.rule("5.5/fifo-deduplication")
    @pytest.mark.rule("5.5/fifo-scope")
    def test_duplicates_vanish_for_five_minutes(self, world):
        """§5.5: the second message with an id is accepted and goes nowhere; after five minutes it counts as new."""
        arn, queue = world.queue("jobs.fifo")
        topic = self.fifo(world)
        world.subscribe(topic, arn)
        params = {"TopicArn": topic, "Message": "a", "MessageGroupId": "g", "MessageDeduplicationId": "d"}

        first = world.topics.publish(params)
        world.clock.move_to(world.clock.now() + 299)
        again = world.topics.publish({**params, "Message": "b", "MessageGroupId": "other"})
        world.clock.move_to(world.clock.now() + 1)
        later = world.topics.publish(params)

        assert again == first
        assert later != first
        assert len(queue.sent) == 2
        assert world.records("dropped")[0].detail["reason"] == "duplicate"

    @pytest.mark.parametrize("has_first_id", [True, False])
    def test_what_the_publisher_of_a_duplicate_learns(self, world, has_first_id):
        """§5.5: the call succeeds either way; whether with the first message's id, AWS does not say."""
        world.assumptions = Assumptions(fifo_duplicate_has_first_id=has_first_id)
        topic = self.fifo(world)
        params = {"TopicArn": topic, "Message": "a", "MessageGroupId": "g", "MessageDeduplicationId": "d"}

        first, again = world.topics.publish(params), world.topics.publish(params)

        assert (first == again) is has_first_id
        assert len({len(reply["SequenceNumber"]) for reply in (first, again)}) == 1
        assert len(world.records("event")) == 1

    @pytest.mark.rule("5.5/fifo-scope")
    def test_deduplication_can_be_per_group(self, world):
        """§5.5: with the throughput scope `MessageGroup`, another group may use the id again."""
        arn, queue = world.queue("jobs.fifo")
        topic = self.fifo(world, FifoThroughputScope="MessageGroup")
        world.subscribe(topic, arn)

        for group in ("g", "h", "g"):
            world.topics.publish(
                {"TopicArn": topic, "Message": "a", "MessageGroupId": group, "MessageDeduplicationId": "d"}
            )

        assert [message["group"] for message in queue.sent] == ["g", "h"]

    def test_a_snapshot_remembers_duplicates(self, world):
        """A restored world forgets what was published after the snapshot, and draws the same ids again."""
        topic = self.fifo(world)
        params = {"TopicArn": topic, "Message": "a", "MessageGroupId": "g", "MessageDeduplicationId": "d"}
        before = world.topics.snapshot()

        first = world.topics.publish(params)
        world.topics.restore(before)
        second = world.topics.publish(params)

        assert first == second
        assert world.records("dropped") == []


class TestOtherServicesPublish:
    """`deliver`, for rules and dead-letter queues"""

    def test_attributes_and_subject_come_along(self, world):
        """§2.4: a dead-letter topic gets the failure as message attributes."""
        arn, queue = world.queue()
        topic = world.topic()
        world.subscribe(topic, arn)

        world.topics.deliver(topic, "{}", subject="dead", attributes={"n": NUMBER}, cause=None)

        assert queue.bodies[0]["MessageAttributes"] == {"n": {"Type": "Number", "Value": "99.12"}}
        assert world.records("event")[0].cause is None
