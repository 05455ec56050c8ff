"""Corruption: the handler's response is damaged on its way out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from stagefright.chaos.faults.fault import Fault, Harm, Reader
from stagefright.chaos.faults.points import Answer, Response

KEPT_SHARE = (0.3, 0.8)
"""How much of a body is kept, as in failure-lambda 1.x."""

DEBRIS = "\N{REPLACEMENT CHARACTER}" * 3
"""What follows the cut."""


@dataclass(frozen=True, eq=False, repr=False)
class Corruption(Fault[Response]):
    """
    Replace the body of the handler's response by `body`; without one, cut it somewhere and let garbage follow.

    The handler has run. A response that has no body is one as a whole: `body` is wrapped, and without one its JSON text
    is cut.

    >>> Corruption(body="not JSON").damaged({"statusCode": 200, "body": "{}"}, 0.5)
    {'statusCode': 200, 'body': 'not JSON'}
    >>> Corruption().damaged("0123456789", 0.5)
    '01234\\ufffd\\ufffd\\ufffd'
    """

    kind = "corruption"
    turn = 70
    strikes_at = (Response,)

    _: KW_ONLY
    body: str | None = None

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """The body is text."""
        wrong = super().problems(settings)
        if not isinstance(settings.get("body"), str | None):
            wrong.append(f"body is {settings['body']!r}; it should be text, as in an API's proxy response")
        return wrong

    def translations(self) -> dict[Reader, dict[str, Any]]:
        """Only failure-lambda 1.x looks at responses."""
        return {Reader.FAILURE_LAMBDA_1X: {"corruption": {} if self.body is None else {"body": self.body}}}

    def damaged(self, response: Any, kept: float) -> Any:
        """The response, damaged; `kept` is the share of it that stays."""
        if isinstance(response, dict) and (self.body is not None or "body" in response):
            return {**response, "body": _cut(response["body"], kept) if self.body is None else self.body}
        return _cut(response, kept) if self.body is None else {"body": self.body}

    def prepare(self, point: Response) -> Harm:
        """Draw the place of the cut."""
        return {"corruption": "replaced"} if self.body is not None else {"kept": point.draw(*KEPT_SHARE)}

    def strike(self, point: Response, harm: Harm) -> Answer:
        """Answer the damaged response."""
        return Answer(self.damaged(point.response, harm.get("kept", 1)))

    def heal(self, point: Response, harm: Harm) -> None:
        """Nothing lasts."""


def _cut(value: Any, kept: float) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text[: int(len(text) * kept)] + DEBRIS
