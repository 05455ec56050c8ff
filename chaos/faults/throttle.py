"""Throttle: AWS says that it was asked too often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from stagefright.chaos.faults.sdk_errors import throttling_code
from stagefright.chaos.faults.service_error import ServiceError


@dataclass(frozen=True, eq=False, repr=False)
class Throttle(ServiceError):
    """
    Throttle the attempts at an operation, in the service's own words: DynamoDB's `ProvisionedThroughputExceededException`.

    `code` chooses another of the service's words.

    >>> Throttle("dynamodb", "PutItem", times=2)
    Throttle(service='dynamodb', operation='PutItem', times=2)
    >>> Throttle("sqs").error_code
    'RequestThrottled'
    """

    kind = "throttle"
    turn = 70

    _: KW_ONLY
    code: str = ""
    message: str = "Rate exceeded"

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """As for any error; no code means the service's own."""
        return super().problems({name: value for name, value in settings.items() if (name, value) != ("code", "")})

    @property
    def error_code(self) -> str:
        """The code that was chosen, or else the service's own."""
        return self.code or throttling_code(self.service)
