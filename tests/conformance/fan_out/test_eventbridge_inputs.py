"""What a target receives instead of the event (§6.3, recorded from AWS)."""

from __future__ import annotations

import json

import pytest

from stagefright.services.input_transform import MISSING, RuleContext, read_path, target_input

CONTEXT = RuleContext("arn:aws:events:eu-west-1:123456789012:rule/bus/r", "r", "2026-01-01T00:00:00Z")
EVENT = {
    "version": "0",
    "id": "1",
    "detail-type": "core.update-account-command",
    "source": "core",
    "account": "123456789012",
    "time": "2026-01-01T00:00:00Z",
    "region": "eu-west-1",
    "resources": [],
    "detail": {
        "command": "update-account",
        "payload": {"acc_id": "0a787ecb-4015", "sf_id": "baz"},
        "states": ["ACTIVE", "INACTIVE"],
        "listed": True,
        "count": 2.5,
        "said": 'he said "hi"',
    },
}


def fill(template, **paths):
    """The input that a transformer makes of the event."""
    transformer = {"InputPathsMap": paths, "InputTemplate": template}
    return target_input({"InputTransformer": transformer}, EVENT, CONTEXT)


class TestParts:
    """§6.3, `Input` and `InputPath`"""

    def test_without_settings_it_is_the_event(self):
        """§6.3: the whole event as compact JSON."""
        assert target_input({}, EVENT, CONTEXT) == json.dumps(EVENT, separators=(",", ":"))

    @pytest.mark.rule("6.3/input-constant")
    def test_a_constant_is_delivered_as_it_is(self):
        """§6.3: `Input` is not touched."""
        assert target_input({"Input": '{"a":  1}'}, EVENT, CONTEXT) == '{"a":  1}'

    @pytest.mark.rule("6.3/input-path-scalar")
    @pytest.mark.rule("6.3/missing-path")
    @pytest.mark.parametrize(
        ("path", "text"),
        [
            ("$.detail.payload", '{"acc_id":"0a787ecb-4015","sf_id":"baz"}'),
            ("$.detail.payload.sf_id", '"baz"'),
            ("$.detail-type", '"core.update-account-command"'),
            ("$.detail.states[1]", '"INACTIVE"'),
            ("$.detail.listed", "true"),
            ("$.detail.none", '""'),
        ],
    )
    def test_a_path_delivers_the_json_of_its_value(self, path, text):
        """§6.3: a scalar keeps its quotes; a path that leads nowhere gives the empty string."""
        assert target_input({"InputPath": path}, EVENT, CONTEXT) == text

    @pytest.mark.parametrize(
        ("path", "found"),
        [
            ("$", EVENT),
            ("$['detail']['command']", "update-account"),
            ('$.detail["command"]', "update-account"),
            ("$.detail.payload.*", ["0a787ecb-4015", "baz"]),
            ("$.detail.states[*]", ["ACTIVE", "INACTIVE"]),
            ("$.detail.states[9]", MISSING),
            ("$.detail.states.x", MISSING),
            ("$.detail.command[0]", MISSING),
            ("detail", MISSING),
            ("$..", MISSING),
            ("$.detail[", MISSING),
        ],
    )
    def test_the_subset_of_jsonpath(self, path, found):
        """§6.3: names, quoted names, indexes and `*`; what is not a path leads nowhere."""
        assert read_path(path, EVENT) == found


