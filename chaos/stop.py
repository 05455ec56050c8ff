"""
Stop conditions: what ends the chaos at once when it comes true.

    with chaos(Worker=Failure("down"), stop_when=["HighErrors", retried("Worker", times=2)]):
        ...

A condition is a CloudWatch alarm (logical id, name or ARN), which trips when it is in ALARM; a check, which trips when it is broken; or a callable,
which trips when it returns anything true, or a verdict that is broken. An alarm is watched by a thread of its own while faults hold on a deployed
stage, so that what the test is doing just then does not delay the healing. The journal belongs to the test's thread, so checks and
callables are asked whenever the stage is looked at, and between the steps of an experiment. On a local stage, where nothing can come to harm, there
are no alarms to watch; checks and callables are asked all the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from stagefright.chaos.checks.verdict import Check, Verdict
from stagefright.errors import ChaosRefused, UnknownResource, UsageError
from stagefright.stage import Stage
from stagefright.wording import name_of_condition

Condition = str | Check | Callable[[], object]
"""An alarm's logical id, name or ARN; a check; or a callable."""

ALARM_PAUSE_S = 5.0
"""How long the thread waits between two looks at the alarms; CloudWatch itself evaluates an alarm every 10 s at most."""

ALARM = "ALARM"
"""The state of an alarm that has gone off."""


def read_conditions(given: Condition | Iterable[Condition] | None) -> tuple[Condition, ...]:
    """The conditions that `stop_when` was given, one or several; anything else is refused."""
    if given is None:
        return ()
    is_one = isinstance(given, str | Check) or callable(given) or not isinstance(given, Iterable)
    several: tuple[Any, ...] = (given,) if is_one else tuple(given)  # type: ignore[arg-type]
    wrong = [one for one in several if not one or not (isinstance(one, str | Check) or callable(one))]
    if wrong:
        raise UsageError(
            f"stop_when takes CloudWatch alarms (logical id, name or ARN), checks and callables; received {wrong[0]!r}."
        )
    return several


class Watch:
    """Looks out for conditions while faults hold. `heal` is called, at once, by whoever sees that one has come true."""

    def __init__(self, conditions: Sequence[Condition], stage: Stage, heal: Callable[[], None]) -> None:
        self._stage = stage
        self._heal = heal
        self._judged = [one for one in conditions if not isinstance(one, str)]
        self._alarms = Alarms([one for one in conditions if isinstance(one, str)], stage) if stage.is_deployed else None
        self._begin = len(stage.journal)
        self._reason: str | None = None
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Refuse to begin if an alarm is off already, as AWS FIS does; else watch."""
        if self._alarms is None or not self._alarms.names:
            return
        reason = self._alarms.reason()
        if reason is not None:
            raise ChaosRefused(f"Nothing was hurt, for a stop condition is true already: {reason}.")
        self._thread = threading.Thread(target=self._keep_watching, name="stagefright-stop-condition", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stop watching."""
        self._end.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    @property
    def tripped(self) -> str | None:
        """Why the chaos was ended, if it was."""
        return self._reason

    def reason(self) -> str | None:
        """Why the chaos must end, or None; heals before it says so."""
        if self._reason is None:
            found = next(filter(None, map(self._judgement, self._judged)), None)
            if found is not None:
                self._trip(found)
        return self._reason

    def _judgement(self, condition: Any) -> str | None:
        answer = condition(self._stage.journal.arranged(self._begin)) if isinstance(condition, Check) else condition()
        if isinstance(answer, Verdict):
            return str(answer) if answer.broken else None
        if not answer:
            return None
        return answer if isinstance(answer, str) else f"{name_of_condition(condition)} returned {answer!r}"

    def _keep_watching(self) -> None:
        assert self._alarms is not None
        while not self._end.wait(ALARM_PAUSE_S):
            try:
                reason = self._alarms.reason()
            except Exception as trouble:  # noqa: BLE001 (an alarm that cannot be read may be off: the safe side is to stop)
                reason = f"the alarms could not be read: {type(trouble).__name__}: {trouble}"
            if reason is not None:
                self._trip(reason)
                return

    def _trip(self, reason: str) -> None:
        with self._lock:
            if self._reason is None:
                self._reason = reason
                self._heal()


class Alarms:
    """CloudWatch alarms of a stage, or of its account."""

    def __init__(self, given: Sequence[str], stage: Stage) -> None:
        self._stage = stage
        self.names = [_alarm_name(one, stage) for one in given]

    def reason(self) -> str | None:
        """Which of them is off, and since when; None if none is. An alarm that is not there is an error."""
        if not self.names:
            return None
        found = self._described()
        missing = [name for name in self.names if name not in found]
        if missing:
            raise UnknownResource(
                f"stop_when names the alarm {missing[0]!r}, which is neither a logical id of stage {self._stage.name} nor an alarm of its account."
            )
        off = [alarm for name in self.names if (alarm := found[name])["StateValue"] == ALARM]
        return None if not off else _told(off[0])

    def _described(self) -> dict[str, Any]:
        answer = self._stage.client("cloudwatch").describe_alarms(
            AlarmNames=self.names, AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        alarms = [*answer.get("MetricAlarms", ()), *answer.get("CompositeAlarms", ())]
        return {alarm["AlarmName"]: alarm for alarm in alarms}


def _alarm_name(given: str, stage: Stage) -> str:
    """
    An alarm's name; a logical id comes first, then an ARN, then the name itself.

    The name in an ARN comes after its sixth colon, and may hold colons of its own.
    """
    if given in stage.resources:
        resource = stage.resources[given]
        if resource.type not in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"):
            raise UsageError(f"stop_when names {given}, which is an {resource.type} and no alarm.")
        return resource.physical_id
    return given.split(":", 6)[6] if given.startswith("arn:") and given.count(":") >= 6 else given


def _told(alarm: Any) -> str:
    since = alarm.get("StateUpdatedTimestamp")
    when = "" if since is None else f" since {since:%Y-%m-%dT%H:%M:%SZ}"
    why = f": {alarm['StateReason']}" if alarm.get("StateReason") else ""
    return f"the alarm {alarm['AlarmName']} is in ALARM{when}{why}"
