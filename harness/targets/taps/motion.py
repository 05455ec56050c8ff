"""
What moves in a deployed stage, as far as that can be seen.

New sightings, invocations that have begun and not ended, and messages in queues that somebody works off. It is less than a local stage
knows: a retry that waits for its minute, a record that a mapping has not read yet, an event between two services show nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stagefright.spans import Span, parse_span
from stagefright.targets.stack import StackResource
from stagefright.targets.taps.consumers import QUEUE_TYPE, Consumers, depth
from stagefright.targets.taps.ground import Ground
from stagefright.wording import plural

QUIET_ON_EMULATOR_S = 5.0
QUIET_ON_AWS_S = 30.0
"""How long nothing may move unless the settings say otherwise: AWS's logs take seconds to come in, and its queues' counts are approximate."""

UNSEEN_RUN_MAX_S = 10.0
"""The longest run of a function that is allowed for where runs are seen when they are over."""

CAVEAT = (
    "This is weaker than what settle() says of a local stage: nothing was seen to move for {quiet}. What shows nowhere, such as a retry "
    "that waits for its turn, may still come."
)
"""What is told with everything that was seen until a deployed stage was quiet."""


class Queues:
    """The queues of a stack; what is in them, and whether somebody works it off."""

    def __init__(self, ground: Ground, resources: Mapping[str, StackResource]) -> None:
        self._consumers = Consumers(ground, resources)
        self._urls = {name: found.physical_id for name, found in resources.items() if found.type == QUEUE_TYPE}
        self._takers: dict[str, list[str]] = {}
        self._counts: dict[str, int] = {}

    def moving(self) -> Iterator[str]:
        """What moves in them, in words."""
        for name, url in self._urls.items():
            attributes = self._consumers.attributes(url)
            if name not in self._takers:
                self._takers[name] = self._consumers.of(attributes["QueueArn"])
            yield from self._moves(name, attributes)

    def _moves(self, name: str, attributes: Mapping[str, str]) -> Iterator[str]:
        visible, in_flight, delayed = depth(attributes)
        count = visible + in_flight + delayed
        before = self._counts.get(name, count)
        self._counts[name] = count
        if self._takers[name] and count:
            takers = ", ".join(self._takers[name])
            yield f"{name} holds {plural(count, 'message')} for {takers} ({in_flight} in flight, {delayed} delayed)"
        elif delayed:
            yield f"{name} holds {plural(delayed, 'delayed message')}"
        elif count != before:
            yield f"{name} went from {before} to {plural(count, 'message')}"


def quiet_s(setting: Span | None, *, is_emulator: bool) -> float:
    """How long nothing may move, in seconds."""
    if setting is None:
        return QUIET_ON_EMULATOR_S if is_emulator else QUIET_ON_AWS_S
    return parse_span(setting)


def still_s(quiet: float, longest_run_s: float) -> float:
    """
    How long nothing may move in an emulator, in seconds.

    Emulators write the log of a run when it is over, its START too. So where runs took three seconds, the next one may be under way
    unseen for as long.

    >>> still_s(2.0, 0.3), still_s(2.0, 3.8), still_s(2.0, 900.0)
    (2.0, 3.8, 10.0)
    """
    return max(quiet, min(longest_run_s, UNSEEN_RUN_MAX_S))
