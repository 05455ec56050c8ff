"""
Whatever a loop is made of, what is refused is kept, and each source does what its guard counts on.

The failure feared: a guard that refuses, and a source that throws the refused event away, or hands it over again for a day. The fault
used: none. The verdict expected: rules, mappings and queues say what the README says.
"""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.wiring

MAPPED = ("Queue", "Stream", "Table")


@pytest.mark.needs("DocumentBus", "UnguardedDocumentBus")
class TestBuses:
    """A document comes back to the function by way of a rule."""

    @pytest.fixture
    def rule(self, stage):
        """The one rule of the stack on a bus."""

        def rule(bus):
            [only] = stage.client("events").list_rules(EventBusName=stage.ref(bus))["Rules"]
            return only

        return rule

    @pytest.mark.parametrize("bus", ["DocumentBus", "UnguardedDocumentBus"])
    def test_the_rule_takes_revised_documents_to_the_function(self, stage, rule, bus):
        """One rule on each bus, that is on, with one target."""
        found = rule(bus)
        [target] = stage.client("events").list_targets_by_rule(Rule=found["Name"], EventBusName=stage.ref(bus))[
            "Targets"
        ]

        assert found["State"] == "ENABLED"
        assert target["Arn"] == stage.arn("BusFunction" if bus == "DocumentBus" else "UnguardedBusFunction")

    @pytest.mark.parametrize(("detail_type", "is_taken"), [("DocumentRevised", True), ("DocumentRead", False)])
    def test_the_rule_takes_nothing_else(self, stage, rule, detail_type, is_taken):
        """As EventBridge itself judges."""
        event = {
            "id": "1",
            "detail-type": detail_type,
            "source": "com.example.test",
            "account": "123456789012",
            "time": "2026-01-01T00:00:00Z",
            "region": "eu-central-1",
            "resources": [],
            "detail": {"text": "hello"},
        }
        answer = stage.client("events").test_event_pattern(
            EventPattern=rule("DocumentBus")["EventPattern"], Event=json.dumps(event)
        )

        assert answer["Result"] is is_taken

    def test_an_event_that_no_rule_takes_is_seen(self, stage, listen):
        """It starts no loop; a listener sees it all the same."""
        events = listen.eventbridge("DocumentBus")
        entry = {"Source": "com.example.test", "DetailType": "DocumentRead", "EventBusName": stage.ref("DocumentBus")}

        stage.client("events").put_events(Entries=[{**entry, "Detail": '{"text": "hello"}'}])

        events.expect(detail_type="DocumentRead", detail={"text": "hello"})


class TestMappings:
    """Batches: a guard that counts by record must be heard when it refuses one."""

    @pytest.mark.parametrize("kind", MAPPED)
    def test_only_who_counts_by_record_reports_by_record(self, mapping, kind):
        """The function that counts by event has nothing to report."""
        assert mapping(f"{kind}ByRecordFunction")["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert not mapping(f"{kind}ByEventFunction").get("FunctionResponseTypes")

    @pytest.mark.parametrize("kind", ["StreamByEvent", "StreamByRecord", "TableByEvent", "TableByRecord"])
    def test_a_refused_record_is_tried_once_more_and_kept(self, stage, mapping, kind):
        """A stream would otherwise hand it over until it expires, and everything behind it would wait."""
        found = mapping(f"{kind}Function")

        assert found["MaximumRetryAttempts"] == 1
        assert found["BisectBatchOnFunctionError"] is True
        assert found["DestinationConfig"]["OnFailure"]["Destination"] == stage.arn("Refused")

    @pytest.mark.parametrize("name", ["QueueByEvent", "QueueByRecord"])
    def test_a_refused_message_is_kept(self, stage, queue, configuration, name):
        """After three receives, each long enough for the function."""
        found = queue(name)

        assert found["RedrivePolicy"]["deadLetterTargetArn"] == stage.arn("Refused")
        assert int(found["RedrivePolicy"]["maxReceiveCount"]) == 3
        assert found["VisibilityTimeout"] >= 6 * configuration(f"{name}Function")["Timeout"]

    def test_what_was_refused_is_kept_for_two_weeks(self, stage, queue):
        """And the stack says where."""
        assert stage.outputs["Refused"] == stage.ref("Refused")
        assert queue("Refused")["MessageRetentionPeriod"] == 14 * 24 * 3600


class TestGuard:
    """What the guard is told."""

    def test_the_guard_stops_before_lambda_does(self, stage, configuration):
        """Ten calls; Lambda's own stop comes after sixteen."""
        functions = [name for name, one in stage.resources.items() if one.type == "AWS::Lambda::Function"]
        told = {int(configuration(name)["Environment"]["Variables"]["CALL_CHAIN_LENGTH_MAX"]) for name in functions}

        assert told == {10}

    def test_each_sends_the_document_to_where_it_came_from(self, stage, configuration, mapping):
        """That is the mistake that all of them make."""
        for kind in ("QueueByEvent", "QueueByRecord"):
            assert configuration(f"{kind}Function")["Environment"]["Variables"]["TARGET"] == stage.ref(kind)
            assert mapping(f"{kind}Function")["EventSourceArn"] == stage.arn(kind)

    def test_a_document_in_a_table_can_be_seen_in_its_stream(self, stage):
        """Both images are in it, so a guard sees what the document was."""
        for kind in ("TableByEvent", "TableByRecord"):
            described = stage.client("dynamodb").describe_table(TableName=stage.ref(kind))["Table"]
            assert described["StreamSpecification"] == {
                "StreamEnabled": True,
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            }
