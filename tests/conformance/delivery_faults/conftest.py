"""Faults of deliveries are tried in the same small systems as the deliveries themselves; here is how a test hurts them."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from stagefright.chaos import Chaos
from stagefright.errors import FaultNeverFired

_path = Path(__file__).parent.parent / "delivery" / "conftest.py"
_spec = importlib.util.spec_from_file_location("stagefright_delivery_faults_system", _path)
_delivery = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = _delivery
_spec.loader.exec_module(_delivery)


class HurtSystem(_delivery.System):
    """A system that can be hurt: `with system.chaos(Jobs=Duplicate()):`."""

    seed = 0

    def chaos(self, **faults):
        return Chaos(self.stage, seed=self.seed)(**faults)

    def strikes(self, fault=None, resource=None):
        """The faults that struck, optionally of one kind and one resource."""
        return [r for r in self.records("fault", resource) if fault in (None, r.detail["fault"])]

    def publish(self, *messages, topic="News", **more):
        arn = self.stage.ref(topic)
        return [self.client("sns").publish(TopicArn=arn, Message=message, **more)["MessageId"] for message in messages]

    def emit(self, *details, bus="Bus"):
        """Put events of the source `shop` and the type `order` on a bus."""
        entries = [
            {"Source": "shop", "DetailType": "order", "Detail": json.dumps(detail), "EventBusName": self.stage.ref(bus)}
            for detail in details
        ]
        answer = self.client("events").put_events(Entries=entries)
        return [entry["EventId"] for entry in answer["Entries"]]

    def write(self, *ids, table="Table", **attributes):
        for one in ids:
            item = {"id": {"S": one}, **{name: {"S": value} for name, value in attributes.items()}}
            self.client("dynamodb").put_item(TableName=self.stage.ref(table), Item=item)

    def table(self, **properties):
        """A table of `id` with a stream."""
        given = {
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
        }
        return self.resource("DynamoDB::Table", **{**given, **properties})

    def stream(self, **properties):
        return self.resource("Kinesis::Stream", **{"ShardCount": 1, **properties})

    def fifo(self, **properties):
        return self.queue(FifoQueue=True, ContentBasedDeduplication=True, **properties)

    def subscription(self, endpoint="Worker", topic="News", protocol="lambda", **properties):
        return self.resource(
            "SNS::Subscription", TopicArn=self.ref(topic), Protocol=protocol, Endpoint=self.att(endpoint), **properties
        )

    def bus(self):
        return self.resource("Events::EventBus", Name="bus")

    def rule(self, target="Worker", bus="Bus", pattern=None, **more):
        pattern = pattern or {"source": ["shop"]}
        targets = [{"Id": "t", "Arn": self.att(target), **more}]
        return self.resource("Events::Rule", EventBusName=self.ref(bus), EventPattern=pattern, Targets=targets)

    def up_with_queue(self, code=_delivery.ECHO, queue=None, mapping=None, **more):
        """A queue `Jobs` that a function `Worker` reads."""
        return self.up(
            Worker=self.function(code),
            Jobs=self.queue() if queue is None else queue,
            Map=self.mapping("Jobs", **(mapping or {})),
            **more,
        )

    def up_with_stream(self, code=_delivery.ECHO, **mapping):
        """A stream `Feed` that a function `Worker` reads."""
        given = {"StartingPosition": "TRIM_HORIZON", **mapping}
        return self.up(Worker=self.function(code), Feed=self.stream(), Map=self.mapping("Feed", **given))

    def up_with_table(self, code=_delivery.ECHO, table=None, **mapping):
        """A table `Table` whose changes a function `Worker` reads."""
        given = {"StartingPosition": "TRIM_HORIZON", **mapping}
        arn = self.att("Table", "StreamArn")
        return self.up(
            Worker=self.function(code),
            Table=table or self.table(),
            Map=self.mapping(arn, **given),
        )

    def up_with_topic(self, code=_delivery.ECHO, **subscription):
        """A topic `News` to which a function `Worker` is subscribed."""
        return self.up(Worker=self.function(code), News=self.topic(), Sub=self.subscription(**subscription))

    def up_with_bus(self, code=_delivery.ECHO, **target):
        """A bus `Bus` with a rule that sends everything of the shop to a function `Worker`."""
        return self.up(Worker=self.function(code), Bus=self.bus(), Rule=self.rule(**target))


@pytest.fixture
def system(tmp_path):
    """An empty system: `system.up(...)` deploys one."""
    made = HurtSystem(tmp_path)
    yield made
    made.close()


@pytest.fixture
def never_fired():
    """`with never_fired("why"), system.chaos(...)`: the block ends, and complains that its fault did not strike."""
    return lambda match="was planned and never struck": pytest.raises(FaultNeverFired, match=match)
