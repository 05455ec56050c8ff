"""ServiceError: AWS refuses an SDK call with an error of your choice."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from stagefright.chaos.faults.fault import Harm
from stagefright.chaos.faults.points import Answer
from stagefright.chaos.faults.sdk_call import SdkCall
from stagefright.chaos.faults.sdk_errors import status_of
from stagefright.chaos.faults.sdk_fault import SdkFault
from stagefright.chaos.faults.sdk_reply import refusal


@dataclass(frozen=True, eq=False, repr=False)
class ServiceError(SdkFault):
    """
    Answer the attempts at an operation with the error `code`; nothing reaches the service.

    botocore parses the answer and retries it or raises it, as it does with the service's own. A code that the operation
    cannot return is refused unless `even_if_undocumented`. `status` is the HTTP status, which follows from the code.

    >>> ServiceError("sqs", "SendMessage", code="ServiceUnavailable", times=2)
    ServiceError(service='sqs', operation='SendMessage', code='ServiceUnavailable', times=2)
    """

    kind = "service_error"
    turn = 75

    _: KW_ONLY
    code: str = "InternalFailure"
    message: str = "Injected by Stagefright"
    status: int | None = None
    even_if_undocumented: bool = False

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """Code and message are text, the status one of an error."""
        wrong = [*super().problems(settings), *_status_problems(settings.get("status"))]
        if not isinstance(settings.get("message", ""), str):
            wrong.append(f"message is {settings['message']!r}; it should be text")
        code = settings.get("code", "InternalFailure")
        if not isinstance(code, str) or not code.isascii() or not code.replace(".", "").isalnum():
            wrong.append(f"code is {code!r}; it should be an error code of AWS, such as 'InternalFailure'")
        if not isinstance(settings.get("even_if_undocumented", False), bool):
            wrong.append(f"even_if_undocumented is {settings['even_if_undocumented']!r}; it should be True or False")
        return wrong

    @property
    def error_code(self) -> str:
        """The code that the service answers with."""
        return self.code

    def claims(self) -> str | None:
        """The code, unless it is one that nobody documents."""
        return None if self.even_if_undocumented else self.error_code

    def decide(self, point: SdkCall) -> Harm:
        """Find the status that comes with the code."""
        status = self.status or status_of(self.error_code, point.service, point.attempt.operation_model)
        return {"code": self.error_code, "status": status}

    def strike(self, point: SdkCall, harm: Harm) -> Answer:
        """Answer in the service's stead."""
        model = point.attempt.operation_model
        return Answer(refusal(model, self.error_code, self.message, harm["status"], _request_id(point)))


def _request_id(point: SdkCall) -> str:
    text = hashlib.shake_128(repr((point.seed, *point.identity)).encode()).hexdigest(16)
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _status_problems(status: object) -> list[str]:
    if status is None or (isinstance(status, int) and not isinstance(status, bool) and 400 <= status <= 599):
        return []
    return [f"status is {status!r}; it should be an HTTP status from 400 to 599"]
