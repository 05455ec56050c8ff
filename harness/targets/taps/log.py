"""The log of a function, read from CloudWatch Logs as `aws logs tail` does."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from stagefright.targets.taps.ground import Ground
from stagefright.targets.taps.tap import Sighting

LATE_MS = 120_000
"""How much later than others of their time lines may come in, and are still seen: environments write their logs independently."""

THROTTLED = ("ThrottlingException", "Throttling", "LimitExceededException")
"""An account may ask for few pages of logs a second, and botocore has tried again a few times by then."""

DEFAULT_GROUP = "/aws/lambda/"


class LogTap:
    """
    The lines that a function logged from `since` on, in epoch seconds; a look at the past, which nothing has to be made for.

    Each line is a sighting of the kind `log`, those of the platform (START, END, REPORT) too; `origin` is its log stream, so the
    execution environment.
    """

    def __init__(self, ground: Ground, function: str, physical_name: str, *, since: float) -> None:
        self._ground = ground
        self._function = function
        self._physical_name = physical_name
        self._since_ms = int(since * 1000)
        self._newest_ms = self._since_ms
        self._group = DEFAULT_GROUP + physical_name
        self._seen: set[str] = set()
        self.is_behind = False
        """Whether CloudWatch Logs would not answer, because it was asked too often."""

    def arm(self) -> None:
        """Find out where the function logs to."""
        settings = self._ground.client("lambda").get_function_configuration(FunctionName=self._physical_name)
        self._group = settings.get("LoggingConfig", {}).get("LogGroup") or self._group
        self._ground.client("logs")

    def poll(self) -> list[Sighting]:
        """The lines that came in since the last poll."""
        ids, events = _Ids(), self._events()
        found = [(ids.of(event), event) for event in events if self._is_own(event)]
        fresh = [self._sighting(name, event) for name, event in found if name not in self._seen]
        self._newest_ms = max([self._newest_ms, *(event["timestamp"] for _, event in found)])
        # Only what the next poll can meet again is remembered.
        self._seen = {name for name, event in found if event["timestamp"] >= self._from_ms}
        return fresh

    def close(self) -> None:
        """Nothing was made."""

    @property
    def _from_ms(self) -> int:
        return max(self._since_ms, self._newest_ms - LATE_MS)

    def _events(self) -> list[Mapping[str, Any]]:
        """What the group holds of the time that is looked at; nothing if CloudWatch Logs is asked too often, so that it is the next poll's."""
        from botocore.exceptions import ClientError

        self.is_behind = False
        try:
            return list(self._read())
        except ClientError as error:
            code = error.response["Error"]["Code"]
            # Lambda makes the group when the function logs for the first time.
            if code != "ResourceNotFoundException" and code not in THROTTLED:
                raise
            self.is_behind = code in THROTTLED
            return []

    def _read(self) -> Iterator[Mapping[str, Any]]:
        pages = self._ground.client("logs").get_paginator("filter_log_events").paginate(
            logGroupName=self._group, startTime=self._from_ms
        )  # fmt: skip
        for page in pages:
            yield from page["events"]

    def _is_own(self, event: Mapping[str, Any]) -> bool:
        """
        In a group that functions share, a stream's name has the function's: `2026/01/31/worker[$LATEST]3f...`.

        One without any (`2026/01/31/[$LATEST]3f...`, as in a group of its own) cannot be told from others.
        """
        is_shared = self._group != DEFAULT_GROUP + self._physical_name
        owner = event.get("logStreamName", "").rpartition("/")[2].partition("[")[0]
        return not is_shared or owner in ("", self._physical_name)

    def _sighting(self, name: str, event: Mapping[str, Any]) -> Sighting:
        line = event["message"].rstrip("\n")
        stream = event.get("logStreamName", "")
        return Sighting(event["timestamp"] / 1000, "log", self._function, {"line": line}, name, stream)


PLATFORM_LINES = re.compile(
    r"(START|END|REPORT) RequestId: |INIT_START |INIT_REPORT |EXTENSION\t|TELEMETRY\t|XRAY TraceId: "
    r'|\{"time":"[^"]+","type":"platform\.'
)


def is_of_platform(line: str) -> bool:
    """
    Whether Lambda wrote a line, and not the function's code; in either log format.

    >>> is_of_platform("START RequestId: 6f1b Version: $LATEST"), is_of_platform("STARTED")
    (True, False)
    """
    return PLATFORM_LINES.match(line) is not None


BEGUN = re.compile(
    r'START RequestId: ([\w-]+)|\{"time":"[^"]+","type":"platform\.start","record":\{"requestId":"([\w-]+)"'
)
ENDED = re.compile(
    r'(?:END|REPORT) RequestId: ([\w-]+)|\{"time":"[^"]+","type":"platform\.report","record":\{"requestId":"([\w-]+)"'
)


class Running:
    """
    Which invocations have begun and not ended, as far as the platform's lines tell.

    >>> running = Running()
    >>> running.note("Worker", "START RequestId: 6f1b Version: $LATEST")
    >>> running.names
    ['Worker']
    >>> running.note("Worker", "END RequestId: 6f1b")
    >>> running.names
    []
    """

    def __init__(self) -> None:
        self._begun: dict[str, str] = {}
        self._ended: set[str] = set()

    def note(self, function: str, line: str) -> None:
        """Take in a line of a function's log; those of one invocation may come in any order."""
        begun, ended = BEGUN.match(line), ENDED.match(line)
        if ended is not None:
            request = ended[1] or ended[2]
            self._ended.add(request)
            self._begun.pop(request, None)
        elif begun is not None and (begun[1] or begun[2]) not in self._ended:
            self._begun[begun[1] or begun[2]] = function

    @property
    def names(self) -> list[str]:
        """The functions that run."""
        return sorted(set(self._begun.values()))


class _Ids:
    """What lines are known by: AWS's event id, else (some emulators give none) what is the same in each answer."""

    def __init__(self) -> None:
        self._alike: Counter[tuple[str, int, str]] = Counter()

    def of(self, event: Mapping[str, Any]) -> str:
        """The id of the next line of an answer."""
        if "eventId" in event:
            return str(event["eventId"])
        line = (event.get("logStreamName", ""), event["timestamp"], event["message"])
        self._alike[line] += 1
        return f"{line[0]}:{line[1]}:{self._alike[line]}:{line[2]}"
