"""
SDK calls as fault points: each attempt that botocore makes to send a call of the function.

While a function with such faults runs, two methods of botocore's `Endpoint` are replaced, beneath its retries, so that
attempts, back-off and retry modes are botocore's own:

    _do_get_response   one attempt: sends a request and parses the answer; here the faults are asked
    _send              the sending itself: here an answer of a fault is given, or its error raised

An attempt that is struck goes through all the rest of botocore: `before-send` handlers see it, and the answer, which is
made of the bytes that AWS would send, is parsed by the service's model. Clients that were made at any time are reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from stagefright.chaos.faults.points import Answer, FunctionPoint, Outcome, Reach
from stagefright.chaos.faults.sdk_reply import Reply

OUTCOME = "stagefright_outcome"
"""The attribute of a request that is struck: what `_send` does in place of sending."""


class Attempt:
    """One attempt of a call: how to make it, and what botocore knows about it."""

    def __init__(
        self, send: Callable[..., Any], endpoint: Any, request: Any, operation_model: Any, context: Any
    ) -> None:
        self.endpoint = endpoint
        self.request = request
        self.operation_model = operation_model
        self.config = context.get("client_config")
        self.prepared: Any = None
        """What a fault has found out when it decided, and needs when it strikes."""
        self._read_timeout_s = context.get("read_timeout")
        self._make: Callable[[], Any] = lambda: send(endpoint, request, operation_model, context)
        self._made: Any = None

    @property
    def read_timeout_s(self) -> float | None:
        """How long the caller waits for an answer, which a single call may set for itself."""
        return self._read_timeout_s or getattr(self.config, "read_timeout", None)

    @property
    def connect_timeout_s(self) -> float | None:
        """How long the caller waits for a connection."""
        return getattr(self.config, "connect_timeout", None)

    def proceed(self) -> Any:
        """Make the attempt, once at most; botocore's pair of an answer (HTTP response, parsed body) and an error."""
        if self._made is None:
            self._made = self._make()
        return self._made


class SdkCall(FunctionPoint):
    """One attempt of an SDK call that the function makes, about to be sent."""

    service: str = ""
    """boto3's name of the service."""

    operation: str = ""
    call: int = 0
    """How many attempts at this operation the invocation has made before."""

    attempt: Any = None

    @property
    def identity(self) -> tuple[object, ...]:
        return (*super().identity, self.service, self.operation, self.call)

    @classmethod
    def within(cls, point: FunctionPoint, **more: Any) -> Self:
        """The next attempt of the invocation of `point`."""
        what = ("attempt", point.request_id, point.nth, more["service"], more["operation"])
        return super().within(point, call=point.memory.count(what), **more)

    @classmethod
    @contextmanager
    def watch(cls, reach: Reach) -> Iterator[None]:
        """Ask `reach` at each attempt that botocore makes anywhere in this process."""
        _reaches.append(reach)
        try:
            _hook()
            yield
        finally:
            _reaches.remove(reach)
            if not _reaches:
                _unhook()


_reaches: list[Reach] = []
_HOOKED = ("_do_get_response", "_send")


def _hook() -> None:
    """Replace botocore's methods, unless they are; whoever else replaces them may have put back what was there before us."""
    from botocore.endpoint import Endpoint

    for name, wrapper in zip(_HOOKED, (_asking, _in_place_of), strict=True):
        current = getattr(Endpoint, name)
        if not hasattr(current, "stagefright_hooks"):
            replaced: Any = wrapper(current)
            replaced.stagefright_hooks = current
            setattr(Endpoint, name, replaced)


def _unhook() -> None:
    from botocore.endpoint import Endpoint

    for name in _HOOKED:
        original = getattr(getattr(Endpoint, name), "stagefright_hooks", None)
        if original is not None:
            setattr(Endpoint, name, original)


def _asking(original: Callable[..., Any]) -> Callable[..., Any]:
    def do_get_response(endpoint: Any, request: Any, operation_model: Any, context: Any) -> Any:
        attempt = Attempt(original, endpoint, request, operation_model, context)
        outcome = _outcome(attempt)
        if isinstance(outcome, Answer) and not isinstance(outcome.value, Reply):
            return outcome.value
        if outcome is None:
            return attempt.proceed()
        setattr(request, OUTCOME, outcome)
        # A local stage answers for its own services without sending; what a fault answers goes all the way.
        send: Callable[..., Any] = getattr(original, "botocores_own", original)
        return send(endpoint, request, operation_model, context)

    return do_get_response


def _outcome(attempt: Attempt) -> Outcome:
    model = attempt.operation_model
    for reach in tuple(_reaches):
        outcome = reach(service=model.service_model.service_name, operation=model.name, attempt=attempt)
        if outcome is not None:
            return outcome
    return None


def _in_place_of(original: Callable[..., Any]) -> Callable[..., Any]:
    def send(endpoint: Any, request: Any) -> Any:
        outcome = getattr(request, OUTCOME, None)
        if isinstance(outcome, Exception):
            raise outcome
        return original(endpoint, request) if outcome is None else outcome.value.as_botocore_has_it(request)

    return send
