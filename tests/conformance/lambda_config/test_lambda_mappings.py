"""aws-semantics §3.5, §4.1: what an event source mapping takes, shows and refuses."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:orders"
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:jobs"
FIFO = f"{QUEUE}.fifo"
STREAM = "arn:aws:kinesis:eu-west-1:123456789012:stream/posts"
TABLE_STREAM = "arn:aws:dynamodb:eu-west-1:123456789012:table/posts/stream/2026-01-01T00:00:00.000"
INVALID = "InvalidParameterValueException"


@pytest.fixture
def connect(create, api):
    """Creates the function `orders` and maps a source to it."""
    create(Timeout=30)

    def make(source=QUEUE, **params):
        return api.create_event_source_mapping(**{"EventSourceArn": source, "FunctionName": "orders"} | params)

    return make


class TestQueues:
    """§3.5: mappings of SQS queues."""

    @pytest.mark.rule("3.5/batch-size-default")
    @pytest.mark.rule("3.5/window-range")
    @pytest.mark.rule("3.5/transition-reason")
    def test_a_queue_mapping_has_awss_defaults_and_echo(self, connect, api):
        """Ten messages, no window, USER_INITIATED; Creating at first, Enabled from then on."""
        created = connect()

        assert created == {
            "UUID": created["UUID"],
            "EventSourceMappingArn": f"arn:aws:lambda:eu-west-1:123456789012:event-source-mapping:{created['UUID']}",
            "EventSourceArn": QUEUE,
            "FunctionArn": ARN,
            "BatchSize": 10,
            "MaximumBatchingWindowInSeconds": 0,
            "FunctionResponseTypes": [],
            "LastModified": datetime(2026, 1, 1, tzinfo=UTC),
            "State": "Creating",
            "StateTransitionReason": "USER_INITIATED",
        }
        assert api.get_event_source_mapping(UUID=created["UUID"])["State"] == "Enabled"

    @pytest.mark.rule("3.5/batch-size-standard")
    @pytest.mark.rule("3.5/large-batch-needs-a-window")
    def test_a_large_batch_needs_a_window(self, connect, refusal):
        """More than ten messages need a window of a second at least."""
        message = "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"

        assert refusal(connect, BatchSize=11) == (INVALID, message, 400)
        assert connect(BatchSize=10_000, MaximumBatchingWindowInSeconds=1)["BatchSize"] == 10_000

    @pytest.mark.rule("3.5/timeout-fits-visibility")
    def test_the_functions_timeout_must_fit_the_visibility_timeout(self, connect, world, refusal):
        """A function that may run longer than a message stays invisible is refused."""
        world.queues.visibility_s["jobs"] = 29
        message = "Queue visibility timeout: 29 seconds is less than Function timeout: 30 seconds"

        assert refusal(connect) == (INVALID, message, 400)

    @pytest.mark.rule("3.5/timeout-fits-visibility")
    def test_the_rule_holds_for_updates_too(self, connect, api, refusal):
        """A mapping cannot be updated while its function outlives the visibility timeout."""
        uuid = connect()["UUID"]
        api.update_function_configuration(FunctionName="orders", Timeout=31)

        assert refusal(api.update_event_source_mapping, UUID=uuid, BatchSize=5)[0] == INVALID

    @pytest.mark.rule("3.5/missing-queue")
    def test_a_missing_queue_is_reported_with_sqss_error(self, connect, refusal):
        """A missing queue is Lambda's refusal, with SQS's code and text inside."""
        message = (
            "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. "
            "SQS Error Message: The specified queue does not exist."
        )

        assert refusal(connect, QUEUE.replace("jobs", "none")) == (INVALID, message, 400)

    @pytest.mark.rule("3.5/duplicate-mapping")
    def test_a_second_mapping_is_a_conflict(self, connect, refusal):
        """One mapping for each queue and function; the refusal names the one that is there."""
        uuid = connect()["UUID"]
        message = (
            f'An event source mapping with SQS arn (" {QUEUE} ") and function (" orders ") already exists. '
            f"Please update or delete the existing mapping with UUID {uuid}"
        )

        assert refusal(connect) == ("ResourceConflictException", message, 409)

    def test_a_missing_function_is_refused(self, connect, refusal):
        """A mapping needs a function that exists."""
        assert refusal(connect, FunctionName="nobody") == (INVALID, "Function does not exist", 400)

    @pytest.mark.parametrize(
        ("source", "settings", "text"),
        [
            (QUEUE, {"StartingPosition": "LATEST"}, "StartingPosition is not valid for SQS event sources."),
            (QUEUE, {"StartingPosition": "0"}, "enum value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]"),
            (QUEUE, {"BatchSize": 0}, "Value '0' at 'batchSize'"),
            (QUEUE, {"BatchSize": 10_001}, "Value '10001' at 'batchSize'"),
            (QUEUE, {"MaximumBatchingWindowInSeconds": 301}, "Value '301' at 'maximumBatchingWindowInSeconds'"),
            (QUEUE, {"ScalingConfig": {"MaximumConcurrency": 1}}, "Value '1' at 'scalingConfig.maximumConcurrency'"),
            (QUEUE, {"ScalingConfig": {"MaximumConcurrency": 1001}}, "less than or equal to 1000"),
            (QUEUE, {"ProvisionedPollerConfig": {"MinimumPollers": 1}}, "provisionedPollerConfig.minimumPollers"),
            (QUEUE, {"ProvisionedPollerConfig": {"MinimumPollers": 201}}, "provisionedPollerConfig.minimumPollers"),
            (QUEUE, {"ProvisionedPollerConfig": {"MaximumPollers": 2001}}, "provisionedPollerConfig.maximumPollers"),
            (
                QUEUE,
                {"ProvisionedPollerConfig": {"MinimumPollers": 9, "MaximumPollers": 8}},
                "MinimumPollers (9) must be less than or equal to MaximumPollers (8)",
            ),
            (FIFO, {"ScalingConfig": {"MaximumConcurrency": 1}}, "Value '1' at 'scalingConfig.maximumConcurrency'"),
            (QUEUE, {"ParallelizationFactor": 2}, "Unsupported ParallelizationFactor parameter"),
            (QUEUE, {"FunctionResponseTypes": ["Nothing"]}, "enum value set: [ReportBatchItemFailures]"),
            (QUEUE, {"FilterCriteria": {"Filters": [{"Pattern": "{"}]}}, "Invalid filter pattern definition."),
            (QUEUE, {"FilterCriteria": {"Filters": [{"Pattern": "{}"}] * 6}}, "at most 5 filters"),
            (QUEUE, {"FilterCriteria": {"Filters": [{"Pattern": " " * 4097}]}}, "less than or equal to 4096"),
            (FIFO, {"BatchSize": 11}, "for FIFO queues"),
            (FIFO, {"MaximumBatchingWindowInSeconds": 1}, "Batching window is not supported for FIFO queues."),
            ("jobs", {}, "Value 'jobs' at 'eventSourceArn'"),
            ("arn:aws:sns:eu-west-1:123456789012:posts", {}, "Unrecognized event source."),
            ("arn:aws:kafka:eu-west-1:123456789012:cluster/a/b", {}, "Available on the local stage"),
        ],
    )
    @pytest.mark.rule("3.5/batch-size-standard")
    @pytest.mark.rule("3.5/batch-size-fifo")
    @pytest.mark.rule("3.5/window-range")
    @pytest.mark.rule("3.5/window-fifo")
    @pytest.mark.rule("3.5/maximum-concurrency-range")
    @pytest.mark.rule("3.5/provisioned-pollers")
    @pytest.mark.rule("3.5/response-types")
    @pytest.mark.rule("3.5/filters")
    @pytest.mark.rule("3.5/filter-length")
    @pytest.mark.rule("3.5/bad-filter")
    def test_what_a_queue_does_not_take_is_refused(self, connect, refusal, source, settings, text):
        """Each range and rule of §3.5 has its refusal."""
        assert text in refusal(connect, source, **settings)[1]

    @pytest.mark.rule("3.5/provisioned-or-maximum")
    def test_concurrency_and_pollers_exclude_each_other(self, connect, refusal):
        """A mapping scales by itself within a maximum, or is provisioned."""
        both = {"ScalingConfig": {"MaximumConcurrency": 2}, "ProvisionedPollerConfig": {"MinimumPollers": 2}}

        assert "cannot be used together" in refusal(connect, **both)[1]

    @pytest.mark.rule("3.5/provisioned-pollers")
    @pytest.mark.rule("3.5/response-types")
    def test_filters_and_response_types_reach_the_pollers(self, connect, service):
        """What a poller needs is on the record."""
        pattern = '{"body": {"paid": [true]}}'
        connect(
            FilterCriteria={"Filters": [{"Pattern": pattern}]},
            FunctionResponseTypes=["ReportBatchItemFailures"],
            ProvisionedPollerConfig={"MinimumPollers": 3},
        )
        (mapping,) = service.mappings()

        assert mapping.filters == (pattern,)
        assert mapping.reports_batch_item_failures
        assert mapping.provisioned_pollers == (3, 200)

    @pytest.mark.rule("3.5/provisioned-pollers")
    def test_two_pollers_are_the_least(self, connect, service):
        """§3.5: the minimum is two unless told otherwise."""
        connect(ProvisionedPollerConfig={"MaximumPollers": 5})

        assert [mapping.provisioned_pollers for mapping in service.mappings()] == [(2, 5)]


class TestStreams:
    """§4.1: mappings of Kinesis and DynamoDB streams."""

    @pytest.mark.rule(
        "4.1/batch-size",
        "4.1/parallelization-factor",
        "4.1/retry-attempts",
        "4.1/record-age",
        "4.1/bisect-default",
        "4.1/tumbling-window",
        "4.1/batching-window",
    )
    @pytest.mark.parametrize("source", [STREAM, TABLE_STREAM])
    @pytest.mark.rule("3.5/transition-reason")
    @pytest.mark.rule("3.5/last-result")
    def test_a_stream_mapping_has_awss_defaults_and_echo(self, connect, source):
        """A hundred records, endless retries, `User action`, nothing processed yet."""
        created = connect(source, StartingPosition="TRIM_HORIZON")

        expected = {
            "BatchSize": 100,
            "StartingPosition": "TRIM_HORIZON",
            "ParallelizationFactor": 1,
            "MaximumRetryAttempts": -1,
            "MaximumRecordAgeInSeconds": -1,
            "BisectBatchOnFunctionError": False,
            "TumblingWindowInSeconds": 0,
            "MaximumBatchingWindowInSeconds": 0,
            "DestinationConfig": {"OnFailure": {}},
            "LastProcessingResult": "No records processed",
            "StateTransitionReason": "User action",
        }
        assert {name: created[name] for name in expected} == expected

    @pytest.mark.rule(
        "4.1/starting-position",
        "4.1/parallelization-factor",
        "4.1/retry-attempts",
        "4.1/record-age",
        "4.1/tumbling-window",
        "4.1/on-failure-kinds",
        "4.1/no-on-success",
        "4.1/batch-size",
        "4.1/batching-window",
        "4.8/pattern-must-be-json",
    )
    @pytest.mark.parametrize(
        ("source", "settings", "text"),
        [
            (STREAM, {}, "Value null at 'startingPosition' failed to satisfy constraint: Member must not be null."),
            (
                STREAM,
                {"StartingPosition": "LATEST", "StartingPositionTimestamp": datetime(2026, 1, 1, tzinfo=UTC)},
                "Timestamp only valid with StartingPosition AT_TIMESTAMP",
            ),
            (STREAM, {"StartingPosition": "AT_TIMESTAMP"}, "StartingPositionTimestamp is required"),
            (
                STREAM,
                {"StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": -1},
                "class java.lang.Long can not be converted to a Timestamp",
            ),
            (TABLE_STREAM, {"StartingPosition": "AT_TIMESTAMP"}, f"for arn type: {TABLE_STREAM}"),
            (STREAM.replace("posts", "missing"), {"StartingPosition": "LATEST"}, "Stream not found: arn:aws:kinesis"),
            (STREAM, {"StartingPosition": "LATEST", "BatchSize": 0}, "'batchSize'"),
            (STREAM, {"StartingPosition": "LATEST", "BatchSize": 10_001}, "'batchSize'"),
            (STREAM, {"StartingPosition": "LATEST", "MaximumBatchingWindowInSeconds": 301}, "'maximumBatchingWindow"),
            (STREAM, {"StartingPosition": "LATEST", "ParallelizationFactor": 0}, "'parallelizationFactor'"),
            (STREAM, {"StartingPosition": "LATEST", "MaximumRetryAttempts": 10_001}, "'maximumRetryAttempts'"),
            (
                STREAM,
                {"StartingPosition": "LATEST", "MaximumRecordAgeInSeconds": 604_801},
                "'maximumRecordAgeInSeconds'",
            ),
            (
                STREAM,
                {"StartingPosition": "LATEST", "DestinationConfig": {"OnFailure": {"Destination": f"{QUEUE}.fifo"}}},
                "is a FIFO one",
            ),
            (
                STREAM,
                {"StartingPosition": "LATEST", "FilterCriteria": {"Filters": [{"Pattern": "{"}]}},
                "Invalid filter",
            ),
            (STREAM, {"StartingPosition": "LATEST", "ParallelizationFactor": 11}, "'parallelizationFactor'"),
            (STREAM, {"StartingPosition": "LATEST", "MaximumRetryAttempts": -2}, "'maximumRetryAttempts'"),
            (STREAM, {"StartingPosition": "LATEST", "MaximumRecordAgeInSeconds": 59}, "'maximumRecordAgeInSeconds'"),
            (STREAM, {"StartingPosition": "LATEST", "TumblingWindowInSeconds": 901}, "'tumblingWindowInSeconds'"),
            (
                STREAM,
                {"StartingPosition": "LATEST", "ScalingConfig": {"MaximumConcurrency": 2}},
                "Unsupported ScalingConfig parameter",
            ),
            (
                STREAM,
                {"StartingPosition": "LATEST", "DestinationConfig": {"OnSuccess": {"Destination": QUEUE}}},
                "Unsupported DestinationConfig parameter",
            ),
            (
                STREAM,
                {"StartingPosition": "LATEST", "DestinationConfig": {"OnFailure": {"Destination": ARN}}},
                "is not an SQS queue, SNS topic or S3 bucket",
            ),
        ],
    )
    def test_what_a_stream_does_not_take_is_refused(self, connect, refusal, source, settings, text):
        """Each range and rule of §4.1, and a pattern that is none (§4.8), has its refusal."""
        assert text in refusal(connect, source, **settings)[1]

    @pytest.mark.rule("4.1/at-timestamp")
    def test_a_timestamp_is_kept(self, connect, service):
        """AT_TIMESTAMP starts a Kinesis mapping at an instant."""
        when = datetime(2026, 1, 1, 1, tzinfo=UTC)
        created = connect(STREAM, StartingPosition="AT_TIMESTAMP", StartingPositionTimestamp=when)

        assert created["StartingPositionTimestamp"] == when
        assert [mapping.starting_timestamp for mapping in service.mappings()] == [when.timestamp()]

    def test_a_second_mapping_is_a_conflict(self, connect, refusal):
        """Streams have their own text for it."""
        uuid = connect(STREAM, StartingPosition="LATEST")["UUID"]
        message = (
            f'The event source arn (" {STREAM} ") and function (" orders ") provided mapping already exists. '
            f"Please update or delete the existing mapping with UUID {uuid}"
        )

        assert refusal(connect, STREAM, StartingPosition="LATEST") == ("ResourceConflictException", message, 409)

    @pytest.mark.rule("3.5/last-result")
    def test_a_pollers_result_is_shown(self, connect, api, service):
        """What the poller did last is the mapping's LastProcessingResult, and restarts no poller."""
        uuid, changes = connect(STREAM, StartingPosition="LATEST")["UUID"], []
        service.on_mapping_changed.append(changes.append)
        service.note_result(uuid, "OK")

        assert api.get_event_source_mapping(UUID=uuid)["LastProcessingResult"] == "OK"
        assert changes == []


