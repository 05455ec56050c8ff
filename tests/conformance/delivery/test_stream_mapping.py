"""aws-semantics §4: Kinesis and DynamoDB streams feed functions."""

from __future__ import annotations

import base64
import json
from itertools import pairwise

import pytest
from botocore.exceptions import ClientError

REPORTS = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}
FAILS = "def handler(event, context): raise ValueError"

DATA = """
    import base64, json
    def numbers(event):
        return [json.loads(base64.b64decode(record["kinesis"]["data"])) for record in event["Records"]]
    def sequence(event, n):
        return event["Records"][numbers(event).index(n)]["kinesis"]["sequenceNumber"]
"""


def handler(body):
    """A handler with the helpers `numbers(event)` and `sequence(event, n)`."""
    lines = "\n".join(f"        {line}" for line in body.strip().splitlines())
    return f"{DATA}\n    def handler(event, context):\n{lines}\n"


FAILS_ON_6 = handler("if 6 in numbers(event): raise ValueError")
REPORTS_6 = handler(
    "return {'batchItemFailures': [{'itemIdentifier': sequence(event, 6)}] if 6 in numbers(event) else []}"
)


@pytest.fixture
def feed(system):
    """Deploys a stream, a function and a mapping; puts come after that."""

    def up(code=system.ECHO, *, shards=1, position="TRIM_HORIZON", resources=None, function=None, **mapping):
        return system.up(
            Worker=system.function(code, **(function or {})),
            Feed=system.resource("Kinesis::Stream", ShardCount=shards),
            Map=system.mapping("Feed", StartingPosition=position, **mapping),
            Dead=system.queue(),
            **(resources or {}),
        )

    return up


def update(system, **changes):
    """Change the mapping through the API."""
    system.client("lambda").update_event_source_mapping(UUID=system.stage.ref("Map"), **changes)


def to_queue(system):
    return {"OnFailure": {"Destination": system.att("Dead")}}


