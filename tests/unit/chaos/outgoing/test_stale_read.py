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


@pytest.mark.parametrize("asked", [("dynamodb", "PutItem"), ("s3", "GetObject")])
def test_only_reads_that_may_lag(asked):
    """S3 is strongly consistent, and a write is no read."""
    with pytest.raises(UsageError, match="cannot be made stale; dynamodb GetItem can"):
        StaleRead(*asked)


def test_an_error_after_commit_is_noticed_by_what_listens(system):
    """An object whose upload took effect twice is announced twice, though botocore saw one answer."""
    from stagefright.chaos import ReadTimeout

    put = ["s3", "put_object", {"Bucket": "bucket", "Key": "k", "Body": "b"}]
    with system.chaos(Worker=ReadTimeout("s3", "PutObject", times=1)):
        said = system.say(calls=[put], config={"read_timeout": 5})[0]

    assert 1 == said["retries"]
    assert 2 == len(system.stage.journal.of_kind("event", resource="Bucket"))