class TestLife:
    """What pollers are told."""

    def test_hooks_hear_of_each_change(self, connect, api, service):
        """Created, disabled, enabled and deleted mappings are told with their state."""
        heard = []
        service.on_mapping_changed.append(lambda mapping: heard.append(mapping.state))
        uuid = connect()["UUID"]
        api.update_event_source_mapping(UUID=uuid, Enabled=False)
        api.update_event_source_mapping(UUID=uuid, Enabled=True)
        api.delete_event_source_mapping(UUID=uuid)

        assert heard == ["Enabled", "Disabled", "Enabled", "Deleted"]
        assert list(service.mappings()) == []

    def test_a_mapping_may_begin_disabled(self, connect, service):
        """`Enabled: False` makes a mapping that no poller serves yet."""
        connect(Enabled=False)

        assert [mapping.is_enabled for mapping in service.mappings()] == [False]

    def test_a_mapping_of_an_alias_keeps_it(self, create, api):
        """The mapping's function ARN carries the alias, and lists find it by that name."""
        create(Publish=True)
        api.create_alias(FunctionName="orders", Name="live", FunctionVersion="1")
        created = api.create_event_source_mapping(EventSourceArn=QUEUE, FunctionName="orders:live")

        assert created["FunctionArn"] == f"{ARN}:live"
        assert len(api.list_event_source_mappings(FunctionName="orders:live")["EventSourceMappings"]) == 1
        assert api.list_event_source_mappings(FunctionName="orders")["EventSourceMappings"] == []

    def test_an_unknown_mapping_is_404(self, api, refusal):
        """Get, update and delete share one text."""
        expected = ("ResourceNotFoundException", "The resource you requested does not exist.", 404)

        assert refusal(api.get_event_source_mapping, UUID="none") == expected
        assert refusal(api.delete_event_source_mapping, UUID="none") == expected

    def test_a_deleted_function_leaves_its_mappings(self, connect, api):
        """As on AWS, DeleteFunction does not delete the mappings of the function."""
        connect()
        api.delete_function(FunctionName="orders")

        assert len(api.list_event_source_mappings(EventSourceArn=QUEUE)["EventSourceMappings"]) == 1
