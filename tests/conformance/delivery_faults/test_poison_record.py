"""PoisonRecord: a real, accepted event that the consumer cannot read, in the midst of the others."""

from __future__ import annotations

import base64
import json

import pytest

from stagefright.chaos import PoisonRecord
from stagefright.chaos.checks import conserved
from stagefright.errors import UsageError

READS = """
import json
def handler(event, context):
    for record in event["Records"]:
        json.loads(record["body"])
"""


def test_a_queue_accepts_it(system):
    """§3.4: the consumer fails with it until it is dead-lettered; the real message is done at the first attempt."""
    system.up_with_queue(READS, queue=system.redriving("Dead", 2), mapping={"BatchSize": 1}, Dead=system.queue())

    with system.chaos(Jobs=PoisonRecord()):
        (sent,) = system.send({"n": 1})
        system.settle()

    (struck,) = system.strikes("poison_record", "Jobs")
    real, poison = system.records("event", "Jobs")
    assert real.detail["id"] == sent
    assert (poison.detail["id"], poison.cause) == (struck.detail["harm"]["ids"][0], struck.n)
    assert struck.cause == real.n
    assert [m["Body"] for m in system.messages("Dead")] == ['{"unreadable": ']
    verdict = conserved("Jobs", "Worker")(system.stage.journal)
    assert (verdict.holds, verdict.counts["processed"], verdict.counts["dead_lettered"]) == (True, 1, 1)


def test_it_follows_the_group_of_a_fifo_queue(system):
    """§3.3: same group, own deduplication id; two of them at once are two messages."""
    system.up_with_queue(queue=system.fifo(), mapping={"BatchSize": 10})

    with system.chaos(Jobs=[PoisonRecord(payload="x"), PoisonRecord(payload="y")]):
        system.send("a", MessageGroupId="g")
        system.settle()

    assert [r.detail["body"] for r in system.records("event", "Jobs")] == ["a", "x", "y"]
    assert {r.detail["group_id"] for r in system.records("event", "Jobs")} == {"g"}


def test_it_follows_the_attributes_of_a_topic(system):
    """§5.4: so a filter policy that let the real message pass lets it pass too."""
    system.up_with_topic(FilterPolicy={"kind": ["a"]})

    with system.chaos(News=PoisonRecord(payload="{broken")):
        system.publish("real", MessageAttributes={"kind": {"DataType": "String", "StringValue": "a"}})
        system.settle()

    assert [e["Records"][0]["Sns"]["Message"] for e in system.events()] == ["real", "{broken"]


def test_a_bus_carries_another_detail(system):
    """§6: source and type are those of the event before, so the rule matches; by default the detail is empty."""
    system.up_with_bus()

    with system.chaos(Bus=[PoisonRecord(), PoisonRecord(payload={"n": None})]):
        (real,) = system.emit({"n": 1})
        system.settle()

    assert [(e["source"], e["detail"]) for e in system.events()] == [
        ("shop", {"n": 1}),
        ("shop", {}),
        ("shop", {"n": None}),
    ]
    assert len({e["id"] for e in system.events()}) == 3
    assert system.events()[0]["id"] == real


def test_a_stream_gets_it_behind_each_record(system):
    """§4.2: in the same shard, in order, also within one call."""
    system.up_with_stream("def handler(event, context): pass", BatchSize=100)

    with system.chaos(Feed=PoisonRecord(payload=b"\xff")):
        system.client("kinesis").put_records(
            StreamName=system.stage.ref("Feed"),
            Records=[{"Data": b"1", "PartitionKey": "k"}, {"Data": b"2", "PartitionKey": "k"}],
        )
        system.settle()

    (event,) = system.events()
    data = [base64.b64decode(record["kinesis"]["data"]) for record in event["Records"]]
    assert data == [b"1", b"\xff", b"2", b"\xff"]
    assert {record["kinesis"]["partitionKey"] for record in event["Records"]} == {"k"}
    numbers = [int(record["kinesis"]["sequenceNumber"]) for record in event["Records"]]
    assert numbers == sorted(set(numbers))
    ids = [one for struck in system.strikes() for one in struck.detail["harm"]["ids"]]
    assert ids == [event["Records"][n]["eventID"] for n in (1, 3)]


def test_a_table_really_gets_an_item(system):
    """§4.6: a change like any other, which is in the table too."""
    system.up_with_table()

    with system.chaos(Table=PoisonRecord(payload={"n": "no number"})):
        system.write("a", n="1")
        system.settle()

    images = [r["dynamodb"]["NewImage"] for e in system.events() for r in e["Records"]]
    assert images[0] == {"id": {"S": "a"}, "n": {"S": "1"}}
    assert images[1]["n"] == {"S": "no number"}
    items = system.client("dynamodb").scan(TableName=system.stage.ref("Table"))["Items"]
    assert images[1] in items
    assert len(items) == 2


def test_in_a_table_with_a_sort_key_it_joins_the_collection(system):
    """The hash key is the real item's, the sort key a new one of the right type."""
    table = system.table(
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "n", "AttributeType": "N"},
        ],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "n", "KeyType": "RANGE"}],
    )
    system.up_with_table(table=table)

    with system.chaos(Table=PoisonRecord()):
        system.client("dynamodb").put_item(
            TableName=system.stage.ref("Table"), Item={"id": {"S": "a"}, "n": {"N": "1"}}
        )
        system.settle()

    keys = [r["dynamodb"]["Keys"] for e in system.events() for r in e["Records"]]
    assert [key["id"] for key in keys] == [{"S": "a"}, {"S": "a"}]
    assert len({key["n"]["N"] for key in keys}) == 2


def test_a_payload_that_the_source_cannot_carry_is_refused(system):
    """Where the plan is made: a bus carries objects, a queue text, and only a stream bytes."""
    system.up(Jobs=system.queue(), Bus=system.bus(), Worker=system.function())

    with (
        pytest.raises(UsageError) as refused,
        system.chaos(
            Jobs=[PoisonRecord(payload={}), PoisonRecord(payload=b"x")],
            Bus=PoisonRecord(payload="x"),
            Worker=PoisonRecord(),
        ),
    ):
        pass

    text = str(refused.value)
    assert "there the payload is text, not {}" in text
    assert "only a stream carries bytes" in text
    assert "there the payload is a dict, not 'x'" in text
    assert "plan it for what triggers the function" in text


def test_a_payload_that_the_service_refuses_is_no_strike(system, never_fired):
    """The system is not hurt, the journal says why, and the block proves nothing."""
    system.up_with_queue(queue=system.queue(MaximumMessageSize=1024))

    with (
        never_fired(r"could not strike Jobs: .*Invalid characters"),
        system.chaos(Jobs=PoisonRecord(payload="\x00")),
    ):
        system.send("job")
        system.settle()


def test_a_table_without_a_stream_has_no_records(system):
    """Nobody would see the change."""
    system.up(
        Table=system.resource(
            "DynamoDB::Table",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
    )

    with pytest.raises(UsageError, match="the table has no stream"), system.chaos(Table=PoisonRecord()):
        pass


@pytest.mark.parametrize("payload", ["", b"", 5, ["x"]])
def test_what_is_no_payload_is_refused(payload):
    """Where it is written."""
    with pytest.raises(UsageError, match="payload is"):
        PoisonRecord(payload=payload)


def test_settings_are_plain_data():
    """So that the record of a strike can be written as JSON."""
    assert json.dumps(PoisonRecord(payload={"n": 1}).settings()) == '{"payload": {"n": 1}}'
