"""
The door through which every SDK call enters the world.

It is the only place that knows botocore's internals. Two methods are replaced, on their classes, so that clients made at any time and
anywhere are reached:

    BaseClient._make_request   a call to an operation of ours is answered here, without signing or sending
    Endpoint._get_response     where botocore would send: here moto answers the rest, and here a refusal of ours enters
                               when botocore should retry it, so its retries and back-off are the real ones
"""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from stagefright.aws_api import moto_hooks, moto_state
from stagefright.aws_api.errors import ApiError
from stagefright.errors import NotInWorld, UnsupportedOperation
from stagefright.functions import lineage
from stagefright.functions.variables import ACCESS_KEY_ID
from stagefright.services.queues import ERROR_SHAPES
from stagefright.tasks import current_actor, expect_errors
from stagefright.virtual.patching import Patches

if TYPE_CHECKING:
    from stagefright.world import World

expect_errors(ApiError)

OURS_KEY = "stagefright"
"""Where a request's context keeps the call, for the retry path."""

TEST = "test"
"""The caller's name in `call` records when the test itself calls."""


class _Call(NamedTuple):
    """An SDK call to an operation of ours."""

    world: World
    operation: Callable[[Mapping[str, Any]], Any]
    params: Mapping[str, Any]
    record: int
    service: str
    name: str
    url: str
    read_timeout_s: float | None


class _HttpStatus(NamedTuple):
    """All that botocore, its retries included, reads of an HTTP response that is parsed already."""

    status_code: int
    headers: Mapping[str, str] = {}
    content: bytes = b""
    raw: Any = None


_users = 0
_patches = Patches()


def install() -> None:
    """Replace botocore's methods, unless another world has done so."""
    global _users
    _users += 1
    if _users > 1:
        return
    import botocore.client
    import botocore.endpoint
    from moto.core.common_models import BaseModel
    from moto.core.models import MockAWS

    client: Any = botocore.client.BaseClient
    endpoint: Any = botocore.endpoint.Endpoint
    _guard(endpoint)
    _patches.set(client, "_convert_to_request_dict", _keeping_params(client._convert_to_request_dict))
    _patches.set(client, "_make_request", _answering(client._make_request))
    _patches.set(endpoint, "_do_get_response", _instead_of_sending(endpoint._do_get_response))
    _patches.set(endpoint, "_send", _into_moto(endpoint._send))
    _patches.set(BaseModel, "__new__", moto_state.untracked)
    _patches.set(MockAWS, "start", moto_hooks.refusing_in_worlds(MockAWS.start))


def remove() -> None:
    """Put botocore's own methods back when no world needs them any more."""
    global _users
    _users -= 1
    if _users == 0:
        _patches.restore()


_is_guarded = False


def _guard(endpoint: Any) -> None:
    """
    Let no request leave this process that is signed with the world's credentials.

    Clients live longer than worlds, so this stays for good. It comes last: a request that moto or a stub answers was never
    on its way out.
    """
    global _is_guarded
    if _is_guarded:
        return
    _is_guarded = True
    original = endpoint._send

    def send(endpoint: Any, request: Any) -> Any:
        if ACCESS_KEY_ID in str(request.headers.get("Authorization", "")) or ACCESS_KEY_ID in request.url:
            raise NotInWorld(
                f"A client that was made in a stage was used outside of its stage, for {request.method} {request.url}; "
                "nothing was sent. Use it while the stage is there: in tests and fixtures that depend on `stage`, from their "
                "own threads. Elsewhere, make a client of its own."
            )
        return original(endpoint, request)

    endpoint._send = send


# -- botocore's methods, replaced ------------------------------------------------------------------------------------


def _keeping_params(original: Callable[..., Any]) -> Callable[..., Any]:
    def convert(client: Any, api_params: Any, operation_model: Any, *args: Any, **kwargs: Any) -> Any:
        request = original(client, api_params, operation_model, *args, **kwargs)
        if current_actor() is not None:
            request["context"][OURS_KEY] = api_params
        return request

    return convert


