"""aws-semantics §4: what the documentation says of streams besides the main road, and what it leaves open."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from stagefright.delivery.backoff import Backoff

FAILS = "def handler(event, context): raise ValueError"
POISON = """
    import base64
    def handler(event, context):
        if any(base64.b64decode(r["kinesis"]["data"]) == b"0" for r in event["Records"]):
            raise ValueError
"""


@pytest.fixture
def feed(system):
    """Deploys a stream, a function and a mapping."""

    def up(code=system.ECHO, *, shards=1, source="Feed", resources=None, **mapping):
        return system.up(
            Worker=system.function(code),
            Feed=system.resource("Kinesis::Stream", ShardCount=shards),
            Map=system.mapping(source, **{"StartingPosition": "TRIM_HORIZON"} | mapping),
            Dead=system.queue(),
            **(resources or {}),
        )

    return up


def assume(system, **values):
    """Change assumptions of the running world."""
    world = system.stage.world
    world.assumptions = replace(world.assumptions, **values)
    world.backoff = Backoff(world.assumptions, world.chance)


def table_of(system, *, stream="NEW_AND_OLD_IMAGES", lifetime=None):
    """A table with a key `id`."""
    more = {"TimeToLiveSpecification": {"AttributeName": lifetime, "Enabled": True}} if lifetime else {}
    return system.resource(
        "DynamoDB::Table",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        StreamSpecification={"StreamViewType": stream},
        **more,
    )


class TestReading:
    """§4.2: how records are read."""

    @pytest.mark.rule("4.2/polling-rate")
    def test_records_are_read_at_once_or_at_the_next_poll(self, system, feed):
        """§4.2: AWS polls a shard once a second; when within the second is not said, so it is an assumption, off by default."""
        feed()
        system.advance(0.25)
        system.put(1)
        system.settle()
        assert system.attempts() == [0.25]

        assume(system, kinesis_poll_interval_s=1.0)
        system.put(2)
        system.settle()
        assert system.attempts() == [0.25, 1]

    @pytest.mark.rule("4.2/polling-rate")
    def test_a_tables_stream_has_an_interval_of_its_own(self, system):
        """§4.2: four times a second."""
        system.up(
            Table=table_of(system),
            Worker=system.function(),
            Map=system.mapping(system.att("Table", "StreamArn"), StartingPosition="LATEST"),
        )
        assume(system, dynamodb_poll_interval_s=0.25)
        system.advance(0.1)
        system.client("dynamodb").put_item(TableName=system.stage.ref("Table"), Item={"id": {"S": "a"}})
        system.settle()

        assert system.attempts() == [0.25]

    @pytest.mark.rule("4.2/fan-out")
    def test_a_consumer_with_enhanced_fan_out_is_pushed_to(self, system, feed):
        """§4.2: a registered consumer may be the source of a mapping, and is not polled."""
        consumer = system.resource("Kinesis::StreamConsumer", ConsumerName="own", StreamARN=system.att("Feed"))
        feed(source=system.ref("Own"), resources={"Own": consumer})
        assume(system, kinesis_poll_interval_s=1.0)
        system.advance(0.25)
        system.put(1)
        system.settle()

        assert system.stage.ref("Own").startswith(system.stage.arn("Feed") + "/consumer/own")
        assert (system.batches(), system.attempts()) == ([[1]], [0.25])

    @pytest.mark.rule("4.2/fan-out")
    def test_an_unknown_consumer_is_refused(self, system, feed):
        """§4.2: only a consumer that was registered can be read."""
        feed()
        with pytest.raises(ClientError, match="Stream not found"):
            system.client("lambda").create_event_source_mapping(
                FunctionName=system.stage.ref("Worker"),
                EventSourceArn=system.stage.arn("Feed") + "/consumer/nobody:1",
                StartingPosition="LATEST",
            )

    @pytest.mark.rule("4.2/lanes-of-items")
    def test_lanes_keep_the_order_of_each_item(self, system):
        """§4.2: for a table the lane follows the item's key."""
        code = "import time\ndef handler(event, context): time.sleep(1)"
        system.up(
            Table=table_of(system),
            Worker=system.function(code),
            Map=system.mapping(
                system.att("Table", "StreamArn"), StartingPosition="LATEST", ParallelizationFactor=5, BatchSize=1
            ),
        )
        client, name = system.client("dynamodb"), system.stage.ref("Table")
        for n in range(4):
            for key in "abcdef":
                client.put_item(TableName=name, Item={"id": {"S": key}, "n": {"N": str(n)}})
        system.settle()

        images = [r["dynamodb"]["NewImage"] for e in system.events() for r in e["Records"]]
        for key in "abcdef":
            assert [image["n"]["N"] for image in images if image["id"]["S"] == key] == list("0123")
        assert sum(at == 0 for at in system.attempts()) > 1

    @pytest.mark.rule("4.2/lane-of-a-key")
    def test_which_lane_a_key_belongs_to_can_be_dealt_anew(self, system, feed):
        """§4.2: not documented; another salt deals other keys together, and keeps each key's order."""
        orders = set()
        for salt in ("", "x", "y"):
            feed("import time\ndef handler(event, context): time.sleep(1)", ParallelizationFactor=2, BatchSize=1)
            assume(system, stream_lane_salt=salt)
            for key in "abcdefgh":
                system.put(key, key=key)
            system.settle()
            orders.add(tuple(n for batch in system.batches() for n in batch))
            system.close()

        assert len(orders) > 1

    @pytest.mark.rule("4.2/parents-first")
    def test_grandchildren_wait_although_their_parent_had_no_record(self, system, feed):
        """§4.2: an empty shard in between does not let its children overtake."""
        feed(POISON, BatchSize=1, MaximumRetryAttempts=3)
        kinesis, name = system.client("kinesis"), system.stage.ref("Feed")
        system.put(0)
        kinesis.split_shard(StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127))
        kinesis.split_shard(StreamName=name, ShardToSplit="shardId-000000000001", NewStartingHashKey=str(2**126))
        kinesis.split_shard(
            StreamName=name, ShardToSplit="shardId-000000000002", NewStartingHashKey=str(2**127 + 2**126)
        )
        for key in "abcdef":
            system.put(1, key=key)
        system.settle()

        assert system.batches() == [[0]] * 4 + [[1]] * 6

    @pytest.mark.rule("4.2/parents-first")
    def test_the_child_of_a_merge_waits_for_both_parents(self, system, feed):
        """§4.2: the one that fails holds it up, whichever it is."""
        feed(POISON, shards=2, BatchSize=1, MaximumRetryAttempts=3)
        kinesis, name = system.client("kinesis"), system.stage.ref("Feed")
        for key in "abcdef":
            system.put(0, key=key)
        shards = [shard["ShardId"] for shard in kinesis.describe_stream(StreamName=name)["StreamDescription"]["Shards"]]
        kinesis.merge_shards(StreamName=name, ShardToMerge=shards[0], AdjacentShardToMerge=shards[1])
        system.put(1, key="z")
        system.settle()

        assert len({record.detail["shard"] for record in system.records("event", "Feed")}) == 3
        assert system.batches() == [[0]] * 24 + [[1]]


