"""StatusCode: an HTTP error is answered in the handler's stead."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from stagefright.chaos.faults.fault import Fault, Harm, Reader
from stagefright.chaos.faults.points import Answer, Invocation

STATUS_CODES = (100, 599)
"""The codes that failure-lambda 1.x accepts."""


@dataclass(frozen=True, eq=False, repr=False)
class StatusCode(Fault[Invocation]):
    """
    Answer `status_code` in the shape of an API's proxy integration; the handler does not run.

    Without a `body` each injector answers with its own: ours with that of failure-lambda 1.x, failure-lambda 0.x with none.

    >>> StatusCode(503)
    StatusCode(status_code=503)
    >>> StatusCode(503).answer()["body"]
    '{"message":"Injected status code 503"}'
    """

    kind = "status_code"
    turn = 50

    status_code: int = 500
    _: KW_ONLY
    body: str | None = None

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """The code is an HTTP status, the body is text."""
        wrong = super().problems(settings)
        low, high = STATUS_CODES
        code, body = settings.get("status_code", low), settings.get("body")
        if type(code) is not int or not low <= code <= high:
            wrong.append(f"status_code is {code!r}; it should be a whole number from {low} to {high}")
        if not isinstance(body, str | None):
            wrong.append(f"body is {body!r}; it should be text, as in an API's proxy response")
        return wrong

    def translations(self) -> dict[Reader, dict[str, Any]]:
        """No other reader takes a body. chaos-lambda runs the handler all the same, which is another fault."""
        if self.body is not None:
            return {}
        return {
            Reader.FAILURE_LAMBDA_0X: {"failureMode": "statuscode", "statusCode": self.status_code},
            Reader.FAILURE_LAMBDA_1X: {"statuscode": {"status_code": self.status_code}},
        }

    def answer(self) -> dict[str, Any]:
        """The response that an API gets."""
        message = json.dumps({"message": f"Injected status code {self.status_code}"}, separators=(",", ":"))
        body = message if self.body is None else self.body
        return {"statusCode": self.status_code, "headers": {"Content-Type": "application/json"}, "body": body}

    def prepare(self, point: Invocation) -> Harm:  # noqa: ARG002 (the contract)
        """Nothing to decide."""
        return {"status_code": self.status_code}

    def strike(self, point: Invocation, harm: Harm) -> Answer:  # noqa: ARG002 (the contract)
        """Answer."""
        return Answer(self.answer())

    def heal(self, point: Invocation, harm: Harm) -> None:
        """Nothing lasts."""