def _answering(original: Callable[..., Any]) -> Callable[..., Any]:
    def make_request(client: Any, operation_model: Any, request: Any, context: Any) -> Any:
        actor = current_actor()
        if actor is None:
            return original(client, operation_model, request, context)
        if actor.abandoned:
            actor.gone()
        world = actor.kernel.world
        if actor.kernel.is_stepping:
            return _errand(world, original, client, operation_model, request, context)
        service, name = operation_model.service_model.service_name, operation_model.name
        caller = TEST if actor.owner is None else actor.owner.log.function
        trace = lineage.sent_with(world, request["headers"], in_function=actor.owner is not None)
        record = world.journal.write("call", caller, service=service, operation=name, **trace)
        params = request["context"].pop(OURS_KEY, {})
        operation = world.operation(service, name)
        try:
            if operation is None:
                answer = _through_moto(world, original, client, operation_model, request, context, params, record.n)
            else:
                config = client.meta.config
                call = _Call(
                    world, operation, params, record.n, service, name, client.meta.endpoint_url, config.read_timeout
                )
                answer = _ours(call, original, client, operation_model, request, context)
        except ApiError as refusal:
            answer = _refusal(world, service, record.n, refusal)
        if answer[0].status_code >= 300:
            world.journal.amend(record, error=answer[1].get("Error", {}).get("Code"))
        return answer

    return make_request


def _errand(
    world: World, original: Callable[..., Any], client: Any, operation_model: Any, request: Any, context: Any
) -> Any:
    """
    A call that a task of the world makes, such as Lambda writing to a bucket: nobody's `call`, and always moto's.

    It runs on whichever thread does the kernel's work just now, which has a call of its own to come back to.
    """
    actor = current_actor()
    assert actor is not None
    outer = actor.call
    params = request["context"].pop(OURS_KEY, {})
    try:
        return _through_moto(world, original, client, operation_model, request, context, params, world.kernel.cause())
    finally:
        actor.call = outer


def _ours(
    call: _Call, original: Callable[..., Any], client: Any, operation_model: Any, request: Any, context: Any
) -> Any:
    try:
        return _success(call, _run(call))
    except (ApiError, _ReadTimeout) as trouble:
        if isinstance(trouble, ApiError) and not _is_retryable(trouble):
            return _refusal(call.world, call.service, call.record, trouble)
        # Through botocore's own loop: the first answer is the trouble that we have, later ones are asked for anew.
        request["context"][OURS_KEY] = [call, trouble]
        return original(client, operation_model, request, context)


def _through_moto(
    world: World,
    original: Callable[..., Any],
    client: Any,
    operation_model: Any,
    request: Any,
    context: Any,
    params: Mapping[str, Any],
    record: int | None,
) -> Any:
    service, name = operation_model.service_model.service_name, operation_model.name
    moto_hooks.before(world, service, name, params)
    actor = current_actor()
    assert actor is not None
    actor.call = record
    answer = original(client, operation_model, request, context)
    moto_hooks.after(world, service, name, params, answer[1])
    return answer


def _instead_of_sending(original: Callable[..., Any]) -> Callable[..., Any]:
    def do_get_response(endpoint: Any, request: Any, operation_model: Any, context: Any) -> Any:
        retried = context.get(OURS_KEY)
        if not isinstance(retried, list):
            return original(endpoint, request, operation_model, context)
        call, trouble = retried
        retried[1] = None
        if trouble is None:
            try:
                return _success(call, _run(call)), None
            except (ApiError, _ReadTimeout) as again:
                trouble = again
        if isinstance(trouble, _ReadTimeout):
            return None, _as_botocore_has_it(trouble, call)
        return _refusal(call.world, call.service, call.record, trouble), None

    return do_get_response


