"""
The test's own calls on a deployed stage, as far as they set something in motion: each is a `call` record with the ids that AWS answered.

By these ids what follows is known to have come from the test. Where the answer says that a resource has accepted an event, the record
has it under `accepted`, so that a flow shows it even if no listener watched the resource.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from stagefright.journal import Journal
from stagefright.targets.evidence.answers import ACCEPTED, ACTS, WRITTEN, Answer, Asked
from stagefright.targets.evidence.json_lines import root_of

if TYPE_CHECKING:
    from requests import Response

Names = Callable[[str], str]
"""What the stage calls the resource of a name, ARN or URL."""

ApiOf = Callable[[str], tuple[str, str] | None]
"""The API that a URL leads to, and the path there."""

Now = Callable[[], float]
"""The account's time, in epoch seconds."""


# -- requests to APIs --------------------------------------------------------------------------------------------------

REQUEST_IDS = ("apigw-requestid", "x-amzn-requestid", "x-amz-apigw-id", "x-amzn-request-id")
"""The headers in which an API or a function's URL answers the id that its event has in `requestContext`."""

THREAD_HEADERS = ("x-correlation-id", "x-amzn-trace-id")
"""The headers by which a caller hands on a thread; an API answers the trace that it began, too."""


def note_request(
    journal: Journal,
    actor: str = "test",
    *,
    api_of: ApiOf = lambda _: None,
    now: Now = time.time,
) -> Callable[[Response], None]:
    """
    What writes a request of the test's to the stage's API to the journal, when it was answered.

    `api_of` tells to which API a URL leads, and where in it; `now` is the account's time.
    """

    def note(answer: Response) -> None:
        asked = answer.request
        told = {str(name).lower(): str(value) for name, value in (*asked.headers.items(), *answer.headers.items())}
        ids = [told[name].rstrip("=") for name in REQUEST_IDS if name in told]
        found = api_of(asked.url or "")
        api, path = (None, urlsplit(asked.url or "").path or "/") if found is None else found
        request = {"resource": api, "id": ids[0] if ids else None, "method": asked.method, "path": path}
        took = getattr(answer, "elapsed", timedelta())
        journal.write_past(
            now() - took.total_seconds(),
            "call",
            actor,
            {
                "service": "http",
                "operation": f"{asked.method} {path}",
                "status": answer.status_code,
                "ids": ids,
                "threads": [root_of(told[name]) for name in THREAD_HEADERS if name in told],
                **({"accepted": [request]} if api is not None else {}),
            },
        )

    return note


def note_acts(client: Any, journal: Journal, actor: str = "test", *, name_of: Names = str, now: Now = time.time) -> Any:
    """Let a boto3 client write the calls that set something in motion to the journal, as of when they began; gives the client."""
    service = _service_of(client)

    def begin(params: Any, model: Any, context: dict[str, Any], **_: Any) -> None:
        if (service, model.name) in ACTS:
            context[_BEGUN] = now(), dict(params)

    def note(http_response: Any, parsed: Answer, model: Any, context: Mapping[str, Any], **_: Any) -> None:  # noqa: ARG001 - botocore's names
        if (service, model.name) not in ACTS:
            return
        at, asked = context.get(_BEGUN, (now(), {}))
        detail: dict[str, Any] = {"service": service, "operation": model.name}
        code = parsed.get("Error", {}).get("Code")
        detail |= {"error": code} if code else _answered((service, model.name), asked, parsed, name_of)
        detail["attempts"] = parsed.get("ResponseMetadata", {}).get("RetryAttempts", 0) + 1
        journal.write_past(at, "call", actor, detail)

    events, ours = client.meta.events, f"stagefright-acts-{id(journal)}"
    events.register("before-parameter-build", begin, unique_id=f"{ours}-begin")
    events.register("after-call", note, unique_id=ours)
    return client


_BEGUN = "stagefright_begun"
"""Where botocore carries what was asked, and when, to the answer."""


def _answered(act: tuple[str, str], asked: Asked, answer: Answer, name_of: Names) -> dict[str, Any]:
    found: dict[str, Any] = {"ids": list(dict.fromkeys(ACTS[act](answer)))}
    if act in ACCEPTED:
        accepted = ACCEPTED[act](asked, answer)
        found["accepted"] = [{**one, "resource": name_of(str(one["resource"]))} for one in accepted if one["resource"]]
    if act == ("lambda", "Invoke"):
        found["target"] = name_of(str(asked.get("FunctionName", "")))
    if act in WRITTEN:
        found["written"] = [[name_of(str(where)), what] for where, what in WRITTEN[act](asked) if where and what]
    return found


def _service_of(client: Any) -> str:
    """The name by which boto3 makes such a client."""
    return str(client.meta.service_model.service_name)
