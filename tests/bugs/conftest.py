"""
Small systems with a bug that many systems had, each beside its cure.

A test rehearses both versions with the same events and the same harm: the check must catch the one and pass the other.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stagefright import open_stage
from stagefright.chaos import Chaos


class Rehearsal:
    """One version of a system on a stage of its own."""

    def __init__(self, directory, version):
        self.stage = open_stage(
            "bugs", directory=directory, template=directory / "template.yaml", parameters={"Version": version}
        )
        self.chaos = Chaos(self.stage)

    @property
    def journal(self):
        return self.stage.journal

    def send(self, queue, *bodies):
        for body in bodies:
            self.stage.client("sqs").send_message(QueueUrl=self.stage.ref(queue), MessageBody=body)

    def publish(self, topic, *messages):
        for message in messages:
            self.stage.client("sns").publish(TopicArn=self.stage.ref(topic), Message=message)

    def put(self, stream, *data):
        for one in data:
            self.stage.client("kinesis").put_record(StreamName=self.stage.ref(stream), PartitionKey="k", Data=one)


@pytest.fixture
def verdicts(request) -> Callable:
    """`buggy, fixed = verdicts(story, check)`: the story is played to both versions of the system named like the test's module."""
    directory = Path(__file__).parent / request.module.__name__.rpartition("test_")[2]

    def judge(story, check):
        found = []
        for version in ("buggy", "fixed"):
            rehearsal = Rehearsal(directory, version)
            try:
                story(rehearsal)
                found.append(check(rehearsal.journal))
            finally:
                rehearsal.stage.close()
        return found

    return judge