class TestReading:
    """§4.2: batches, shards, lanes, windows."""

    @pytest.mark.rule("4.2/batch-cut-by-size")
    def test_records_arrive_in_order(self, system, feed):
        """§4.2: a shard is read in order, each record once."""
        feed(BatchSize=4)
        system.put(*range(10))
        system.settle()

        assert [n for batch in system.batches() for n in batch] == list(range(10))
        assert max(len(batch) for batch in system.batches()) <= 4

    @pytest.mark.rule("4.1/trim-horizon")
    def test_records_of_the_deployment_time_are_read_from_the_start(self, system, feed):
        """§4.1: TRIM_HORIZON begins with what the stream holds."""
        feed(Enabled=False)
        system.put(1, 2, 3)
        update(system, Enabled=True)
        system.settle()

        assert system.batches() == [[1, 2, 3]]

    def test_latest_loses_nothing_that_is_put_after_the_deployment(self, system, feed):
        """§4.1: LATEST begins behind what was there when the mapping was made, in every shard."""
        feed(position="LATEST", shards=4)
        for key in "abcdefgh":
            system.put(key, key=key)
        system.settle()

        assert sorted(n for batch in system.batches() for n in batch) == list("abcdefgh")

    @pytest.mark.rule("4.1/latest")
    def test_latest_passes_over_what_was_there(self, system, feed):
        """§4.1: a mapping that is made later does not see earlier records."""
        system.up(Worker=system.function(), Feed=system.resource("Kinesis::Stream", ShardCount=1))
        system.put(1, 2)
        system.client("lambda").create_event_source_mapping(
            EventSourceArn=system.stage.arn("Feed"), FunctionName=system.stage.ref("Worker"), StartingPosition="LATEST"
        )
        system.put(3)
        system.settle()

        assert system.batches() == [[3]]

    @pytest.mark.rule("4.1/at-timestamp")
    def test_at_timestamp(self, system):
        """§4.1: from the first record that arrived then or later."""
        system.up(Worker=system.function(), Feed=system.resource("Kinesis::Stream", ShardCount=1))
        for n in range(4):
            system.put(n)
            system.advance(10)
        system.client("lambda").create_event_source_mapping(
            EventSourceArn=system.stage.arn("Feed"),
            FunctionName=system.stage.ref("Worker"),
            StartingPosition="AT_TIMESTAMP",
            StartingPositionTimestamp=system.began + 15,
        )
        system.settle()

        assert system.batches() == [[2, 3]]

    @pytest.mark.rule("4.2/one-batch-per-shard")
    def test_a_slow_function_sees_one_batch_at_a_time(self, system, feed):
        """§4.2: one batch in flight per shard; what came meanwhile makes the next one."""
        feed("import time\ndef handler(event, context): time.sleep(2)")
        system.put(1)
        system.advance(1)
        system.put(2, 3)
        system.settle()

        assert (system.batches(), system.attempts()) == ([[1], [2, 3]], [0, 2])

    @pytest.mark.rule("4.2/one-batch-per-shard")
    def test_shards_are_independent(self, system, feed):
        """§4.2: a failing shard does not hold the others up."""
        feed(handler("if 'a' in numbers(event): raise ValueError"), shards=2, MaximumRetryAttempts=3, BatchSize=1)
        for key in "abcdef":
            system.put(key, key=key)
        system.settle()

        shards = {r.detail["data"].strip('"'): r.detail["shard"] for r in system.records("event", "Feed")}
        others = [name for name in shards if shards[name] != shards["a"]]
        assert others
        at = {batch[0]: when for batch, when in zip(system.batches(), system.attempts(), strict=True)}
        assert all(at[name] == 0 for name in others)
        blocked = [name for name in shards if shards[name] == shards["a"] and name != "a"]
        assert blocked
        assert all(at[name] == at["a"] > 0 for name in blocked)

    @pytest.mark.rule("4.2/failing-batch-blocks")
    def test_a_failing_batch_blocks_what_lies_behind_it(self, system, feed):
        """§4.2: later records of the shard wait until it is done with."""
        feed(handler("if 1 in numbers(event): raise ValueError"), BatchSize=1, MaximumRetryAttempts=2)
        system.put(1, 2)
        system.settle()

        assert system.batches() == [[1], [1], [1], [2]]

    @pytest.mark.rule("4.2/lanes-of-keys")
    def test_a_parallelization_factor_keeps_order_per_key(self, system, feed):
        """§4.2: the same key goes to the same lane; lanes overlap."""
        code = handler("import time; time.sleep(1)")
        feed(code, ParallelizationFactor=4, BatchSize=1)
        for n in range(6):
            for key in "abcdefgh":
                system.put([key, n], key=key)
        system.settle()

        for key in "abcdefgh":
            assert [n for batch in system.batches() for k, n in batch if k == key] == list(range(6))
        assert len(set(system.attempts())) < 48
        assert sum(when == 0 for when in system.attempts()) > 1

    def test_a_change_of_the_factor_loses_and_repeats_nothing(self, system, feed):
        """§4.2: the lanes are dealt anew when their batches are through."""
        feed(handler("import time; time.sleep(1)"), ParallelizationFactor=3, BatchSize=2)
        for n in range(5):
            for key in "abcdefg":
                system.put([key, n], key=key)
        system.advance(2.5)
        update(system, ParallelizationFactor=2)
        system.settle()

        for key in "abcdefg":
            assert [n for batch in system.batches() for k, n in batch if k == key] == list(range(5))

    @pytest.mark.rule("4.2/batch-cut-by-window")
    def test_a_batching_window_gathers(self, system, feed):
        """§4.2: from the first record until the window is over, or the batch is full."""
        feed(BatchSize=3, MaximumBatchingWindowInSeconds=30)
        system.put(1)
        system.advance(10)
        system.put(2)
        system.advance(40)
        system.put(3, 4, 5)
        system.settle()

        assert (system.batches(), system.attempts()) == ([[1, 2], [3, 4, 5]], [30, 50])

    @pytest.mark.rule("4.2/batch-cut-by-payload")
    def test_six_megabytes_cut_a_batch(self, system, feed):
        """§4.2: the payload limit counts the base64 text."""
        feed(BatchSize=100, MaximumBatchingWindowInSeconds=10)
        system.put(*["x" * 900_000 for _ in range(7)])
        system.settle()

        assert [len(batch) for batch in system.batches()] == [5, 2]
        assert system.attempts() == [0, 10]

    @pytest.mark.rule("4.2/parents-first")
    def test_children_of_a_split_wait_for_their_parent(self, system, feed):
        """§4.2: a parent shard is read to its end before its children."""
        feed(handler("if 1 in numbers(event): raise ValueError"), BatchSize=1, MaximumRetryAttempts=4)
        system.put(1, 2)
        kinesis, name = system.client("kinesis"), system.stage.ref("Feed")
        kinesis.split_shard(StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127))
        system.put(3, key="a")
        system.put(4, key="b")
        system.settle()

        seen = [batch[0] for batch in system.batches()]
        assert seen[:6] == [1, 1, 1, 1, 1, 2]
        assert sorted(seen[6:]) == [3, 4]
        assert len({record.detail["shard"] for record in system.records("event", "Feed")}) > 1

    @pytest.mark.rule("4.8/kinesis-keys", "4.8/plain-data-is-dropped")
    def test_filters(self, system, feed):
        """§4.8: data is decoded and parsed; what is not JSON is dropped when the pattern is about data."""
        pattern = json.dumps({"data": {"kind": ["good"]}})
        feed(FilterCriteria={"Filters": [{"Pattern": pattern}]})
        system.put({"kind": "good"}, {"kind": "bad"})
        system.client("kinesis").put_record(StreamName=system.stage.ref("Feed"), PartitionKey="k", Data=b"\xff")
        system.settle()

        assert system.batches() == [[{"kind": "good"}]]
        assert system.dropped() == ["filtered out"] * 2

    def test_put_records_and_records_of_rules_arrive_too(self, system, feed):
        """§4.6: whichever way a record came in."""
        feed()
        name = system.stage.ref("Feed")
        records = [{"Data": json.dumps(n).encode(), "PartitionKey": "k"} for n in (1, 2)]
        system.client("kinesis").put_records(StreamName=name, Records=records)
        system.settle()

        assert [n for batch in system.batches() for n in batch] == [1, 2]


