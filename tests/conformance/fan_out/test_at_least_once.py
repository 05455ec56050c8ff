"""Topics and buses that hand over twice, or late, on request of chance; FIFO topics never (§5, §6)."""

from __future__ import annotations

import json

import pytest

from stagefright.delivery.at_least_once import AtLeastOnce, Decision


@pytest.fixture
def loose(world):
    """Puts settings of `at_least_once` into force."""

    def set_to(**settings):
        world.at_least_once = AtLeastOnce(world.chance, world.journal, world.kernel, settings)

    return set_to


class TestTopics:
    """Standard topics."""

    @pytest.mark.rule("5.5/standard-at-least-once")
    def test_a_duplicate_is_the_same_notification(self, world, loose):
        """§5.5: the queue gets two messages of its own with one SNS message id."""
        loose(duplicate_probability=1.0)
        arn, queue = world.queue()
        topic = world.topic()
        world.subscribe(topic, arn)

        reply = world.topics.publish({"TopicArn": topic, "Message": "hi"})
        world.kernel.run()

        assert [body["MessageId"] for body in queue.bodies] == [reply["MessageId"]] * 2
        (fault,) = world.records("fault")
        first, second = world.records("delivery")
        assert (fault.resource, fault.detail["fault"], fault.detail["harm"]["source"]) == ("jobs", "duplicate", "feed")
        assert (first.cause, second.cause) == (fault.cause, fault.n)

    def test_each_subscription_has_its_own_draw(self, world, loose):
        """§5.5: one consumer may get a duplicate while another gets none."""
        loose(duplicate_probability=0.5)
        topic = world.topic()
        for number in range(20):
            world.subscribe(topic, world.queue(f"jobs{number}")[0])

        world.topics.publish({"TopicArn": topic, "Message": "hi"})
        world.kernel.run()

        counts = [len(queue.sent) for queue in world.known_queues.values()]
        assert set(counts) == {1, 2}

    @pytest.mark.rule("5.5/standard-at-least-once")
    def test_a_reordered_message_comes_later(self, world, loose):
        """§5.5: it is held back for some milliseconds, so that a later one may come first."""
        loose(reorder_probability=1.0)
        arn, queue = world.queue()
        topic = world.topic()
        world.subscribe(topic, arn)
        began = world.clock.now()

        world.topics.publish({"TopicArn": topic, "Message": "hi"})
        assert queue.sent == []
        world.kernel.run()

        assert len(queue.sent) == 1
        (fault,) = world.records("fault")
        assert fault.detail["fault"] == "reorder"
        assert 0 < fault.detail["harm"]["delay_s"] <= 0.1
        assert world.clock.now() - began == pytest.approx(fault.detail["harm"]["delay_s"], abs=1e-4)

    def test_what_is_filtered_out_is_not_duplicated(self, world, loose):
        """§5.6: there is no delivery to repeat."""
        loose(duplicate_probability=1.0)
        topic = world.topic()
        world.subscribe(topic, world.queue()[0], FilterPolicy={"k": ["v"]})

        world.topics.publish({"TopicArn": topic, "Message": "hi"})

        assert len(world.records("dropped")) == 1
        assert world.records("fault") == []

    @pytest.mark.rule("5.5/fifo-deduplication")
    def test_a_fifo_topic_delivers_once_and_in_order(self, world, loose):
        """§5.5: whatever is set."""
        loose(duplicate_probability=1.0, reorder_probability=1.0)
        arn, queue = world.queue("jobs.fifo")
        topic = world.topic("feed.fifo", FifoTopic="true", ContentBasedDeduplication="true")
        world.subscribe(topic, arn)

        for text in "abc":
            world.topics.publish({"TopicArn": topic, "Message": text, "MessageGroupId": "g"})

        assert [body["Message"] for body in queue.bodies] == ["a", "b", "c"]
        assert world.kernel.spawned == []

    def test_a_decider_may_delay_a_message(self, world):
        """A fault in front of the settings: what it holds back is a delay, and comes at its time."""
        world.at_least_once.deciders.append(lambda hand_over: Decision((5.0,)))
        arn, queue = world.queue()
        topic = world.topic()
        world.subscribe(topic, arn)
        began = world.clock.now()

        world.topics.publish({"TopicArn": topic, "Message": "hi"})
        world.kernel.run()

        assert [round(record.at - began, 3) for record in world.records("delivery")] == [5]
        assert [record.detail["fault"] for record in world.records("fault")] == ["delay"]
        assert len(queue.sent) == 1

    def test_a_decider_may_lose_a_message(self, world):
        """A fault in front of the settings: nothing is handed over, and the journal names it."""
        world.at_least_once.deciders.append(lambda hand_over: Decision(()))
        arn, queue = world.queue()
        topic = world.topic()
        world.subscribe(topic, arn)

        world.topics.publish({"TopicArn": topic, "Message": "hi"})

        assert queue.sent == []
        assert [record.detail["fault"] for record in world.records("fault")] == ["drop"]


class TestBuses:
    """EventBridge promises at least once too."""

    @pytest.mark.rule("6.4/order")
    def test_a_duplicate_is_the_same_event(self, world, loose):
        """§6.4: the target gets the event twice, with one id."""
        loose(duplicate_probability={"default": 1.0})
        arn, queue = world.queue()
        world.rule({"Arn": arn})

        reply = world.put_event()
        world.kernel.run()

        assert [json.loads(message["body"])["id"] for message in queue.sent] == [reply["EventId"]] * 2

    @pytest.mark.rule("6.4/order")
    def test_a_reordered_event_comes_later(self, world, loose):
        """§6.4: it is held back, so that the one behind it may come first."""
        loose(reorder_probability=1.0)
        arn, queue = world.queue()
        world.rule({"Arn": arn})

        world.put_event()
        assert queue.sent == []
        world.kernel.run()

        assert len(queue.sent) == 1
        assert [fault.detail["fault"] for fault in world.records("fault")] == ["reorder"]

    def test_by_default_once(self, world):
        """§6.4: a world is exact unless asked."""
        arn, queue = world.queue()
        world.rule({"Arn": arn})

        world.put_event()

        assert len(queue.sent) == 1
        assert world.records("fault") == []
