"""SQS in virtual time, with the real kernel, and verbs short enough to read a delivery story at a glance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from stagefright.assumptions import Assumptions
from stagefright.aws_api.errors import ApiError
from stagefright.chance import Chance
from stagefright.clock import Clock
from stagefright.delivery.at_least_once import AtLeastOnce
from stagefright.delivery.interference import Interference
from stagefright.journal import Journal
from stagefright.services.queue import Queue
from stagefright.services.queues import QueueService
from stagefright.tasks import Actor, Kernel


class World:
    """The parts of a world that queues ask for."""

    def __init__(self) -> None:
        self.account, self.region = "123456789012", "us-east-1"
        self.clock = Clock()
        self.chance = Chance(0)
        self.assumptions = Assumptions()
        self.journal = Journal(self.clock)
        self.kernel = Kernel(self.clock, self.chance)
        self.at_least_once = AtLeastOnce(self.chance, self.journal, self.kernel)
        self.interference = Interference(self.at_least_once.deciders)

    def name_of(self, arn_or_name: str) -> str:
        """The physical name: there is no template."""
        return arn_or_name.rsplit(":", 1)[-1]


class Story:
    """A consumer and a producer of SQS, as boto3 users know them."""

    def __init__(self) -> None:
        self.world = World()
        self.service = QueueService(self.world)
        self.handles: dict[str, str] = {}
        """The newest receipt handle of each body."""

    def queue(self, name: str = "orders", **attributes: str) -> Queue:
        """Make a queue; a name with `.fifo` makes a FIFO queue."""
        if name.endswith(".fifo"):
            attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"} | attributes
        url = self.service.create_queue({"QueueName": name, "Attributes": attributes})["QueueUrl"]
        queue = self.service.by_url(url)
        assert queue is not None
        return queue

    def send(self, queue: Queue, body: str, **params: Any) -> dict[str, Any]:
        """Send; `g1-m1` goes to the group `g1` of a FIFO queue."""
        group = {"MessageGroupId": body.split("-", maxsplit=1)[0]} if queue.fifo else {}
        return self.service.send_message({"QueueUrl": queue.url, "MessageBody": body, **group, **params})

    def messages(self, queue: Queue, count: int = 10, **params: Any) -> list[dict[str, Any]]:
        """Receive whole messages."""
        asked = {"QueueUrl": queue.url, "MaxNumberOfMessages": count, "AttributeNames": ["All"], **params}
        found = self.world.kernel.wait(self.service.receive_message(asked)).get("Messages", [])
        self.handles.update({message["Body"]: message["ReceiptHandle"] for message in found})
        return found

    def receive(self, queue: Queue, count: int = 10, **params: Any) -> list[str]:
        """Receive, and tell only the bodies."""
        return [message["Body"] for message in self.messages(queue, count, **params)]

    def delete(self, queue: Queue, *bodies: str) -> None:
        """Delete messages by the handles of their newest receive."""
        for body in bodies:
            self.service.delete_message({"QueueUrl": queue.url, "ReceiptHandle": self.handles[body]})

    def hide(self, queue: Queue, body: str, seconds: int) -> None:
        """Change the visibility timeout of a received message."""
        self.service.change_message_visibility(
            {"QueueUrl": queue.url, "ReceiptHandle": self.handles[body], "VisibilityTimeout": seconds}
        )

    def wait(self, seconds: float) -> None:
        """Let virtual time pass."""
        self.world.kernel.advance(seconds)

    def counts(self, queue: Queue) -> tuple[int, int, int]:
        """Visible, in flight, delayed, as GetQueueAttributes tells them."""
        names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
        asked = {"QueueUrl": queue.url, "AttributeNames": names}
        found = self.service.get_queue_attributes(asked)["Attributes"]
        visible, in_flight, delayed = (int(found[name]) for name in names)
        return visible, in_flight, delayed

    def refusal(self, operation: str, queue: Queue, **params: Any) -> ApiError:
        """The error of a call that AWS would refuse."""
        with pytest.raises(ApiError) as refused:
            getattr(self.service, operation)({"QueueUrl": queue.url, **params})
        return refused.value


@pytest.fixture
def sqs() -> Iterator[Story]:
    """A story that begins at the world's first instant."""
    story = Story()
    actor = Actor(story.world.kernel, "test")
    story.world.kernel.hold(actor)
    yield story
    story.world.kernel.settle()
    actor.release_current_thread()