class TestPausing:
    """A mapping that is disabled and enabled again goes on where it stopped."""

    def test_it_resumes_behind_what_was_done(self, system, feed):
        """Nothing is read twice, and nothing that came meanwhile is lost, with LATEST too."""
        for position in ("TRIM_HORIZON", "LATEST"):
            feed(position=position)
            system.put(1)
            system.settle()
            update(system, Enabled=False)
            system.put(2)
            system.settle()
            assert system.batches() == [[1]]
            update(system, Enabled=True)
            system.settle()
            assert system.batches() == [[1], [2]]
            system.close()

    def test_a_running_invocation_is_seen_through(self, system, feed):
        """Disabling does not stop a function that runs; its success counts."""
        feed("import time\ndef handler(event, context): time.sleep(2)")
        system.put(1)
        system.advance(1)
        update(system, Enabled=False)
        system.settle()
        update(system, Enabled=True)
        system.put(2)
        system.settle()

        assert system.batches() == [[1], [2]]
        assert len(system.records("outcome")) == 2

    def test_disabling_ends_the_retries(self, system, feed):
        """The failing batch is not given up; it is tried again when the mapping is enabled."""
        feed(FAILS)
        system.put(1)
        system.advance(0.1)
        update(system, Enabled=False)
        system.settle()
        assert system.attempts() == [0]

        system.advance(100)
        system.update_code(system.ECHO)
        update(system, Enabled=True)
        system.settle()
        assert system.batches() == [[1], [1]]
        assert system.attempts()[1] == 100.1

    def test_a_reset_rewinds(self, system, feed):
        """After a reset the stream is empty and the mapping at its start."""
        feed(position="LATEST")
        system.put(1)
        system.settle()
        system.stage.reset()
        system.put(2)
        system.settle()

        assert system.batches() == [[2]]


