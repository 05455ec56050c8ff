"""Tailing a function's log: late lines, shared groups, what names a line, and which invocations run."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from stagefright.targets.taps.log import LATE_MS, LogTap, Running, is_of_platform

STREAM = "2026/01/31/[$LATEST]3f"


class Logs:
    """CloudWatch Logs with one group."""

    def __init__(self):
        self.events = None
        self.asked = []

    def write(self, at_ms, message, *, stream=STREAM, event_id=None):
        named = {} if event_id is None else {"eventId": event_id}
        event = {"timestamp": at_ms, "message": message, "logStreamName": stream, **named}
        self.events = [*(self.events or []), event]

    def get_paginator(self, operation):
        assert operation == "filter_log_events"
        return SimpleNamespace(paginate=self.paginate)

    def paginate(self, **asked):
        self.asked.append(asked)
        if self.events is None:
            refused("ResourceNotFoundException")()
        found = [event for event in self.events if event["timestamp"] >= asked["startTime"]]
        found.sort(key=lambda event: event["timestamp"])
        yield from [{"events": found[n : n + 2]} for n in range(0, len(found), 2)] or [{"events": []}]


@pytest.fixture
def logs():
    return Logs()


@pytest.fixture
def tail(logs):
    def tail(*, since=1000.0, **settings):
        functions = SimpleNamespace(get_function_configuration=lambda FunctionName: {**settings})
        ground = SimpleNamespace(client=lambda service: logs if service == "logs" else functions)
        tap = LogTap(ground, "Worker", "shop-worker", since=since)
        tap.arm()
        return tap

    return tail


def refused(code):
    def refuse(**_):
        raise ClientError({"Error": {"Code": code, "Message": ""}}, "FilterLogEvents")

    return refuse


def lines(sightings):
    return [sighting.detail["line"] for sighting in sightings]


def test_a_group_that_does_not_exist_yet_is_empty(logs, tail):
    """Lambda makes it with the first line."""
    tap = tail()
    assert tap.poll() == []

    logs.write(1_000_500, "hello\n")

    (sighting,) = tap.poll()
    assert (sighting.at, sighting.kind, sighting.resource) == (1000.5, "log", "Worker")
    assert (sighting.detail, sighting.origin) == ({"line": "hello"}, STREAM)
    assert logs.asked[-1]["logGroupName"] == "/aws/lambda/shop-worker"


def test_other_refusals_are_the_callers(logs, tail):
    """No permission, for one."""
    tap = tail()

    logs.paginate = refused("AccessDeniedException")
    with pytest.raises(ClientError):
        tap.poll()


def test_throttled_is_not_lost(logs, tail):
    """An account with many functions asks often; the lines come with a later poll, and until then the tap is known to be behind."""
    tap = tail()
    logs.write(1_000_500, "hello")
    answer, logs.paginate = logs.paginate, refused("ThrottlingException")
    assert tap.poll() == []
    assert tap.is_behind

    logs.paginate = answer

    assert lines(tap.poll()) == ["hello"]
    assert not tap.is_behind


def test_each_line_once_and_late_ones_too(logs, tail):
    """Lines come in out of order; one that is older than others is seen, and none twice."""
    tap = tail()
    logs.write(1_000_900, "late stream, first", event_id="2")
    assert lines(tap.poll()) == ["late stream, first"]

    logs.write(1_000_100, "earlier, came later", event_id="1")
    logs.write(1_001_000, "next", event_id="3")

    assert lines(tap.poll()) == ["earlier, came later", "next"]
    assert lines(tap.poll()) == []


def test_nothing_before_the_beginning(logs, tail):
    """The test before this one logged as well."""
    logs.write(999_999, "of the test before")

    assert tail().poll() == []


def test_asks_for_the_newest_part_only(logs, tail):
    """A long test does not read its whole log again and again."""
    tap = tail()
    logs.write(1_000_000 + 10 * LATE_MS, "long after")
    tap.poll()

    tap.poll()

    assert logs.asked[-1]["startTime"] == 1_000_000 + 9 * LATE_MS


def test_equal_lines_are_two_where_no_id_tells_them_apart(logs, tail):
    """Some emulators give no event ids."""
    tap = tail()
    logs.write(1_000_500, "again")
    logs.write(1_000_500, "again")

    assert lines(tap.poll()) == ["again", "again"]
    logs.write(1_000_500, "again")
    assert lines(tap.poll()) == ["again"]


def test_in_a_shared_group_the_stream_names_the_function(logs, tail):
    """Other functions' lines are theirs; a stream that names none may be this one's."""
    tap = tail(LoggingConfig={"LogGroup": "/shop/all"})

    logs.write(1_000_500, "mine", stream="2026/01/31/shop-worker[$LATEST]3f")
    logs.write(1_000_501, "other", stream="2026/01/31/shop-writer[$LATEST]3f")
    logs.write(1_000_502, "unnamed", stream=STREAM)

    assert lines(tap.poll()) == ["mine", "unnamed"]
    assert logs.asked[-1]["logGroupName"] == "/shop/all"


@pytest.mark.parametrize(
    "line",
    [
        "START RequestId: 1-2 Version: $LATEST",
        "END RequestId: 1-2",
        "REPORT RequestId: 1-2\tDuration: 1 ms",
        "INIT_START Runtime Version: python:3.13.v1",
        "EXTENSION\tName: lumigo\tState: Ready",
        '{"time":"2026-01-31T00:00:00.000Z","type":"platform.start","record":{"requestId":"1-2"}}',
    ],
)
def test_lines_of_the_platform(line):
    """They are evidence, and no output of the code."""
    assert is_of_platform(line)


@pytest.mark.parametrize("line", ["STARTED", "END of story", '{"level": "INFO", "type": "platform.start"}', ""])
def test_lines_of_the_code(line):
    """Whatever they look like."""
    assert not is_of_platform(line)


class TestRunning:
    def test_in_the_json_format(self):
        """The platform's own records say it."""
        running = Running()
        head = '{"time":"2026-01-31T00:00:00.000Z","type":"platform.'
        running.note("Worker", head + 'start","record":{"requestId":"1-2","version":"$LATEST"}}')
        assert running.names == ["Worker"]

        running.note("Worker", head + 'report","record":{"requestId":"1-2","status":"success"}}')

        assert running.names == []

    def test_lines_may_come_in_any_order(self):
        """An end that came in before its beginning ends it."""
        running = Running()
        running.note("Worker", "REPORT RequestId: 1-2\tDuration: 1 ms")
        running.note("Worker", "START RequestId: 1-2 Version: $LATEST")

        assert running.names == []

    def test_several_at_once(self):
        """A function runs until its last invocation ended."""
        running = Running()
        for request in ("1", "2"):
            running.note("Worker", f"START RequestId: {request} Version: $LATEST")
        running.note("Worker", "END RequestId: 1")

        assert running.names == ["Worker"]
