"""What all faults of SDK calls have in common: which calls they strike."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

from stagefright.chaos.faults.fault import Harm, refuse
from stagefright.chaos.faults.outgoing import Outgoing, text_problems
from stagefright.chaos.faults.points import FaultPoint
from stagefright.chaos.faults.sdk_call import SdkCall

ANY = "*"
"""The operation that stands for all of a service."""


@dataclass(frozen=True, eq=False, repr=False)
class SdkFault(Outgoing[SdkCall]):
    """
    A fault of the attempts at one operation (boto3's service name, AWS's operation name), or at all of a service.

    `times` says how many attempts are struck; a call that botocore retries makes several.
    """

    strikes_at: ClassVar[tuple[type[FaultPoint], ...]] = (SdkCall,)

    service: str
    operation: str = ANY

    def __post_init__(self) -> None:
        super().__post_init__()
        # A deployed function carries neither the harness nor this table, and need not judge again what was judged here.
        with suppress(ImportError):
            from stagefright.chaos import legal_errors

            problems = legal_errors.problems(self.service, self.operation, self.claims())
            if problems:
                refuse(f"{self!r} cannot be used", list(problems))

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """There is a service, and the names are text."""
        missing = [] if "service" in settings else ["it names no service"]
        return [*super().problems(settings), *missing, *text_problems(settings, "service", "operation")]

    def claims(self) -> str | None:
        """The error code that AWS must be able to answer with, if the fault stands for one."""
        return None

    def concerns(self, point: FaultPoint) -> bool:
        """Whether it is the operation."""
        return isinstance(point, SdkCall) and point.service == self.service and self.operation in (ANY, point.operation)

    def prepare(self, point: SdkCall) -> Harm | None:
        """The harm says which operation it befell."""
        harm = super().prepare(point)
        return None if harm is None else {"service": point.service, "operation": point.operation, **harm}