class TestRetries:
    """§4.3: what is not on the main road."""

    @pytest.mark.rule("4.3/odd-batch")
    @pytest.mark.parametrize(("is_first", "sizes"), [(False, [3, 1, 2, 1, 1]), (True, [3, 2, 1, 1, 1])])
    def test_an_odd_batch_is_split_as_assumed(self, system, feed, is_first, sizes):
        """§4.3: which half is the bigger one is not documented."""
        feed(FAILS, BisectBatchOnFunctionError=True, MaximumRetryAttempts=0, MaximumBatchingWindowInSeconds=1)
        assume(system, bisect_first_half_is_bigger=is_first)
        system.put(1, 2, 3)
        system.settle()

        assert [len(batch) for batch in system.batches()] == sizes

    @pytest.mark.rule("4.3/bisect-at-the-report")
    def test_a_report_splits_where_it_says(self, system, feed):
        """§4.3: with bisect on, the batch is cut at the reported number, not in half."""
        code = """
            import base64
            def handler(event, context):
                bad = [r["kinesis"]["sequenceNumber"] for r in event["Records"] if base64.b64decode(r["kinesis"]["data"]) == b"2"]
                return {"batchItemFailures": [{"itemIdentifier": n} for n in bad] if len(event["Records"]) > 4 else []}
        """
        feed(
            code,
            BisectBatchOnFunctionError=True,
            MaximumBatchingWindowInSeconds=1,
            FunctionResponseTypes=["ReportBatchItemFailures"],
        )
        system.put(1, 2, 3, 4, 5)
        system.settle()

        assert system.batches() == [[1, 2, 3, 4, 5], [2, 3, 4, 5]]

    @pytest.mark.rule("4.3/retry-delay")
    def test_the_ladder_is_as_assumed(self, system, feed):
        """§4.3: from half a second by half as much again, up to a minute, unless one knows better."""
        feed(FAILS, MaximumRetryAttempts=3)
        system.put(1)
        system.settle()
        assert system.attempts() == [0, 0.5, 1.25, 2.375]

        assume(system, stream_retry_first_s=2.0, stream_retry_factor=1.0)
        at = system.elapsed()
        system.put(1)
        system.settle()
        assert [when - at for when in system.attempts()[4:]] == [0, 2, 4, 6]

    @pytest.mark.rule("4.4/exception")
    def test_an_exception_fails_the_whole_batch_of_a_reporting_function(self, system, feed):
        """§4.4: the batch is tried again from its first record."""
        feed(
            FAILS,
            MaximumRetryAttempts=1,
            MaximumBatchingWindowInSeconds=1,
            FunctionResponseTypes=["ReportBatchItemFailures"],
        )
        system.put(1, 2)
        system.settle()

        assert system.batches() == [[1, 2], [1, 2]]

    @pytest.mark.rule("4.4/unknown-id")
    def test_an_unknown_item_may_be_passed_over(self, system, feed):
        """§4.4: a well-formed string that is not in the batch is not documented; it can be set."""
        feed(
            "def handler(event, context): return {'batchItemFailures': [{'itemIdentifier': '5'}]}",
            FunctionResponseTypes=["ReportBatchItemFailures"],
        )
        assume(system, stream_unknown_item_fails_batch=False)
        system.put(1)
        system.settle()

        assert (len(system.attempts()), system.dropped()) == (1, [])

    @pytest.mark.rule("4.4/only-if-asked")
    def test_a_report_that_nobody_asked_for_is_ignored(self, system, feed):
        """§4.4: without FunctionResponseTypes an answer says nothing."""
        feed("def handler(event, context): return {'batchItemFailures': [{'itemIdentifier': ''}]}")
        system.put(1)
        system.settle()

        assert (len(system.attempts()), system.dropped()) == (1, [])

    @pytest.mark.rule("4.5/bucket-payload")
    @pytest.mark.parametrize(("is_text", "kind"), [(True, str), (False, dict)])
    def test_the_payload_in_a_bucket_is_as_assumed(self, system, feed, is_text, kind):
        """§4.5: the documentation prints text, a recording shows an object."""
        feed(
            FAILS,
            resources={"Bucket": system.resource("S3::Bucket")},
            MaximumRetryAttempts=0,
            DestinationConfig={"OnFailure": {"Destination": system.att("Bucket")}},
        )
        assume(system, stream_s3_payload_is_text=is_text)
        system.put(1)
        system.settle()

        s3, name = system.client("s3"), system.stage.ref("Bucket")
        key = s3.list_objects_v2(Bucket=name)["Contents"][0]["Key"]
        assert isinstance(json.loads(s3.get_object(Bucket=name, Key=key)["Body"].read())["payload"], kind)