class TestRetries:
    """§4.3: how often a failing batch is tried."""

    @pytest.mark.rule("4.3/attempts")
    def test_attempts_are_one_more_than_retries(self, system, feed):
        """§4.3: 1 + MaximumRetryAttempts, with growing pauses."""
        feed(FAILS, MaximumRetryAttempts=3, DestinationConfig=to_queue(system))
        system.put(1)
        system.settle()

        times = system.attempts()
        assert len(times) == 4
        assert all(b - a <= d - c for (a, b), (c, d) in pairwise(pairwise(times)))
        assert system.bodies()[0]["requestContext"]["approximateInvokeCount"] == 4

    def test_no_retries(self, system, feed):
        """§4.3: MaximumRetryAttempts 0 gives up after the first failure."""
        feed(FAILS, MaximumRetryAttempts=0, DestinationConfig=to_queue(system))
        system.put(1, 2)
        system.settle()

        assert [body["requestContext"]["approximateInvokeCount"] for body in system.bodies()] == [1] * len(
            system.attempts()
        )

    def test_without_a_destination_the_batch_is_lost(self, system, feed):
        """§4.3: and the journal says so."""
        feed(FAILS, MaximumRetryAttempts=1)
        system.put(1)
        system.settle()

        assert system.dropped() == ["RetryAttemptsExhausted"]

    @pytest.mark.rule("4.3/throttles-do-not-count")
    def test_throttles_do_not_count(self, system, feed):
        """§4.3: a refusal before the function runs is no attempt."""
        feed(
            FAILS,
            MaximumRetryAttempts=1,
            function={"ReservedConcurrentExecutions": 0},
            DestinationConfig=to_queue(system),
        )
        system.put(1)
        system.advance(100)
        system.client("lambda").delete_function_concurrency(FunctionName=system.stage.ref("Worker"))
        system.settle()

        assert len(system.attempts()) == 2
        assert system.bodies()[0]["requestContext"]["approximateInvokeCount"] == 2

    @pytest.mark.rule("4.2/retries-until-expiry", "4.1/retention-kinesis")
    def test_endless_retries_end_with_the_records_life(self, system, feed):
        """§4.2, §4.1: by default a batch is tried until its records leave the stream after 24 hours; then they are lost."""
        feed(FAILS)
        system.put(1)
        system.settle()

        assert system.dropped() == ["retention"]
        assert 24 * 3600 <= system.elapsed() < 24 * 3600 + 61

    @pytest.mark.rule("4.1/retention-kinesis")
    def test_a_longer_retention(self, system):
        """§4.1: Kinesis keeps records as long as it is told; here the template says 48 hours."""
        system.up(
            Worker=system.function(FAILS, ReservedConcurrentExecutions=0),
            Feed=system.resource("Kinesis::Stream", ShardCount=1, RetentionPeriodHours=48),
            Map=system.mapping("Feed", StartingPosition="LATEST"),
        )
        system.put(1)
        system.settle()

        assert system.dropped() == ["retention"]
        assert system.elapsed() >= 48 * 3600

    @pytest.mark.rule("4.3/bisect", "4.3/bisect-uses-no-attempt")
    def test_bisecting_isolates_the_poison(self, system, feed):
        """§4.3: halves are retried on their own; splits use up no attempts."""
        feed(
            FAILS_ON_6,
            BisectBatchOnFunctionError=True,
            MaximumRetryAttempts=1,
            BatchSize=8,
            MaximumBatchingWindowInSeconds=1,
            DestinationConfig=to_queue(system),
        )
        system.put(*range(1, 9))
        system.settle()

        assert system.batches() == [[1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4], [5, 6, 7, 8], [5, 6], [5], [6], [6], [7, 8]]
        record = system.bodies()[0]
        assert record["KinesisBatchInfo"]["batchSize"] == 1
        assert record["requestContext"]["approximateInvokeCount"] == 2

    @pytest.mark.rule("4.3/age-cuts", "4.5/age-without-response", "4.5/age-counts-one", "4.5/conditions")
    def test_an_old_record_is_cut_out(self, system, feed):
        """§4.3, §4.5: records over MaximumRecordAgeInSeconds go to the destination alone; the rest is processed."""
        feed(Enabled=False, MaximumRecordAgeInSeconds=60, DestinationConfig=to_queue(system))
        system.put(1)
        system.advance(61)
        system.put(2)
        update(system, Enabled=True)
        system.settle()

        assert system.batches() == [[2]]
        record = system.bodies()[0]
        assert record["requestContext"]["condition"] == "RecordAgeExceeded"
        assert record["requestContext"]["approximateInvokeCount"] == 1
        assert "responseContext" not in record
        assert record["KinesisBatchInfo"]["batchSize"] == 1

    @pytest.mark.rule("4.3/age-while-retrying", "4.3/retry-delay")
    def test_age_ends_endless_retries(self, system, feed):
        """§4.3: about eight attempts in the 60 seconds."""
        feed(FAILS, MaximumRecordAgeInSeconds=60, DestinationConfig=to_queue(system))
        system.put(1)
        system.settle()

        context = system.bodies()[0]["requestContext"]
        assert context["condition"] == "RecordAgeExceeded"
        assert context["approximateInvokeCount"] == len(system.attempts())
        assert 7 <= len(system.attempts()) <= 11


