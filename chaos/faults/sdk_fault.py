"""What all faults of SDK calls have in common: which calls, and how often."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from stagefright.chaos.faults.fault import Fault, Harm, refuse
from stagefright.chaos.faults.points import FaultPoint, Outcome
from stagefright.chaos.faults.sdk_call import SdkCall

ANY = "*"
"""The operation that stands for all of a service."""


@dataclass(frozen=True, repr=False)
class SdkFault(Fault[SdkCall]):
    """
    A fault of the attempts at one operation (boto3's service name, AWS's operation name), or at all of a service.

    `times` says how many attempts are struck; a call that botocore retries makes several.
    """

    strikes_at: ClassVar[tuple[type[FaultPoint], ...]] = (SdkCall,)

    service: str
    operation: str = ANY
    _: KW_ONLY
    times: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        # A deployed function carries neither the harness nor this table, and need not judge again what was judged here.
        with suppress(ImportError):
            from stagefright.chaos import legal_errors

            problems = legal_errors.problems(self.service, self.operation, self.claims())
            if problems:
                refuse(f"{self!r} cannot be used", problems)

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """The names are text; the number of times is a whole one, from 1."""
        wrong = [*super().problems(settings), *times_problems(settings)]
        named = [name for name in ("service", "operation") if name in settings or name == "service"]
        given = {name: settings.get(name) for name in named}
        return wrong + [
            f"{name} is {value!r}; it should be text" for name, value in given.items() if not _is_text(value)
        ]

    def claims(self) -> str | None:
        """The error code that AWS must be able to answer with, if the fault stands for one."""
        return None

    def concerns(self, point: FaultPoint) -> bool:
        """Whether it is the operation."""
        return isinstance(point, SdkCall) and point.service == self.service and self.operation in (ANY, point.operation)

    def prepare(self, point: SdkCall) -> Harm | None:
        """Decide what the attempt meets, unless enough of them were struck."""
        if self.times is not None and point.counted("struck") >= self.times:
            return None
        harm = self.decide(point)
        if harm is None:
            return None
        point.count("struck")
        return {"service": point.service, "operation": point.operation, **harm}

    @abstractmethod
    def decide(self, point: SdkCall) -> Harm | None:
        """What this strike will do besides; None if it cannot strike here."""

    @abstractmethod
    def strike(self, point: SdkCall, harm: Harm) -> Outcome:
        """Do the harm."""

    def heal(self, point: SdkCall, harm: Harm) -> None:
        """Nothing lasts."""


def times_problems(settings: Mapping[str, Any]) -> list[str]:
    """What is wrong with the setting `times`, if it is given."""
    times = settings.get("times")
    if times is None or (isinstance(times, int) and not isinstance(times, bool) and times >= 1):
        return []
    return [f"times is {times!r}; it should be a whole number from 1"]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""
