"""
The door through which every SDK call enters the world.

With `answers.py` and `moto_requests.py` it is the only place that knows botocore's internals. These methods are replaced, on their
classes, so that clients made at any time and anywhere are reached:

    BaseClient._make_request   a call to an operation of ours is answered here, without signing or sending
    Endpoint._get_response     where botocore would send: here moto answers the rest, and here a refusal of ours enters
                               when botocore should retry it, so its retries and back-off are the real ones
    Endpoint._send             and here every answer enters, if somebody else has hooked botocore's sending
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stagefright.aws_api import moto_hooks, moto_state
from stagefright.aws_api.answers import Answer, is_retryable, refused, success
from stagefright.aws_api.errors import ApiError
from stagefright.aws_api.moto_requests import ask_moto
from stagefright.aws_api.sdk_call import Call, MotoCall, Tally
from stagefright.errors import NotInWorld
from stagefright.functions import lineage
from stagefright.functions.variables import ACCESS_KEY_ID
from stagefright.tasks import current_actor, expect_errors
from stagefright.virtual.patching import Patches

if TYPE_CHECKING:
    from stagefright.journal import Record
    from stagefright.world import World

expect_errors(ApiError)

OURS_KEY = "stagefright"
"""Where a request's context keeps the call, for the retry path."""

TEST = "test"
"""The caller's name in `call` records when the test itself calls."""


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
        world = actor.kernel.world
        if actor.kernel.is_stepping:
            return _errand(world, original, client, operation_model, request, context)
        if actor.abandoned:
            actor.gone()
        service, name = operation_model.service_model.service_name, operation_model.name
        caller = TEST if actor.owner is None else actor.owner.log.function
        trace = lineage.sent_with(world, request["headers"], actor.owner)
        mode = (client.meta.config.retries or {}).get("mode")
        record = world.journal.write(
            "call", caller, service=service, operation=name, retry_mode=mode, attempts=1, **trace
        )
        params = request["context"].pop(OURS_KEY, {})
        operation, tally = world.operation(service, name), Tally()
        try:
            if operation is None:
                moto_call = MotoCall(world, service, name, params, record.n, tally)
                answer = _through_moto(moto_call, original, client, operation_model, request, context)
            else:
                url, patience_s = client.meta.endpoint_url, client.meta.config.read_timeout
                call = Call(world, operation, params, record.n, service, name, url, patience_s, tally)
                answer = _ours(call, original, client, operation_model, request, context)
        except ApiError as refusal:
            answer = refused(world, service, record.n, refusal)
        except _botocore_error() as error:
            world.journal.amend(record, error=type(error).__name__)
            raise
        else:
            if answer[0].status_code >= 300:
                world.journal.amend(record, error=answer[1].get("Error", {}).get("Code"))
        finally:
            _note_attempts(world, record, request, tally)
        return answer

    return make_request


def _botocore_error() -> type[Exception]:
    from botocore.exceptions import BotoCoreError

    error: type[Exception] = BotoCoreError
    return error


def _note_attempts(world: World, record: Record, request: Any, tally: Tally) -> None:
    """How often botocore tried, so that a change of its retries shows; and how often it took effect, if the answer does not tell."""
    attempts = request["context"].get("retries", {}).get("attempt", 1)
    if attempts > 1:
        world.journal.amend(record, attempts=attempts)
    if tally.count != (0 if record.detail.get("error") else 1):
        world.journal.amend(record, took_effect=tally.count)


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
        name = operation_model.name
        call = MotoCall(world, operation_model.service_model.service_name, name, params, world.kernel.cause(), Tally())
        return _through_moto(call, original, client, operation_model, request, context)
    finally:
        actor.call = outer


def _ours(
    call: Call, original: Callable[..., Any], client: Any, operation_model: Any, request: Any, context: Any
) -> Any:
    if _is_hooked():
        # Somebody wants to see, or to hurt, what botocore sends: the call takes its whole way there.
        request["context"][OURS_KEY] = [call, None]
        return original(client, operation_model, request, context)
    try:
        return success(call, _run(call))
    except (ApiError, _ReadTimeout) as trouble:
        if isinstance(trouble, ApiError) and not is_retryable(trouble):
            return refused(call.world, call.service, call.record, trouble)
        # Through botocore's own loop: the first answer is the trouble that we have, later ones are asked for anew.
        request["context"][OURS_KEY] = [call, trouble]
        return original(client, operation_model, request, context)