class TestLimits:
    """§4.6: what Kinesis takes."""

    @pytest.mark.rule("4.6/record-size")
    def test_a_record_is_at_most_10_mib(self, system, feed):
        """§4.6: data and key together, by either call."""
        feed(Enabled=False)
        kinesis, name = system.client("kinesis"), system.stage.ref("Feed")
        most = b"x" * (10 * 1024 * 1024 - 1)
        kinesis.put_record(StreamName=name, PartitionKey="k", Data=most)
        kinesis.put_records(StreamName=name, Records=[{"PartitionKey": "k", "Data": most}])
        with pytest.raises(ClientError, match="less than or equal to 10485760"):
            kinesis.put_record(StreamName=name, PartitionKey="k", Data=most + b"x")
        with pytest.raises(ClientError, match=r"records\.1\.member\.data"):
            kinesis.put_records(StreamName=name, Records=[{"PartitionKey": "k", "Data": most + b"x"}])

        assert len(system.records("event", "Feed")) == 2

    @pytest.mark.rule("4.6/put-records-count")
    def test_500_records_at_once(self, system, feed):
        """§4.6: one more is refused as a whole."""
        feed(Enabled=False)
        kinesis, name = system.client("kinesis"), system.stage.ref("Feed")
        records = [{"PartitionKey": "k", "Data": b"1"}] * 501
        answer = kinesis.put_records(StreamName=name, Records=records[:500])
        with pytest.raises(ClientError, match="less than or equal to 500"):
            kinesis.put_records(StreamName=name, Records=records)

        assert (answer["FailedRecordCount"], len(answer["Records"])) == (0, 500)
        assert len(system.records("event", "Feed")) == 500

    def test_10_mib_in_one_request(self, system, feed):
        """The request as a whole has a limit too (API reference of PutRecords)."""
        feed(Enabled=False)
        records = [{"PartitionKey": "k", "Data": b"x" * 6_000_000}] * 2
        with pytest.raises(ClientError, match="10 MB"):
            system.client("kinesis").put_records(StreamName=system.stage.ref("Feed"), Records=records)

    @pytest.mark.rule("4.6/partition-key")
    @pytest.mark.parametrize("length", [256, 257])
    def test_a_partition_key_has_256_characters(self, system, feed, length):
        """§4.6: characters, not bytes."""
        feed(Enabled=False)
        put = {"StreamName": system.stage.ref("Feed"), "PartitionKey": "ü" * length, "Data": b"1"}
        if length == 256:
            assert system.client("kinesis").put_record(**put)["ShardId"]
        else:
            with pytest.raises(ClientError, match="'partitionKey'"):
                system.client("kinesis").put_record(**put)

    @pytest.mark.rule("4.6/shard-of-a-key")
    def test_the_md5_of_the_key_chooses_the_shard(self, system, feed):
        """§4.6: the shard whose range holds it."""
        feed(shards=4)
        kinesis, name = system.client("kinesis"), system.stage.ref("Feed")
        shards = kinesis.describe_stream(StreamName=name)["StreamDescription"]["Shards"]
        for key in "abcdefgh":
            shard = kinesis.put_record(StreamName=name, PartitionKey=key, Data=b"1")["ShardId"]
            chosen = next(one for one in shards if one["ShardId"] == shard)["HashKeyRange"]
            hashed = int(hashlib.md5(key.encode()).hexdigest(), 16)
            assert int(chosen["StartingHashKey"]) <= hashed <= int(chosen["EndingHashKey"])

    @pytest.mark.rule("4.1/retention-kinesis")
    @pytest.mark.parametrize("hours", [23, 8_761])
    def test_retention_has_bounds(self, system, feed, hours):
        """§4.1: 24 hours to 8,760."""
        feed()
        with pytest.raises(ClientError):
            system.client("kinesis").increase_stream_retention_period(
                StreamName=system.stage.ref("Feed"), RetentionPeriodHours=hours
            )


