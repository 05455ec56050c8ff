"""Pipes are tried in the same small systems as other deliveries; here is what a pipe adds to describing them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

_path = Path(__file__).parent.parent / "delivery" / "conftest.py"
_spec = importlib.util.spec_from_file_location("stagefright_delivery_system", _path)
_delivery = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = _delivery
_spec.loader.exec_module(_delivery)


class PipeSystem(_delivery.System):
    """A system with a pipe called `Flow`."""

    def pipe(self, source, target, **properties):
        """A pipe; source and target are logical ids or intrinsics."""
        ends = {"Source": source, "Target": target} | (
            {"Enrichment": properties.pop("Enrichment")} if "Enrichment" in properties else {}
        )
        arns = {name: self.att(end) if isinstance(end, str) else end for name, end in ends.items()}
        return self.resource("Pipes::Pipe", RoleArn=self.ROLE, **arns, **properties)

    def stream(self, shards=1):
        return self.resource("Kinesis::Stream", ShardCount=shards)

    def table(self):
        return self.resource(
            "DynamoDB::Table",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            StreamSpecification={"StreamViewType": "NEW_IMAGE"},
        )

    def texts(self, queue="Out"):
        """The bodies of what lies in a queue."""
        return [message["Body"] for message in self.messages(queue)]


@pytest.fixture
def system(tmp_path):
    """A system that is closed after the test."""
    made = PipeSystem(tmp_path)
    yield made
    made.close()


@pytest.fixture
def api(system):
    """The API of Pipes in a world with a queue, a stream, a table, a topic and functions."""
    system.up(
        In=system.queue(),
        Out=system.queue(),
        Fifo=system.queue(FifoQueue=True, QueueName="out.fifo"),
        Feed=system.stream(),
        Table=system.table(),
        Topic=system.topic(),
        Worker=system.function(),
    )
    return system.client("pipes")