def _is_hooked() -> bool:
    """Whether botocore's sending was replaced since the door was put there."""
    from botocore.endpoint import Endpoint

    endpoint: Any = Endpoint
    return not hasattr(endpoint._do_get_response, "botocores_own")


def _through_moto(
    call: MotoCall, original: Callable[..., Any], client: Any, operation_model: Any, request: Any, context: Any
) -> Any:
    actor = current_actor()
    assert actor is not None
    actor.call = call.record
    request["context"][OURS_KEY] = call
    return original(client, operation_model, request, context)


def _noticing(call: MotoCall, send: Callable[[], Any]) -> Any:
    """
    Send one attempt to moto, and notice what it did there.

    Each attempt for itself: one whose answer is lost on its way back has done something, and the next does it again.
    """
    world, service, name, params, record, tally = call
    seen = moto_hooks.before(world, service, name, params)
    answer, error = send()
    if answer is not None:
        tally.count += answer[0].status_code < 300
        moto_hooks.after(world, service, name, params, answer[1], seen, record)
    return answer, error


def _instead_of_sending(original: Callable[..., Any]) -> Callable[..., Any]:
    def do_get_response(endpoint: Any, request: Any, operation_model: Any, context: Any) -> Any:
        retried = context.get(OURS_KEY)
        if isinstance(retried, MotoCall):
            return _noticing(retried, lambda: original(endpoint, request, operation_model, context))
        if not isinstance(retried, list):
            return original(endpoint, request, operation_model, context)
        call, trouble = retried
        retried[1] = None
        if trouble is None:
            setattr(request, OURS_KEY, call)
            answer, error = original(endpoint, request, operation_model, context)
            return (error.answer, None) if isinstance(error, _Answered) else (answer, error)
        if isinstance(trouble, _ReadTimeout):
            return None, _as_botocore_has_it(trouble, call)
        return refused(call.world, call.service, call.record, trouble), None

    do_get_response.botocores_own = original  # type: ignore[attr-defined]
    return do_get_response


def _in_place_of_sending(call: Call) -> Exception:
    """Our service's answer, which is parsed already, as the only thing that botocore hands on untouched: an error."""
    try:
        return _Answered(success(call, _run(call)))
    except ApiError as refusal:
        return _Answered(refused(call.world, call.service, call.record, refusal))
    except _ReadTimeout as timeout:
        return _as_botocore_has_it(timeout, call)


def _into_moto(original: Callable[..., Any]) -> Callable[..., Any]:
    def send(endpoint: Any, request: Any) -> Any:
        actor = current_actor()
        if actor is None:
            return original(endpoint, request)
        call = getattr(request, OURS_KEY, None)
        if call is not None:
            raise _in_place_of_sending(call)
        from botocore.awsrequest import AWSResponse
        from moto.core.botocore_stubber import MockRawResponse

        status, headers, body = ask_moto(endpoint, request)
        return AWSResponse(request.url, status, headers, MockRawResponse(body))

    return send


# -- answers ---------------------------------------------------------------------------------------------------------


class _Answered(Exception):
    """Carries an answer through botocore's sending."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("answered")
        self.answer = answer


class _ReadTimeout(Exception):
    """The caller's SDK waits no longer; what it asked for goes on all the same."""


def _as_botocore_has_it(_timeout: _ReadTimeout, call: Call) -> Exception:
    from botocore.exceptions import ReadTimeoutError

    call.world.journal.amend(call.world.journal[call.record], error="ReadTimeoutError")
    return ReadTimeoutError(endpoint_url=call.url, error=f"no answer within {call.read_timeout_s:g} s")


def _run(call: Call) -> Any:
    try:
        with call.world.kernel.blame(call.record):
            answer = call.operation(call.params)
        answer = _patiently(call, answer) if inspect.isawaitable(answer) else answer
    except _ReadTimeout:
        call.tally.count += 1  # it goes on without its caller
        raise
    call.tally.count += 1
    return answer


def _patiently(call: Call, coroutine: Any) -> Any:
    """Wait for an answer in virtual time, for as long as the client's `read_timeout` says."""
    kernel = call.world.kernel
    task = kernel.spawn(coroutine, name=f"{call.service}.{call.name}", cause=call.record)
    if call.read_timeout_s is None:
        return kernel.wait(task)
    if not kernel.wait(kernel.first(task, deadline=kernel.now() + call.read_timeout_s), name=task.name):
        raise _ReadTimeout
    return task.result()
