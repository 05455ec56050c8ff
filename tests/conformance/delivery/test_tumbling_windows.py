"""aws-semantics §4.7: a function that sums up a window of time and hands its state on."""

from __future__ import annotations

import json

import pytest

COUNTS = """
    import base64, json

    def handler(event, context):
        state = event["state"]
        for record in event["Records"]:
            n = json.loads(base64.b64decode(record["kinesis"]["data"]))
            if n == "poison":
                raise ValueError(n)
            state["sum"] = state.get("sum", 0) + n
        return {"state": state}
"""


@pytest.fixture
def feed(system):
    """Deploys a stream, a function and a mapping with a window of a minute; the world begins on the minute."""

    def up(code=COUNTS, *, shards=1, **mapping):
        given = {"StartingPosition": "TRIM_HORIZON", "TumblingWindowInSeconds": 60} | mapping
        return system.up(
            Worker=system.function(code),
            Feed=system.resource("Kinesis::Stream", ShardCount=shards),
            Map=system.mapping("Feed", **given),
            Dead=system.queue(),
        )

    return up


def assume(system, **values):
    """Change assumptions of the running world."""
    from dataclasses import replace

    from stagefright.delivery.backoff import Backoff

    world = system.stage.world
    world.assumptions = replace(world.assumptions, **values)
    world.backoff = Backoff(world.assumptions, world.chance)


def told(system):
    """Of each invocation: how many records, the state, final, early."""
    return [
        (len(e["Records"]), e["state"], e["isFinalInvokeForWindow"], e["isWindowTerminatedEarly"])
        for e in system.events()
    ]


