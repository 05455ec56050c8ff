"""StaleRead: what AWS may answer, and only that."""

from __future__ import annotations

import pytest

from stagefright.chaos import StaleRead
from stagefright.errors import FaultNeverFired, UsageError

KEY = {"id": {"S": "1"}}


def write(system, **attributes):
    item = KEY | {name: {"S": value} for name, value in attributes.items()}
    system.stage.client("dynamodb").put_item(TableName="table", Item=item)


def read(system, **more):
    call = ["dynamodb", "get_item", {"TableName": "table", "Key": KEY, **more}]
    return system.say(calls=[call])[0]["item"]


def test_the_item_is_as_it_was_before_the_last_write_and_heals(system):
    """Whoever wrote it, and before the block too; afterwards the read is what it should be."""
    write(system, name="old")
    write(system, name="new")
    with system.chaos(Worker=StaleRead("dynamodb", "GetItem", times=1)):
        stale, fresh = read(system), read(system)
    healed = read(system)

    assert ["old", "new", "new"] == [item["name"]["S"] for item in (stale, fresh, healed)]


def test_a_new_item_is_not_there_yet(system):
    """Nor is an old one gone that was just deleted."""
    write(system, name="first")
    with system.chaos(Worker=StaleRead("dynamodb")):
        assert read(system) is None
        system.stage.client("dynamodb").delete_item(TableName="table", Key=KEY)
        assert "first" == read(system)["name"]["S"]


def test_updates_count_as_writes_and_refused_ones_do_not(system):
    """A conditional write that fails changes nothing, so there is nothing to lag behind."""
    client = system.stage.client("dynamodb")
    write(system, name="one")
    client.update_item(
        TableName="table",
        Key=KEY,
        UpdateExpression="SET #n = :n",
        ExpressionAttributeNames={"#n": "name"},
        ExpressionAttributeValues={":n": {"S": "two"}},
    )
    with pytest.raises(client.exceptions.ConditionalCheckFailedException):
        client.put_item(TableName="table", Item=KEY, ConditionExpression="attribute_not_exists(id)")

    with system.chaos(Worker=StaleRead("dynamodb", "GetItem")):
        assert "one" == read(system)["name"]["S"]


def test_a_consistent_read_is_never_stale(system):
    """AWS may not, so the fault does not; then it has proved nothing."""
    write(system, name="old")
    write(system, name="new")
    with pytest.raises(FaultNeverFired), system.chaos(Worker=StaleRead("dynamodb", "GetItem")):
        assert "new" == read(system, ConsistentRead=True)["name"]["S"]


def test_a_projection_is_kept(system):
    """The stale item has the attributes that were asked for."""
    write(system, name="old", more="x")
    write(system, name="new", more="y")
    with system.chaos(Worker=StaleRead("dynamodb", "GetItem")):
        item = read(system, ProjectionExpression="#n", ExpressionAttributeNames={"#n": "name"})

    assert {"name": {"S": "old"}} == item


def test_a_read_that_would_answer_the_same_is_not_struck(system):
    """A write that changed nothing leaves nothing to lag behind."""
    write(system, name="same")
    write(system, name="same")
    with pytest.raises(FaultNeverFired), system.chaos(Worker=StaleRead("dynamodb", "GetItem")):
        assert "same" == read(system)["name"]["S"]