class TestPartialResponses:
    """§4.3, §4.4: ReportBatchItemFailures."""

    @pytest.mark.rule("4.4/success")
    @pytest.mark.parametrize(
        "answer", ["''", "[]", "None", "{}", "{'batchItemFailures': []}", "{'batchItemFailures': None}"]
    )
    def test_answers_that_mean_success(self, system, feed, answer):
        """§4.4: nothing reported is success."""
        feed(handler(f"return {answer}"), **REPORTS)
        system.put(1)
        system.settle()

        assert len(system.attempts()) == 1
        assert system.dropped() == []

    @pytest.mark.rule("4.4/failure", "4.4/unknown-id")
    @pytest.mark.parametrize(
        "identifier",
        [
            "{'itemIdentifier': ''}",
            "{'itemIdentifier': None}",
            "{'foo': 1}",
            "{'itemIdentifier': 123}",
            "{'itemIdentifier': 'x'}",
        ],
    )
    def test_answers_that_fail_the_whole_batch(self, system, feed, identifier):
        """§4.4: the batch is retried from its first record."""
        feed(
            handler(f"return {{'batchItemFailures': [{identifier}]}}"),
            MaximumRetryAttempts=1,
            MaximumBatchingWindowInSeconds=1,
            BatchSize=2,
            **REPORTS,
        )
        system.put(1, 2)
        system.settle()

        assert system.batches() == [[1, 2], [1, 2]]

    @pytest.mark.rule("4.3/checkpoint")
    def test_the_lowest_sequence_number_is_the_checkpoint(self, system, feed):
        """§4.3: everything before it is done; the retry starts from it."""
        code = handler(
            """
if len(numbers(event)) == 4:
    return {'batchItemFailures': [{'itemIdentifier': sequence(event, 4)}, {'itemIdentifier': sequence(event, 2)}]}
"""
        )
        feed(code, BatchSize=4, MaximumBatchingWindowInSeconds=1, **REPORTS)
        system.put(1, 2, 3, 4)
        system.settle()

        assert system.batches() == [[1, 2, 3, 4], [2, 3, 4]]

    @pytest.mark.rule("4.3/progress-resets", "4.5/function-error")
    def test_progress_resets_the_counter(self, system, feed):
        """§13, §4.5: [1..6], batches of 3, 6 fails, 3 retries -> 6 is invoked 5 times, count 4, functionError null."""
        feed(
            REPORTS_6,
            BatchSize=3,
            MaximumBatchingWindowInSeconds=1,
            MaximumRetryAttempts=3,
            DestinationConfig=to_queue(system),
            **REPORTS,
        )
        system.put(1, 2, 3, 4, 5, 6)
        system.settle()

        assert system.batches() == [[1, 2, 3], [4, 5, 6], [6], [6], [6], [6]]
        record = system.bodies()[0]
        assert record["requestContext"]["approximateInvokeCount"] == 4
        assert record["KinesisBatchInfo"]["batchSize"] == 1
        assert record["responseContext"]["functionError"] is None