class TestState:
    """§4.7: what goes from invocation to invocation."""

    @pytest.mark.rule("4.7/event-fields")
    def test_the_event_tells_of_the_window(self, system, feed):
        """§4.7: window, state, shardId, eventSourceARN and the two flags, besides the records."""
        feed()
        system.put(1)
        system.advance(1)

        event = system.events()[0]
        assert len(event.pop("Records")) == 1
        assert event == {
            "window": {"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:01:00Z"},
            "state": {},
            "shardId": "shardId-000000000000",
            "eventSourceARN": system.stage.arn("Feed"),
            "isFinalInvokeForWindow": False,
            "isWindowTerminatedEarly": False,
        }

    @pytest.mark.rule("4.7/state-is-handed-on", "4.7/final-invoke", "4.7/idle-end")
    def test_the_state_is_handed_on_until_the_final_invoke(self, system, feed):
        """§4.7: each invocation gets what the one before returned; when the window ends although nothing comes, it is told so."""
        feed()
        system.put(1)
        system.advance(10)
        system.put(2)
        system.settle()

        assert told(system) == [
            (1, {}, False, False),
            (1, {"sum": 1}, False, False),
            (0, {"sum": 3}, True, False),
        ]
        assert system.attempts() == [0, 10, 60]

    @pytest.mark.rule("4.7/fresh-state")
    def test_the_next_window_starts_afresh(self, system, feed):
        """§4.7: the state is dropped with the window."""
        feed()
        system.put(1)
        system.advance(70)
        system.put(5)
        system.settle()

        assert told(system) == [
            (1, {}, False, False),
            (0, {"sum": 1}, True, False),
            (1, {}, False, False),
            (0, {"sum": 5}, True, False),
        ]
        assert system.attempts() == [0, 60, 70, 120]
        assert system.events()[2]["window"]["start"] == "2026-01-01T00:01:00Z"

    @pytest.mark.rule("4.7/arrival-decides")
    def test_arrival_decides_and_a_batch_never_spans_two_windows(self, system, feed):
        """§4.7: records that are read late still belong to the window in which they arrived."""
        feed(Enabled=False)
        system.put(1)
        system.advance(59)
        system.put(2)
        system.advance(2)
        system.put(3)
        system.client("lambda").update_event_source_mapping(UUID=system.stage.ref("Map"), Enabled=True)
        system.settle()

        assert [(e["window"]["start"][14:16], len(e["Records"])) for e in system.events()] == [
            ("00", 2),
            ("00", 0),
            ("01", 1),
            ("01", 0),
        ]
        assert system.attempts() == [61, 61, 61, 120]

    @pytest.mark.rule("4.7/alignment")
    def test_windows_are_aligned_to_the_epoch_or_as_assumed(self, system, feed):
        """§4.7: alignment is not documented; it can be set."""
        feed()
        assume(system, tumbling_window_offset_s=15.0)
        system.put(1)
        system.settle()

        assert system.events()[0]["window"] == {"start": "2025-12-31T23:59:15Z", "end": "2026-01-01T00:00:15Z"}
        assert system.attempts() == [0, 15]

    @pytest.mark.rule("4.7/idle-end")
    def test_lambda_may_wait_before_it_ends_an_idle_window(self, system, feed):
        """§4.7: AWS waits for up to two minutes for records; how long can be set."""
        feed()
        assume(system, tumbling_window_wait_s=120.0)
        system.put(1)
        system.settle()

        assert system.attempts() == [0, 180]

    @pytest.mark.rule("4.7/final-records")
    def test_the_last_batch_may_be_the_final_one(self, system, feed):
        """§4.7: whether the final invocation carries records is not documented; it can be set, where the end is known."""
        feed(Enabled=False)
        assume(system, tumbling_final_invoke_has_records=True)
        system.put(1)
        system.advance(61)
        system.put(2)
        system.client("lambda").update_event_source_mapping(UUID=system.stage.ref("Map"), Enabled=True)
        system.settle()

        assert told(system) == [(1, {}, True, False), (1, {}, False, False), (0, {"sum": 2}, True, False)]

    @pytest.mark.rule("4.7/per-shard")
    def test_each_shard_has_its_own_window(self, system, feed):
        """§4.7: the state is one per shard."""
        feed(shards=2)
        for key in "abcdef":
            system.put(1, key=key)
        system.settle()

        finals = {e["shardId"]: e["state"]["sum"] for e in system.events() if e["isFinalInvokeForWindow"]}
        assert len(finals) == 2
        assert sum(finals.values()) == 6

    def test_a_flow_leads_to_the_final_invocation(self, system, feed):
        """The end of a window is the doing of all that it summed up."""
        stage = feed()
        system.put(1)
        system.advance(5)
        system.put(2)
        flow = stage.settle()

        last = system.records("delivery", "Worker")[-1]
        assert {last.cause, *last.detail["causes"]} == {r.n for r in system.records("event", "Feed")}
        assert flow.attempts("Worker").at == [0, 5, 60]

    def test_a_mapping_that_is_disabled_ends_its_window_when_it_is_enabled(self, system, feed):
        """What was summed up is not lost; the end is told late."""
        feed()
        system.put(1)
        system.advance(10)
        api, uuid = system.client("lambda"), system.stage.ref("Map")
        api.update_event_source_mapping(UUID=uuid, Enabled=False)
        system.settle()
        system.advance(100)
        api.update_event_source_mapping(UUID=uuid, Enabled=True)
        system.settle()

        assert told(system) == [(1, {}, False, False), (0, {"sum": 1}, True, False)]
        assert system.attempts() == [0, 110]

    def test_a_reset_forgets_the_window(self, system, feed):
        """After a reset the function starts with nothing."""
        stage = feed()
        system.put(1)
        system.advance(5)
        stage.reset()
        system.put(7)
        system.settle()

        assert told(system) == [(1, {}, False, False), (0, {"sum": 7}, True, False)]


