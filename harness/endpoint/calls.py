"""
Plays one request in the world: an API call of ours, one of moto's, or a request to an API's data plane.

The steps of an API call are those of `aws_api/door.py`, which does the same for clients inside the process.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from stagefright.aws_api import moto_hooks
from stagefright.aws_api.errors import ApiError
from stagefright.endpoint import naming, reading, writing
from stagefright.endpoint.message import Answer, Request, parse_answer
from stagefright.errors import UnsupportedOperation

if TYPE_CHECKING:
    from stagefright.endpoint.naming import Asked
    from stagefright.journal import Record
    from stagefright.world import World

NOT_IMPLEMENTED = 501
"""SDKs try again after most statuses of the 500s, but not after this one."""


async def play(world: World, request: Request, caller: str) -> Answer:
    """Answer a request; `caller` is who the journal says made it."""
    plane = naming.data_plane(request, world.region)
    if plane is not None:
        raw = await world.kernel.serve_http(plane.host, request.to_bytes(target=plane.target, host=plane.host))
        return parse_answer(raw)
    asked = naming.identify(request, world.region)
    record = world.journal.write("call", caller, service=asked.service, operation=asked.name or request.method)
    request_id = world.chance.uuid("request", record.n)
    try:
        return await _call(world, request, asked, record)
    except ApiError as refused:
        world.journal.amend(record, error=refused.code)
        return writing.refusal(request, asked, refused, request_id)
    except (UnsupportedOperation, NotImplementedError) as error:
        return _unsupported(world, request, asked, record, str(error))


async def _call(world: World, request: Request, asked: Asked, record: Record) -> Answer:
    if naming.spoken(request, asked.service) == "cbor":
        return _unsupported(world, request, asked, record, _CBOR)
    if asked.operation is None and asked.service != "s3":
        return _unknown(world, request, asked, record)
    # What browsers send to S3 (forms, preflight requests) is no operation of an SDK.
    operation = None if asked.operation is None else world.operation(asked.service, asked.name)
    if operation is None:
        return through_moto(world, request, asked, record)
    given = reading.params(request, asked)
    with world.kernel.blame(record.n):
        result = operation(given)
    if inspect.isawaitable(result):
        name = f"{asked.service}.{asked.name}"
        result = await world.kernel.spawn(result, name=name, cause=record.n)  # type: ignore[arg-type]
    return writing.answer(request, asked, result or {}, world.chance.uuid("request", record.n))


_CBOR = (
    "the request is in CBOR, which the local stage does not read. Let the SDK speak JSON: AWS_CBOR_DISABLE=true for the CLI and older "
    "SDKs, -Daws.cborEnabled=false for Java."
)


def _unknown(world: World, request: Request, asked: Asked, record: Record) -> Answer:
    if naming.service_model(asked.service) is None:
        what = f"there is no service {asked.service!r}"
    else:
        what = (
            f"{asked.service} has no operation {asked.named!r}"
            if asked.named
            else f"{asked.service} has no such operation"
        )
    return _unsupported(world, request, asked, record, f"{what} ({request.method} {request.path}).")


def _unsupported(world: World, request: Request, asked: Asked, record: Record, why: str) -> Answer:
    world.journal.amend(record, error="NotImplemented")
    what = f"{asked.service}.{asked.name}" if asked.name else f"{request.method} {request.path}"
    refused = ApiError("NotImplemented", f"The local stage did not answer {what}: {why}", status=NOT_IMPLEMENTED)
    return writing.refusal(request, asked, refused, world.chance.uuid("request", record.n))


# -- what moto keeps -------------------------------------------------------------------------------------------------


def through_moto(world: World, request: Request, asked: Asked, record: Record) -> Answer:
    """Let moto answer, as it does for a client inside the process."""
    from botocore.awsrequest import AWSPreparedRequest, HeadersDict
    from moto.core.models import botocore_stubber

    operation, params = _named(request, asked)
    with world.kernel.blame(record.n):
        seen = moto_hooks.before(world, asked.service, operation, params)
        url = aws_url(request, asked)
        headers = HeadersDict(dict(request.headers))
        headers["Host"] = url.split("/", 3)[2]
        moto_hooks.tell_account(world, headers)
        if asked.service == "s3" and request.method == "PUT" and "form-urlencoded" in request.header("content-type"):
            # moto takes the object for a form and loses it; simple HTTP clients call everything that they send a form.
            headers["Content-Type"] = "binary/octet-stream"
        answer = botocore_stubber.process_request(
            AWSPreparedRequest(request.method, url, headers, request.body, stream_output=False)  # type: ignore[arg-type]
        )
        if answer is None or (answer[0] == 404 and answer[2] == "Not yet implemented"):
            raise UnsupportedOperation(f"it does not answer for {asked.service}.")
        status, given, body = answer
        played = Answer(int(status), _headers(given), body if isinstance(body, bytes) else str(body).encode())
        parsed = _Late(lambda: _parsed(asked, played))
        moto_hooks.after(world, asked.service, operation, params, parsed, seen, record.n)
    if played.status >= 300:
        world.journal.amend(record, error=parsed.get("Error", {}).get("Code"))
    return played


def _named(request: Request, asked: Asked) -> tuple[str, Mapping[str, Any]]:
    """What the hooks are told of a call: an operation of the SDK, or an upload to S3 with a form, which is none."""
    if asked.operation is not None:
        return asked.name, _Late(lambda: reading.params(request, asked))
    if asked.service == "s3" and request.method == "POST" and reading.is_form(request):
        return "PostObject", reading.upload(request, asked)
    return asked.name, {}


def aws_url(request: Request, asked: Asked) -> str:
    """Where the request would go on AWS."""
    if asked.service == "s3":
        bucket = f"{asked.bucket}." if asked.bucket else ""
        return f"https://{bucket}s3.{asked.region}.amazonaws.com{request.target}"
    model = naming.service_model(asked.service)
    return f"https://{model.metadata['endpointPrefix']}.{asked.region}.amazonaws.com{request.target}"


def _headers(given: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """moto's headers but for the date, which is virtual: SDKs compare it to their own clock."""
    return tuple((str(name), str(value)) for name, value in given.items() if name.lower() not in ("date", "server"))


def _parsed(asked: Asked, played: Answer) -> Mapping[str, Any]:
    """moto's answer as boto3 would give it."""
    if asked.operation is None:
        headers = {name.lower(): value for name, value in played.headers}
        return {"ResponseMetadata": {"HTTPStatusCode": played.status, "HTTPHeaders": headers}} | (
            {"Error": {}} if played.status >= 300 else {}
        )
    from botocore.awsrequest import HeadersDict
    from botocore.parsers import create_parser

    response = {
        "status_code": played.status,
        "headers": HeadersDict(dict(played.headers)),
        "body": played.body,
        "context": {"operation_name": asked.name},
    }
    parser = create_parser(asked.operation.service_model.protocol)
    parsed: Mapping[str, Any] = parser.parse(response, asked.operation.output_shape)
    return parsed


class _Late(Mapping[str, Any]):
    """A mapping that is made when somebody first looks into it; few calls have a hook that does."""

    def __init__(self, make: Callable[[], Mapping[str, Any]]) -> None:
        self._make = make

    @cached_property
    def _made(self) -> Mapping[str, Any]:
        return self._make()

    def __getitem__(self, key: str) -> Any:
        return self._made[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)