class TestDestinations:
    """§4.5: what becomes of a batch that is given up."""

    @pytest.mark.rule(
        "4.5/kinesis-record",
        "4.3/invoke-count",
        "4.5/function-arn",
        "4.5/conditions",
        "4.5/function-error",
        "4.5/metadata-only",
    )
    def test_the_record_of_a_kinesis_batch(self, system, feed):
        """§4.5, §4.3: exact, key by key."""
        feed(
            FAILS,
            MaximumRetryAttempts=1,
            BatchSize=2,
            MaximumBatchingWindowInSeconds=5,
            DestinationConfig=to_queue(system),
        )
        first = system.put(1)[0]
        system.advance(1.25)
        last = system.put(2)[0]
        system.settle()

        record = system.bodies()[0]
        assert list(record) == ["requestContext", "responseContext", "version", "timestamp", "KinesisBatchInfo"]
        assert record == {
            "requestContext": {
                "requestId": system.invocations()[-1].detail["request_id"],
                "functionArn": system.stage.arn("Worker"),
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": 2,
            },
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "version": "1.0",
            "timestamp": "2026-01-01T00:00:01.750Z",
            "KinesisBatchInfo": {
                "shardId": "shardId-000000000000",
                "startSequenceNumber": first,
                "endSequenceNumber": last,
                "approximateArrivalOfFirstRecord": "2026-01-01T00:00:00.000Z",
                "approximateArrivalOfLastRecord": "2026-01-01T00:00:01.250Z",
                "batchSize": 2,
                "streamArn": system.stage.arn("Feed"),
            },
        }

    @pytest.mark.rule("4.5/metadata-only", "4.1/on-failure-kinds")
    def test_to_a_topic(self, system, feed):
        """§4.5, §4.1: metadata only."""
        resources = {
            "Failures": system.topic(),
            "Subscription": system.resource(
                "SNS::Subscription",
                TopicArn=system.ref("Failures"),
                Protocol="sqs",
                Endpoint=system.att("Dead"),
                RawMessageDelivery=True,
            ),
        }
        destination = {"OnFailure": {"Destination": system.ref("Failures")}}
        feed(FAILS, resources=resources, MaximumRetryAttempts=0, DestinationConfig=destination)
        system.put(1)
        system.settle()

        assert "KinesisBatchInfo" in system.bodies()[0]

    @pytest.mark.rule("4.5/bucket-payload", "4.5/bucket-key", "4.1/on-failure-kinds")
    def test_to_a_bucket_with_the_records(self, system, feed):
        """§4.5, §4.1: S3 alone gets the payload; its key names mapping and shard."""
        destination = {"OnFailure": {"Destination": system.att("Bucket")}}
        feed(
            FAILS,
            resources={"Bucket": system.resource("S3::Bucket")},
            MaximumRetryAttempts=0,
            DestinationConfig=destination,
        )
        system.put(1)
        system.settle()

        s3, name = system.client("s3"), system.stage.ref("Bucket")
        key = s3.list_objects_v2(Bucket=name)["Contents"][0]["Key"]
        folder = f"aws/lambda/{system.stage.ref('Map')}/shardId-000000000000/2026/01/01/2026-01-01T00.00.00-"
        assert key.startswith(folder)
        kept = json.loads(s3.get_object(Bucket=name, Key=key)["Body"].read())
        assert base64.b64decode(json.loads(kept["payload"])["Records"][0]["kinesis"]["data"]) == b"1"

    def test_the_mapping_shows_its_last_result(self, system, feed):
        """§3.5: LastProcessingResult of a stream mapping."""
        feed(handler("if 1 in numbers(event): raise ValueError"), MaximumRetryAttempts=0, BatchSize=1)
        api, uuid = system.client("lambda"), system.stage.ref("Map")
        seen = [api.get_event_source_mapping(UUID=uuid)["LastProcessingResult"]]
        for n in (1, 2):
            system.put(n)
            system.settle()
            seen.append(api.get_event_source_mapping(UUID=uuid)["LastProcessingResult"])

        assert seen == ["No records processed", "PROBLEM: Function call failed", "OK"]