class TestFailures:
    """§4.7: what counts as one, and what becomes of it."""

    @pytest.mark.rule("4.7/state-is-required")
    @pytest.mark.parametrize("answer", ["None", "{}", "{'state': None}", "{'state': 'x'}", "[1]", "'text'"])
    def test_an_answer_without_a_state_is_a_failure(self, system, feed, answer):
        """§4.7: the response must contain a state; else Lambda considers the invocation failed, and tries again."""
        feed(f"def handler(event, context): return {answer}", MaximumRetryAttempts=1)
        system.put(1)
        system.advance(10)

        assert len(system.attempts()) == 2
        assert system.dropped() == ["RetryAttemptsExhausted"]
        assert "the answer has no" in system.stage.journal.of_kind("retry")[0].detail["reason"]
        shown = system.client("lambda").get_event_source_mapping(UUID=system.stage.ref("Map"))
        assert shown["LastProcessingResult"] == "PROBLEM: Function call failed"

    @pytest.mark.rule("4.7/retry-policies")
    def test_retries_are_counted_as_ever(self, system, feed):
        """§4.7: MaximumRetryAttempts holds; what was given up leaves the state as it was."""
        destination = {"OnFailure": {"Destination": system.att("Dead")}}
        feed(BatchSize=1, MaximumRetryAttempts=2, DestinationConfig=destination)
        system.put(1, "poison", 2)
        system.settle()

        assert [state for _, state, *_ in told(system)] == [
            {},
            {"sum": 1},
            {"sum": 1},
            {"sum": 1},
            {"sum": 1},
            {"sum": 3},
        ]
        context = system.bodies()[0]["requestContext"]
        assert (context["condition"], context["approximateInvokeCount"]) == ("RetryAttemptsExhausted", 3)

    @pytest.mark.rule("4.7/retry-policies")
    def test_a_final_invoke_that_fails_is_retried_and_given_up(self, system, feed):
        """§4.7: further processing waits for the final invocation, within the same limits."""
        code = COUNTS.replace("state = event", "assert not event['isFinalInvokeForWindow']; state = event")
        destination = {"OnFailure": {"Destination": system.att("Dead")}}
        feed(code, MaximumRetryAttempts=1, DestinationConfig=destination)
        system.put(1)
        system.advance(59.9)
        system.put(2)
        system.advance(0.3)
        system.put(3)
        system.settle()

        assert told(system)[:5] == [
            (1, {}, False, False),
            (1, {"sum": 1}, False, False),
            (0, {"sum": 3}, True, False),
            (0, {"sum": 3}, True, False),
            (1, {}, False, False),
        ]
        body = system.bodies()[0]
        assert body["KinesisBatchInfo"]["batchSize"] == 0
        assert body["requestContext"]["approximateInvokeCount"] == 2

    @pytest.mark.rule("4.7/retry-policies")
    def test_age_ends_a_final_invoke_too(self, system, feed):
        """§4.7: MaximumRecordAgeInSeconds holds; the end of a window is as old as the window's end."""
        code = COUNTS.replace("state = event", "assert not event['isFinalInvokeForWindow']; state = event")
        feed(code, MaximumRecordAgeInSeconds=90)
        system.put(1)
        system.settle()

        assert system.dropped() == ["RecordAgeExceeded"]
        assert 150 <= system.elapsed() <= 150 + 61

    @pytest.mark.rule("4.7/with-item-failures")
    def test_item_failures_go_with_the_state(self, system, feed):
        """§4.7: an answer may have both; the state stands for what came before the failed item."""
        code = """
            import base64, json
            def handler(event, context):
                state, seen = event["state"], event["state"].setdefault("seen", [])
                for record in event["Records"]:
                    n = json.loads(base64.b64decode(record["kinesis"]["data"]))
                    if n == 3 and not state.get("tried"):
                        state["tried"] = True
                        failed = [{"itemIdentifier": record["kinesis"]["sequenceNumber"]}]
                        return {"state": state, "batchItemFailures": failed}
                    seen.append(n)
                return {"state": state}
        """
        feed(code, FunctionResponseTypes=["ReportBatchItemFailures"], MaximumBatchingWindowInSeconds=1)
        system.put(1, 2, 3, 4)
        system.settle()

        assert [len(e["Records"]) for e in system.events()] == [4, 2, 0]
        assert system.events()[-1]["state"]["seen"] == [1, 2, 3, 4]

    @pytest.mark.rule("4.7/bisect")
    def test_bisecting_keeps_the_state_in_order(self, system, feed):
        """§4.7: halves are invocations like any other; the second gets what the first returned."""
        feed(BisectBatchOnFunctionError=True, MaximumRetryAttempts=0, MaximumBatchingWindowInSeconds=1)
        system.put(1, 2, "poison", 4)
        system.settle()

        assert [(n, state) for n, state, *_ in told(system)] == [
            (4, {}),
            (2, {}),
            (2, {"sum": 3}),
            (1, {"sum": 3}),
            (1, {"sum": 3}),
            (0, {"sum": 7}),
        ]