@pytest.fixture
def orders(system):
    """Orders by customer and number, with an index by state; one was changed, one is new, one was deleted, one is as it was."""
    client = system.stage.client("dynamodb")
    client.create_table(
        TableName="orders",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("customer", "number", "state")
        ],
        KeySchema=[{"AttributeName": "customer", "KeyType": "HASH"}, {"AttributeName": "number", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-state",
                "KeySchema": [{"AttributeName": "state", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    for number, states in {"1": ["open", "paid"], "2": ["open"], "3": ["open"], "4": ["open", "open"]}.items():
        for state in states:
            client.put_item(TableName="orders", Item=order(number, state))
    client.delete_item(TableName="orders", Key={"customer": {"S": "amy"}, "number": {"S": "3"}})
    return client


def order(number, state):
    return {
        "customer": {"S": "amy"},
        "number": {"S": number},
        "state": {"S": state},
        "more": {"M": {"a": {"S": state}}},
    }


def states(items):
    return {item["number"]["S"]: item["state"]["S"] for item in items}


OPEN = {
    "KeyConditionExpression": "#s = :s",
    "ExpressionAttributeNames": {"#s": "state"},
    "ExpressionAttributeValues": {":s": {"S": "open"}},
}
AMYS = {"KeyConditionExpression": "customer = :c", "ExpressionAttributeValues": {":c": {"S": "amy"}}}


def ask(system, method, **params):
    """What the Worker's call answers, parsed; and again when the fault is gone."""
    with system.chaos(Worker=StaleRead("dynamodb")):
        (stale,) = system.say(calls=[["dynamodb", method, params]])
    (fresh,) = system.say(calls=[["dynamodb", method, params]])
    return stale["answer"], fresh["answer"]


class TestManyItems:
    """The order that was paid is open again, the new ones are not there, the deleted one is, and the unchanged one is as ever."""

    OLD, NEW = {"1": "open", "3": "open", "4": "open"}, {"1": "paid", "2": "open", "4": "open"}

    @pytest.mark.parametrize(("method", "more"), [("query", AMYS), ("scan", {})])
    def test_are_as_they_were(self, system, orders, method, more):
        """A partition, and the whole table."""
        stale, fresh = ask(system, method, TableName="orders", **more)

        assert (self.OLD, self.NEW) == (states(stale["Items"]), states(fresh["Items"]))
        assert [["orders"]] == [harm["tables"] for _, kind, harm in system.strikes()]

    def test_of_an_index(self, system, orders):
        """An index lags like its table, and its projection is its own."""
        stale, fresh = ask(system, "query", TableName="orders", IndexName="by-state", **OPEN)

        assert ["1", "3", "4"] == [item["number"]["S"] for item in stale["Items"]]
        assert ["2", "4"] == [item["number"]["S"] for item in fresh["Items"]]
        assert {"customer", "number", "state"} == set(stale["Items"][0])

    def test_of_filters_projections_and_pages(self, system, orders):
        """All of them see the item as it was; a part of a document can be asked for."""
        asked = {"FilterExpression": "more.a = :s", "ProjectionExpression": "more.a", "Limit": 1}
        stale, _ = ask(system, "scan", TableName="orders", ExpressionAttributeValues={":s": {"S": "open"}}, **asked)

        assert [{"more": {"M": {"a": {"S": "open"}}}}] == stale["Items"]
        assert "1" == stale["LastEvaluatedKey"]["number"]["S"]

    def test_of_a_batch(self, system, orders):
        """A table of the batch that is read consistently is not stale."""
        write(system, name="old")
        write(system, name="new")
        keys = [{"customer": {"S": "amy"}, "number": {"S": "1"}}]
        parts = {"orders": {"Keys": keys}, "table": {"Keys": [KEY], "ConsistentRead": True}}
        stale, fresh = ask(system, "batch_get_item", RequestItems=parts)

        assert ("open", "paid") == tuple(answer["Responses"]["orders"][0]["state"]["S"] for answer in (stale, fresh))
        assert "new" == stale["Responses"]["table"][0]["name"]["S"]

    @pytest.mark.parametrize(("method", "more"), [("query", AMYS), ("scan", {})])
    def test_of_a_consistent_read_are_never_stale(self, system, orders, method, more):
        """AWS may not, so the fault does not."""
        with pytest.raises(FaultNeverFired):
            ask(system, method, TableName="orders", ConsistentRead=True, **more)

    def test_the_table_itself_is_never_touched(self, system, orders):
        """A test that looks while the fault is on sees what is there."""
        with system.chaos(Worker=StaleRead("dynamodb", "Scan")):
            system.say(calls=[["dynamodb", "scan", {"TableName": "orders"}]])
            assert self.NEW == states(orders.scan(TableName="orders")["Items"])


@pytest.mark.parametrize("asked", [("dynamodb", "PutItem"), ("s3", "GetObject")])
def test_only_reads_that_may_lag(asked):
    """S3 is strongly consistent, and a write is no read."""
    with pytest.raises(UsageError, match="cannot be made stale; dynamodb GetItem, Query, Scan, BatchGetItem can"):
        StaleRead(*asked)


def test_an_error_after_commit_is_noticed_by_what_listens(system):
    """An object whose upload took effect twice is announced twice, though botocore saw one answer."""
    from stagefright.chaos import ReadTimeout

    put = ["s3", "put_object", {"Bucket": "bucket", "Key": "k", "Body": "b"}]
    with system.chaos(Worker=ReadTimeout("s3", "PutObject", times=1)):
        said = system.say(calls=[put], config={"read_timeout": 5})[0]

    assert 1 == said["retries"]
    assert 2 == len(system.stage.journal.of_kind("event", resource="Bucket"))