class TestTemplates:
    """§6.3, `InputTransformer`"""

    @pytest.mark.rule("6.3/quoted")
    @pytest.mark.rule("6.3/missing-path")
    def test_a_text_template_keeps_its_quotes(self):
        """§6.3: recorded with all values found, and with one missing."""
        template = '"Event of <type> type, at time <time>, info extracted from detail <command>"'
        paths = {"type": "$.detail-type", "time": "$.time"}

        found = fill(template, **paths, command="$.detail.command")
        missing = fill(template, **paths, command="$.detail.notinmessage")

        start = '"Event of core.update-account-command type, at time 2026-01-01T00:00:00Z, info extracted from detail '
        assert found == start + 'update-account"'
        assert missing == start + '"'

    @pytest.mark.rule("6.3/template-json-or-text")
    def test_a_text_may_start_like_json(self):
        """§6.3: recorded: brackets inside of a text mean nothing."""
        assert fill('"{[/Check for event of <t> type"', t="$.source") == '"{[/Check for event of core type"'

    @pytest.mark.rule("6.3/template-json-or-text")
    @pytest.mark.rule("6.3/unquoted")
    @pytest.mark.rule("6.3/quoted")
    @pytest.mark.rule("6.3/object-in-text")
    @pytest.mark.rule("6.3/missing-path")
    @pytest.mark.parametrize(
        ("path", "unquoted", "quoted"),
        [
            ("$.detail.command", '"update-account"', "update-account"),
            ("$.detail.payload", '{"acc_id":"0a787ecb-4015","sf_id":"baz"}', "{acc_id:0a787ecb-4015,sf_id:baz}"),
            ("$.detail.states", '["ACTIVE","INACTIVE"]', "[ACTIVE,INACTIVE]"),
            ("$.detail.listed", "true", "true"),
            ("$.detail.count", "2.5", "2.5"),
            ("$.detail.none", '""', ""),
            ("$.detail.said", '"he said \\"hi\\""', 'he said \\"hi\\"'),
        ],
    )
    def test_a_value_is_json_or_text(self, path, unquoted, quoted):
        """§6.3: JSON outside of quotes; inside of them text, without quotes of its own."""
        assert fill('{"a": <v>, "b": "is <v>!"}', v=path) == f'{{"a": {unquoted}, "b": "is {quoted}!"}}'

    @pytest.mark.rule("6.3/quoted")
    def test_escaped_quotes_do_not_end_a_text(self):
        """§6.3: a placeholder behind an escaped quote is still inside of the text."""
        assert fill(r'{"a": "say \"<v>\"", "b": <v>}', v="$.source") == r'{"a": "say \"core\"", "b": "core"}'

    @pytest.mark.rule("6.3/predefined-rule")
    def test_the_rule_is_predefined(self):
        """§6.3: ARN, name and ingestion time."""
        template = '"<aws.events.rule-arn> <aws.events.rule-name> <aws.events.event.ingestion-time>"'

        assert fill(template) == f'"{CONTEXT.rule_arn} r 2026-01-01T00:00:00Z"'
        assert fill('{"name": <aws.events.rule-name>}') == '{"name": "r"}'

    @pytest.mark.rule("6.3/predefined-event")
    @pytest.mark.rule("6.3/predefined-whole-event")
    def test_the_event_is_predefined(self):
        """§6.3: without its detail and with `detailType`, or whole."""
        filled = json.loads(fill('{"envelope": <aws.events.event>, "whole": <aws.events.event.json>}'))

        assert filled["whole"] == EVENT
        assert filled["envelope"]["detailType"] == EVENT["detail-type"]
        assert set(filled["envelope"]) == {*EVENT, "detailType"} - {"detail", "detail-type"}


class TestRefusals:
    """§6.3, `PutTargets`"""

    @pytest.mark.rule("6.3/one-input")
    def test_one_kind_of_input_only(self, world, refusal):
        """§6.3: the recorded refusal of two."""
        targets = [{"Id": "t", "Arn": "a", "InputPath": "$.a", "Input": "{}"}]

        assert refusal(world.buses.validate_targets, {"Rule": "r", "Targets": targets}) == (
            "ValidationException",
            "Only one of Input, InputPath, or InputTransformer must be provided for target t.",
        )

    @pytest.mark.rule("6.3/undefined-placeholder")
    def test_placeholders_are_defined(self, world, refusal):
        """§6.3: the recorded refusal of one that is not."""
        transformer = {"InputPathsMap": {"a": "$.a"}, "InputTemplate": '{"x": <a>, "y": <notdefinedkey>}'}
        targets = [{"Id": "t", "Arn": "a", "InputTransformer": transformer}]

        assert refusal(world.buses.validate_targets, {"Rule": "r", "Targets": targets}) == (
            "ValidationException",
            "InputTemplate for target t contains invalid placeholder notdefinedkey.",
        )

    @pytest.mark.rule("6.3/paths-max")
    @pytest.mark.rule("6.3/template-max")
    @pytest.mark.parametrize(
        "transformer",
        [
            {"InputPathsMap": {f"k{n}": "$.a" for n in range(101)}, "InputTemplate": '"x"'},
            {"InputPathsMap": {}, "InputTemplate": "x" * 8_193},
        ],
    )
    def test_there_are_limits(self, world, refusal, transformer):
        """§6.3: 100 paths, 8,192 characters."""
        targets = [{"Id": "t", "Arn": "a", "InputTransformer": transformer}]

        assert refusal(world.buses.validate_targets, {"Rule": "r", "Targets": targets})[0] == "ValidationException"