class TestEarlyEnds:
    """§4.7: windows that end before their time."""

    BIG = """
        def handler(event, context):
            if event["isWindowTerminatedEarly"] or event["isFinalInvokeForWindow"]:
                return {"state": {}}
            return {"state": {"text": event["state"].get("text", "") + "x" * 600_000}}
    """

    @pytest.mark.rule("4.7/state-size")
    @pytest.mark.parametrize("is_final", [False, True])
    def test_a_state_over_1_mb_ends_the_window(self, system, feed, is_final):
        """§4.7: the window is ended early, and goes on with a fresh state."""
        feed(self.BIG, BatchSize=1)
        assume(system, tumbling_early_end_is_final=is_final)
        system.put(1, 2, 3)
        system.settle()

        assert [(n, len(json.dumps(state)) > 10, final, early) for n, state, final, early in told(system)] == [
            (1, False, False, False),
            (1, True, False, False),
            (0, True, is_final, True),
            (1, False, False, False),
            (0, True, True, False),
        ]
        assert system.events()[3]["window"] == system.events()[0]["window"]
        assert system.attempts()[2:] == [0, 0, 60]

    @pytest.mark.rule("4.7/state-size")
    @pytest.mark.parametrize(("more", "ends_early"), [(0, False), (1, True)])
    def test_the_size_of_a_state(self, system, feed, more, ends_early):
        """§4.7: 1 MB as JSON, to the byte."""
        text = f"'x' * (1024 * 1024 - len('{{\"s\":\"\"}}') + {more})"
        feed(f"def handler(event, context): return {{'state': {{'s': {text}}}}}")
        system.put(1)
        system.settle()

        assert any(early for *_, early in told(system)) is ends_early

    @pytest.mark.rule("4.7/state-size")
    def test_after_an_early_end_without_records_nothing_is_told(self, system, feed):
        """§4.7: a window that ended early and got nothing more has no end of its own."""
        feed(self.BIG.replace("600_000", "1_100_000"))
        system.put(1)
        system.settle()

        assert [early for *_, early in told(system)] == [False, True]

    @pytest.mark.rule("4.7/shard-end")
    def test_a_shard_that_ends_closes_its_window(self, system, feed):
        """§4.7: no resharding: the window of a split shard closes at once, and its children start afresh."""
        feed()
        system.put(1)
        system.advance(10)
        kinesis, name = system.client("kinesis"), system.stage.ref("Feed")
        kinesis.split_shard(StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127))
        system.put(5, key="a")
        system.settle()

        assert told(system) == [
            (1, {}, False, False),
            (0, {"sum": 1}, True, False),
            (1, {}, False, False),
            (0, {"sum": 5}, True, False),
        ]
        assert system.attempts() == [0, 10, 10, 60]
        assert system.events()[2]["shardId"] != system.events()[1]["shardId"]

    def test_a_change_of_the_factor_ends_windows_early(self, system, feed):
        """§4.7: lanes are dealt anew, and states cannot be."""
        feed(ParallelizationFactor=2)
        system.put(1)
        system.advance(10)
        system.client("lambda").update_event_source_mapping(UUID=system.stage.ref("Map"), ParallelizationFactor=1)
        system.put(2)
        system.settle()

        assert told(system) == [
            (1, {}, False, False),
            (0, {"sum": 1}, False, True),
            (1, {}, False, False),
            (0, {"sum": 2}, True, False),
        ]


class TestTables:
    """§4.7 for a table's stream."""

    @pytest.mark.rule("4.7/tables")
    def test_a_tables_stream_has_windows_too(self, system):
        """§4.7: the same event, with the stream's ARN."""
        code = """
            def handler(event, context):
                return {"state": {"n": event["state"].get("n", 0) + len(event["Records"])}}
        """
        system.up(
            Table=system.resource(
                "DynamoDB::Table",
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                StreamSpecification={"StreamViewType": "KEYS_ONLY"},
            ),
            Worker=system.function(code),
            Map=system.mapping(
                system.att("Table", "StreamArn"), StartingPosition="LATEST", TumblingWindowInSeconds=900
            ),
        )
        table = system.stage.ref("Table")
        for key in ("a", "b"):
            system.client("dynamodb").put_item(TableName=table, Item={"id": {"S": key}})
        system.settle()

        assert told(system)[-1] == (0, {"n": 2}, True, False)
        assert system.events()[0]["eventSourceARN"] == system.stage.deployed.get_att("Table", "StreamArn")
        assert system.elapsed() == 900