def _into_moto(original: Callable[..., Any]) -> Callable[..., Any]:
    def send(endpoint: Any, request: Any) -> Any:
        actor = current_actor()
        if actor is None:
            return original(endpoint, request)
        from botocore.awsrequest import AWSResponse
        from moto.core.botocore_stubber import MockRawResponse
        from moto.core.models import botocore_stubber

        with actor.kernel.blame(actor.call):
            answer = botocore_stubber.process_request(request)
        if answer is None:
            raise NotInWorld(
                f"{actor.name} sent an SDK call to {request.url}, which is not an AWS endpoint that the stage answers for. "
                "Leave endpoint_url unset in tests; the stage answers for AWS's own endpoints."
            )
        status, headers, body = answer
        if status == 404 and body == "Not yet implemented":
            raise UnsupportedOperation(f"The local stage does not answer for {request.url} ({request.method}).")
        raw = MockRawResponse(body if isinstance(body, bytes) else body.encode())
        return AWSResponse(request.url, status, headers, raw)

    return send


# -- answers ---------------------------------------------------------------------------------------------------------


class _ReadTimeout(Exception):
    """The caller's SDK waits no longer; what it asked for goes on all the same."""


def _as_botocore_has_it(_timeout: _ReadTimeout, call: _Call) -> Exception:
    from botocore.exceptions import ReadTimeoutError

    call.world.journal.amend(call.world.journal[call.record], error="ReadTimeoutError")
    return ReadTimeoutError(endpoint_url=call.url, error=f"no answer within {call.read_timeout_s:g} s")


def _run(call: _Call) -> Any:
    with call.world.kernel.blame(call.record):
        answer = call.operation(call.params)
    return _patiently(call, answer) if inspect.isawaitable(answer) else answer


def _patiently(call: _Call, coroutine: Any) -> Any:
    """Wait for an answer in virtual time, for as long as the client's `read_timeout` says."""
    kernel = call.world.kernel
    task = kernel.spawn(coroutine, name=f"{call.service}.{call.name}", cause=call.record)
    if call.read_timeout_s is None:
        return kernel.wait(task)
    if not kernel.wait(kernel.first(task, deadline=kernel.now() + call.read_timeout_s), name=task.name):
        raise _ReadTimeout
    return task.result()


def _success(call: _Call, answer: Mapping[str, Any] | None) -> tuple[_HttpStatus, dict[str, Any]]:
    parsed = dict(answer or {})
    status = parsed.get("StatusCode", 200) if call.name == "Invoke" else 200
    if call.name == "Invoke":
        from botocore.response import StreamingBody

        payload = parsed["Payload"]
        parsed["Payload"] = StreamingBody(io.BytesIO(payload), len(payload))
    parsed["ResponseMetadata"] = _metadata(call.world, call.record, status)
    if call.name == "Invoke":
        # Lambda's request id is the invocation's.
        parsed["ResponseMetadata"]["RequestId"] = parsed.pop("RequestId", parsed["ResponseMetadata"]["RequestId"])
    return _HttpStatus(status), parsed


def _refusal(world: World, service: str, record: int, refusal: ApiError) -> tuple[_HttpStatus, dict[str, Any]]:
    error = {"Message": refusal.message, "Code": refusal.code}
    if service == "sqs" and refusal.code in ERROR_SHAPES:
        # botocore finds the exception's class by it (`client.exceptions.QueueDoesNotExist`).
        error["QueryErrorCode"] = ERROR_SHAPES[refusal.code]
    parsed = {"Error": error, **refusal.fields, "ResponseMetadata": _metadata(world, record, refusal.status)}
    return _HttpStatus(refusal.status), parsed


def _metadata(world: World, record: int, status: int) -> dict[str, Any]:
    request_id = world.chance.uuid("request", record)
    return {"RequestId": request_id, "HTTPStatusCode": status, "HTTPHeaders": {}, "RetryAttempts": 0}


def _is_retryable(refusal: ApiError) -> bool:
    return refusal.status == 429 or refusal.status >= 500 or refusal.code in RETRYABLE_CODES


RETRYABLE_CODES = frozenset({"Throttling", "ThrottlingException", "OverLimit", "RequestThrottled"})
"""Refusals with another status that botocore retries."""