class TestKinesisRecords:
    """§4.6: what a function reads."""

    @pytest.mark.rule("4.6/kinesis-shape")
    def test_shape(self, system, feed):
        """§4.6: every key; the role that reads is named."""
        feed()
        number = system.put({"a": 1})[0]
        system.settle()

        assert system.events()[0]["Records"] == [
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "k",
                    "sequenceNumber": number,
                    "data": base64.b64encode(b'{"a": 1}').decode(),
                    "approximateArrivalTimestamp": system.began,
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"shardId-000000000000:{number}",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": system.ROLE,
                "awsRegion": "us-east-1",
                "eventSourceARN": system.stage.arn("Feed"),
            }
        ]


@pytest.fixture
def table(system):
    """Deploys a table with a stream, a function and a mapping; returns the table."""

    def up(code=system.ECHO, *, view="NEW_AND_OLD_IMAGES", **mapping):
        system.up(
            Table=system.resource(
                "DynamoDB::Table",
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                StreamSpecification={"StreamViewType": view},
            ),
            Worker=system.function(code),
            Map=system.mapping(system.att("Table", "StreamArn"), **{"StartingPosition": "LATEST"} | mapping),
            Dead=system.queue(),
        )
        return Table(system)

    return up


class Table:
    """Writes by the low-level API."""

    def __init__(self, system):
        self.client = system.client("dynamodb")
        self.name = system.stage.ref("Table")

    def put(self, key, **attributes):
        self.client.put_item(TableName=self.name, Item={"id": {"S": key}, **attributes})

    def delete(self, key):
        self.client.delete_item(TableName=self.name, Key={"id": {"S": key}})


