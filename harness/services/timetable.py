"""
Alarms that recur: when each schedule fires next, and the kernel's timers for it.

There is one timer per schedule, for its next occurrence, so a schedule that fires every minute of a year costs no more than one that fires
once. Alarms wait in the background: they ring when time passes, but do not make it pass. An alarm that is `awaited` does: it is a delayed
event that somebody made, such as a reminder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from stagefright.errors import EndlessLoop
from stagefright.schedules import Recurrence

if TYPE_CHECKING:
    from stagefright.tasks.timers import Timer
    from stagefright.world import World

FIRINGS_MAX = 3_000
"""How often a schedule may recur while one `settle` waits for other things: every minute of the 24 hours of EventBridge's retries, twice."""

ONE_TIME_FIRINGS_MAX = 10_000
"""How many awaited alarms may ring within one `settle`: a function that makes its own next reminder never ends."""

Terms = tuple[object, ...]
"""What a schedule's times depend on; as long as it stays the same, a change of the schedule leaves its alarm alone."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """The next occurrence of a schedule; None as `due` if there is none any more."""

    terms: Terms
    recurrence: Recurrence
    due: float | None
    awaited: bool
    cause: int | None
    """The record of the call that made the schedule, unless the template did."""


Ring = Callable[[str, float, int | None], None]
"""Called with the ARN, the instant that was due, and the record that made the schedule."""


class Timetable:
    """The alarms of one service, by the ARN of what they ring for."""

    def __init__(self, world: World, ring: Ring) -> None:
        self._world = world
        self._ring = ring
        self._alarms: dict[str, Alarm] = {}
        self._timers: dict[str, Timer] = {}
        self._firings: dict[str, int] = {}
        self._settling: int | None = None

    def set(self, arn: str, terms: Terms, recurrence: Recurrence, due: float | None, *, awaited: bool) -> None:
        """Ring from `due` on, unless that was so before: an alarm of the same terms goes on as it is."""
        known = self._alarms.get(arn)
        if known is None or known.terms != terms:
            self.remove(arn)
            cause = self._world.kernel.cause() if self._world.is_deployed else None
            self._alarms[arn] = Alarm(terms, recurrence, due, awaited, cause)
            self._arm(arn)

    def knows(self, arn: str, terms: Terms) -> bool:
        """Whether there is an alarm of these terms, though it may have rung for the last time."""
        known = self._alarms.get(arn)
        return known is not None and known.terms == terms

    def remove(self, arn: str) -> None:
        """Ring no more."""
        self._alarms.pop(arn, None)
        timer = self._timers.pop(arn, None)
        if timer is not None:
            self._world.kernel.cancel(timer)

    def is_over(self, arn: str) -> bool:
        """Whether a schedule has fired for the last time, or there is no such schedule."""
        alarm = self._alarms.get(arn)
        return alarm is None or alarm.due is None

    def snapshot(self) -> Mapping[str, Alarm]:
        """The alarms as they are."""
        return dict(self._alarms)

    def restore(self, state: Mapping[str, Alarm]) -> None:
        """Go back to a snapshot; the kernel has dropped its timers, which are set anew in the same order."""
        self._alarms = dict(state)
        self._timers.clear()
        self._firings.clear()
        self._settling = None
        for arn in self._alarms:
            self._arm(arn)

    def _arm(self, arn: str) -> None:
        alarm = self._alarms[arn]
        if alarm.due is not None:
            self._timers[arn] = self._world.kernel.at(alarm.due, partial(self._fire, arn), background=not alarm.awaited)

    def _fire(self, arn: str) -> None:
        alarm = self._alarms[arn]
        assert alarm.due is not None
        del self._timers[arn]
        self._limit(arn, alarm)
        following = alarm.recurrence.next_after(alarm.due)
        self._alarms[arn] = Alarm(alarm.terms, alarm.recurrence, following, awaited=False, cause=alarm.cause)
        self._arm(arn)
        self._ring(arn, alarm.due, alarm.cause)

    def _limit(self, arn: str, alarm: Alarm) -> None:
        """Stop a `settle` that never ends: each schedule has a budget, and those that somebody waits for share one."""
        settling = self._world.kernel.settling
        if settling != self._settling:
            self._settling = settling
            self._firings.clear()
        if settling is None or (not alarm.awaited and any(other.awaited for other in self._alarms.values())):
            return
        budget, firings_max, problem = (
            ("", ONE_TIME_FIRINGS_MAX, _begets) if alarm.awaited else (arn, FIRINGS_MAX, _overlaps)
        )
        self._firings[budget] = self._firings.get(budget, 0) + 1
        if self._firings[budget] > firings_max:
            self._world.kernel.fail(EndlessLoop(problem(self._world.name_of(arn))))


def _overlaps(name: str) -> str:
    return (
        f"{name} fired {FIRINGS_MAX} times while the stage was to settle, and it still does not: what the schedule starts goes on until it "
        'fires again. Let time pass by a span instead (clock.advance("1h")), or disable the schedule in this test.'
    )


def _begets(name: str) -> str:
    return (
        f"{ONE_TIME_FIRINGS_MAX} schedules fired while the stage was to settle, the last of them {name}, and there is always another: what they "
        'invoke makes the next one. Let time pass by a span instead (clock.advance("1h")).'
    )