class TestLifetimes:
    """§4.6: items with a time to live."""

    @pytest.fixture
    def put(self, system):
        system.up(
            Table=table_of(system, lifetime="until"),
            Worker=system.function(),
            Map=system.mapping(system.att("Table", "StreamArn"), StartingPosition="LATEST"),
        )
        client, name = system.client("dynamodb"), system.stage.ref("Table")

        def put(key, seconds, **more):
            until = {"N": str(int(system.stage.clock.now() + seconds))}
            client.put_item(TableName=name, Item={"id": {"S": key}, "until": until, **more})

        return put

    def names(self, system):
        return [record["eventName"] for event in system.events() for record in event["Records"]]

    def item(self, system, key="a"):
        got = system.client("dynamodb").get_item(TableName=system.stage.ref("Table"), Key={"id": {"S": key}})
        return got.get("Item")

    @pytest.mark.rule("4.6/ttl-delete")
    def test_the_service_removes_an_expired_item(self, system, put):
        """§4.6: the record says that DynamoDB did it, and shows what was there."""
        put("a", 3600)
        system.advance(3599)
        assert self.item(system)
        system.advance(2)

        assert self.item(system) is None
        record = system.events()[-1]["Records"][0]
        assert record["eventName"] == "REMOVE"
        assert record["userIdentity"] == {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
        assert record["dynamodb"]["OldImage"]["id"] == {"S": "a"}
        assert system.attempts() == [0, 3600]

    @pytest.mark.rule("4.6/ttl-delete")
    def test_a_removal_by_hand_does_not_say_so(self, system, put):
        """§4.6: only the service's own removals have a userIdentity."""
        put("a", 3600)
        system.client("dynamodb").delete_item(TableName=system.stage.ref("Table"), Key={"id": {"S": "a"}})
        system.settle()

        assert "userIdentity" not in system.events()[-1]["Records"][0]

    @pytest.mark.rule("4.6/ttl-when")
    def test_nobody_waits_for_it(self, system, put):
        """§4.6: a time to live may be years away; settling leaves the item where it is."""
        put("a", 10 * 365 * 86_400)
        system.settle()

        assert (system.elapsed(), self.names(system)) == (0, ["INSERT"])

    @pytest.mark.rule("4.6/ttl-when")
    def test_until_it_is_deleted_reads_see_it(self, system, put):
        """§4.6: AWS deletes within days; how late can be set."""
        assume(system, dynamodb_ttl_delay_s=86_400.0)
        put("a", 60)
        system.advance(86_400 + 59)
        assert self.item(system)
        system.advance(2)
        assert self.item(system) is None

    @pytest.mark.rule("4.6/ttl-when")
    def test_a_later_write_prolongs_it(self, system, put):
        """§4.6: what counts is the item as it is then."""
        put("a", 60)
        put("a", 120)
        system.advance(100)
        assert self.item(system)
        system.advance(30)
        assert self.item(system) is None

    @pytest.mark.rule("4.6/ttl-when")
    @pytest.mark.parametrize("until", [{"S": "1767225700"}, {"N": "5"}])
    def test_what_is_no_time_is_left_alone(self, system, put, until):
        """§4.6: only numbers are times, and none that lie more than five years back."""
        put("a", 1, until=until)
        system.advance(100_000)

        assert self.item(system)

    @pytest.mark.rule("4.6/ttl-delete")
    def test_every_way_of_writing_is_seen(self, system, put):
        """§4.6: updates, batches and transactions set times too."""
        client, name = system.client("dynamodb"), system.stage.ref("Table")
        until = {"N": str(int(system.began) + 60)}
        client.update_item(
            TableName=name,
            Key={"id": {"S": "u"}},
            UpdateExpression="SET #t = :t",
            ExpressionAttributeNames={"#t": "until"},
            ExpressionAttributeValues={":t": until},
        )
        client.batch_write_item(RequestItems={name: [{"PutRequest": {"Item": {"id": {"S": "b"}, "until": until}}}]})
        client.transact_write_items(
            TransactItems=[{"Put": {"TableName": name, "Item": {"id": {"S": "t"}, "until": until}}}]
        )
        system.advance(61)

        assert sorted(self.names(system)) == ["INSERT"] * 3 + ["REMOVE"] * 3

    @pytest.mark.rule("4.6/ttl-delete")
    def test_switching_it_on_counts_for_what_is_there(self, system):
        """§4.6: and so does a reset: what the deployment wrote expires in each test."""
        system.up(Table=table_of(system))
        client, name = system.client("dynamodb"), system.stage.ref("Table")
        client.put_item(TableName=name, Item={"id": {"S": "a"}, "until": {"N": str(int(system.began) + 60)}})
        client.update_time_to_live(TableName=name, TimeToLiveSpecification={"AttributeName": "until", "Enabled": True})
        system.advance(61)

        assert self.item(system) is None


class TestFilters:
    """§4.8: which records pass."""

    @pytest.mark.rule("4.8/kinesis-keys")
    def test_metadata_of_a_record(self, system, feed):
        """§4.8: the partition key and the like are keys of the pattern."""
        feed(FilterCriteria={"Filters": [{"Pattern": json.dumps({"partitionKey": ["b"]})}]})
        system.put(1, key="a")
        system.put(2, key="b")
        system.settle()

        assert system.batches() == [[2]]

    @pytest.mark.rule("4.8/plain-data-is-dropped")
    def test_plain_data_does_not_stop_the_reader(self, system, feed):
        """§4.8: the reader moves on; nothing is tried again."""
        feed(FilterCriteria={"Filters": [{"Pattern": json.dumps({"data": {"n": [1]}})}]})
        kinesis, name = system.client("kinesis"), system.stage.ref("Feed")
        kinesis.put_record(StreamName=name, PartitionKey="k", Data=b"plain")
        system.put({"n": 1})
        system.settle()

        assert system.batches() == [[{"n": 1}]]
        assert base64.b64decode(system.events()[0]["Records"][0]["kinesis"]["data"]) == b'{"n": 1}'