class TestTableStreams:
    """§4: the same rules for a table's stream."""

    @pytest.mark.rule("4.6/table-shape", "4.6/table-version", "4.6/one-image", "4.2/each-change-once", "4.6/view-types")
    def test_records_of_insert_modify_and_remove(self, system, table):
        """§4.6, §4.2: typed JSON, eventVersion 1.1; an INSERT has no old image, a REMOVE no new one."""
        writes = table()
        writes.put("a", n={"N": "1"})
        writes.put("a", n={"N": "2"})
        writes.delete("a")
        system.settle()

        records = [record for event in system.events() for record in event["Records"]]
        assert [record["eventName"] for record in records] == ["INSERT", "MODIFY", "REMOVE"]
        assert {record["eventVersion"] for record in records} == {"1.1"}
        assert {record["eventSourceARN"] for record in records} == {system.stage.deployed.get_att("Table", "StreamArn")}
        assert all(len(record["eventID"]) == 32 for record in records)
        insert, modify, remove = (record["dynamodb"] for record in records)
        assert insert["Keys"] == {"id": {"S": "a"}}
        assert insert["NewImage"] == {"id": {"S": "a"}, "n": {"N": "1"}}
        assert "OldImage" not in insert
        assert (modify["OldImage"]["n"], modify["NewImage"]["n"]) == ({"N": "1"}, {"N": "2"})
        assert "NewImage" not in remove
        assert insert["ApproximateCreationDateTime"] == int(system.began)
        assert insert["StreamViewType"] == "NEW_AND_OLD_IMAGES"
        assert insert["SizeBytes"] > 0
        assert len({part["SequenceNumber"] for part in (insert, modify, remove)}) == 3

    @pytest.mark.rule("4.6/view-types")
    @pytest.mark.parametrize(
        ("view", "images"),
        [("KEYS_ONLY", set()), ("NEW_IMAGE", {"NewImage"}), ("OLD_IMAGE", {"OldImage"})],
    )
    def test_view_types(self, system, table, view, images):
        """§4.6: images are there according to the view type."""
        writes = table(view=view)
        writes.put("a", n={"N": "1"})
        writes.put("a", n={"N": "2"})
        system.settle()

        modified = [record for event in system.events() for record in event["Records"]][1]["dynamodb"]
        assert {"NewImage", "OldImage"} & set(modified) == images

    @pytest.mark.rule("4.6/no-change-no-record")
    def test_a_write_that_changes_nothing_leaves_no_record(self, system, table):
        """§4.6."""
        writes = table()
        writes.put("a", n={"N": "1"})
        writes.put("a", n={"N": "1"})
        writes.delete("nobody")
        system.settle()

        assert [len(event["Records"]) for event in system.events()] == [1]

    def test_every_way_of_writing(self, system, table):
        """§4.6: batch writes, updates and transactions leave records too."""
        writes = table()
        name, client = writes.name, writes.client
        client.batch_write_item(RequestItems={name: [{"PutRequest": {"Item": {"id": {"S": "a"}}}}]})
        client.update_item(
            TableName=name,
            Key={"id": {"S": "b"}},
            UpdateExpression="SET n = :n",
            ExpressionAttributeValues={":n": {"N": "1"}},
        )
        client.transact_write_items(TransactItems=[{"Put": {"TableName": name, "Item": {"id": {"S": "c"}}}}])
        system.settle()

        assert [key for batch in system.batches() for key in batch] == ["a", "b", "c"]

    def test_a_cancelled_transaction_leaves_no_record(self, system, table):
        """§4.6: what did not happen is not in the stream."""
        writes = table()
        name = writes.name
        impossible = {
            "TableName": name,
            "Key": {"id": {"S": "b"}},
            "ConditionExpression": "attribute_exists(id)",
        }
        with pytest.raises(ClientError, match="TransactionCanceledException"):
            writes.client.transact_write_items(
                TransactItems=[{"Put": {"TableName": name, "Item": {"id": {"S": "a"}}}}, {"ConditionCheck": impossible}]
            )
        system.settle()

        assert system.batches() == []
        assert system.records("event", "Table") == []

    @pytest.mark.rule("4.8/table-keys", "4.8/down-to-the-type")
    def test_filters_look_at_typed_json(self, system, table):
        """§4.8: down to the type; N is a string, so `numeric` never matches it."""
        good = json.dumps({"eventName": ["INSERT"], "dynamodb": {"NewImage": {"kind": {"S": ["good"]}}}})
        writes = table(FilterCriteria={"Filters": [{"Pattern": good}]})
        writes.put("a", kind={"S": "good"})
        writes.put("b", kind={"S": "bad"})
        system.settle()

        assert system.batches() == [["a"]]

    @pytest.mark.rule("4.5/table-record")
    def test_the_record_of_a_batch_that_was_given_up(self, system, table):
        """§4.5: DDBStreamBatchInfo; arrival times have no milliseconds."""
        writes = table(FAILS, MaximumRetryAttempts=0, DestinationConfig=to_queue(system))
        writes.put("a")
        system.settle()

        record = system.bodies()[0]
        info = record["DDBStreamBatchInfo"]
        assert info["approximateArrivalOfFirstRecord"] == "2026-01-01T00:00:00Z"
        assert info["streamArn"] == system.stage.deployed.get_att("Table", "StreamArn")
        assert info["startSequenceNumber"] == info["endSequenceNumber"]
        assert record["requestContext"]["functionArn"] == system.stage.arn("Worker")

    def test_partial_responses(self, system, table):
        """§4.4: identifiers are sequence numbers."""
        code = """
            def handler(event, context):
                bad = [r["dynamodb"]["SequenceNumber"] for r in event["Records"] if r["dynamodb"]["Keys"]["id"]["S"] == "b"]
                return {"batchItemFailures": [{"itemIdentifier": number} for number in bad]}
        """
        writes = table(code, MaximumRetryAttempts=1, MaximumBatchingWindowInSeconds=1, **REPORTS)
        for key in "abc":
            writes.put(key)
        system.settle()

        assert system.batches() == [["a", "b", "c"], ["b", "c"], ["b", "c"]]

    @pytest.mark.rule("4.1/retention-table")
    def test_a_days_retention(self, system, table):
        """§4.1: a table's stream keeps 24 hours."""
        table(FAILS).put("a")
        system.settle()

        assert system.dropped() == ["retention"]
        assert 24 * 3600 <= system.elapsed() < 24 * 3600 + 61
