"""
What an invocation answers: the handler's result as JSON, or one of Lambda's error payloads (aws-semantics §1.2, §1.4).

Key order is AWS's, so a payload compares equal to a recorded one even as text.
"""

from __future__ import annotations

import json
import math
import traceback
from collections.abc import Iterable, Mapping
from decimal import Decimal
from types import FrameType, TracebackType
from typing import Any

from stagefright.services.lambda_limits import RESPONSE_BYTES_MAX

Payload = dict[str, Any]
"""An error payload, in AWS's key order."""

FUNCTION_ERROR = "Unhandled"
"""The only value of `FunctionError` ever recorded on AWS (§1.1)."""

TIMED_OUT = "Sandbox.Timedout"
"""The `errorType` of a handler that ran into its timeout."""

ASCII_RUNTIMES = frozenset({"python3.8", "python3.9", "python3.10", "python3.11"})
"""Runtimes whose client escapes non-ASCII text in a response; later ones write it as it is."""


class MarshalError(Exception):
    """A handler returned something that JSON cannot hold; `payload` is what AWS answers."""

    def __init__(self, reason: object, request_id: str) -> None:
        super().__init__(str(reason))
        self.payload = _runtime_fault("Runtime.MarshalError", f"Unable to marshal response: {reason}", request_id)


def marshal_response(response: object, *, runtime: str, request_id: str) -> bytes:
    """
    A handler's result as the Python runtime client writes it, or `MarshalError`.

    Decimals become numbers, named tuples become objects, bytes pass unchanged.

    >>> marshal_response({"price": Decimal("1.10")}, runtime="python3.12", request_id="r")
    b'{"price": 1.10}'
    """
    if isinstance(response, bytes):
        return response
    encoder = _Encoder(ensure_ascii=runtime in ASCII_RUNTIMES)
    try:
        text = encoder.write(response)
    except Exception as fault:
        # A user's object can raise anything from its `__str__` or `__iter__`; AWS reports every one of them alike.
        raise MarshalError(fault, request_id) from fault
    return text.encode("utf-8", "surrogatepass")


def marshal_error(payload: Payload, *, runtime: str = "") -> bytes:
    """
    An error payload as the bytes that a caller receives.

    The Python runtime client writes blanks after commas and colons; Lambda's own payloads (timeout, exit, oversize
    response), which have no stack trace, are compact.
    """
    separators = (", ", ": ") if "stackTrace" in payload else (",", ":")
    text = json.dumps(payload, ensure_ascii=runtime in ASCII_RUNTIMES, separators=separators)
    return text.encode("utf-8", "surrogatepass")


class _Encoder(json.JSONEncoder):
    """
    The standard encoder with the two habits of simplejson that AWS's client has.

    A decimal cannot be written raw through `default`, so a marker is written and replaced at the end.
    """

    def __init__(self, *, ensure_ascii: bool) -> None:
        super().__init__(ensure_ascii=ensure_ascii)
        self._decimals: dict[str, str] = {}

    def write(self, value: object) -> str:
        text = self.encode(value)
        # Encoding first proves that the value has no cycles, so the walk below ends.
        if _has_named_tuple(value):
            text = self.encode(_without_named_tuples(value))
        for marker, digits in self._decimals.items():
            text = text.replace(f'"{marker}"', digits)
        return text

    def default(self, o: object) -> object:
        if not isinstance(o, Decimal):
            return super().default(o)
        if o.is_nan():
            return math.nan
        marker = f"<decimal {len(self._decimals)} of {id(self)}>"
        self._decimals[marker] = str(o)
        return marker


def _has_named_tuple(value: object) -> bool:
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return True
    return any(_has_named_tuple(part) for part in _parts(value))


def _without_named_tuples(value: object) -> object:
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {key: _without_named_tuples(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_named_tuples(part) for part in value]
    return value


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, (list, tuple)) else ()


def is_too_large(response: bytes) -> bool:
    """Whether a response is over what Lambda returns from a synchronous invocation."""
    return len(response) > RESPONSE_BYTES_MAX


def response_too_large() -> Payload:
    """The payload that replaces a response over 6 MB."""
    return {
        "errorMessage": f"Response payload size exceeded maximum allowed payload size ({RESPONSE_BYTES_MAX} bytes).",
        "errorType": "Function.ResponseSizeTooLarge",
    }


def readable(body: bytes) -> Any:
    """
    A payload as its JSON value, or as text where a handler answered with bytes that are no JSON.

    >>> readable(b'{"a": 1}'), readable(b"x")
    ({'a': 1}, 'x')
    """
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")


def handler_error(error: BaseException, request_id: str, shown_as: Mapping[str, str] | None = None) -> Payload:
    """
    The payload of an exception that a Python handler raised.

    Args:
        request_id: "" for a failure at module level (init), as AWS has it.
        shown_as: folders of unpacked code, and what they are called on Lambda.
    """
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "requestId": request_id,
        "stackTrace": [_renamed(line, shown_as or {}) for line in stack_trace(error.__traceback__)],
    }


def _renamed(line: str, shown_as: Mapping[str, str]) -> str:
    for folder, name in shown_as.items():
        line = line.replace(folder, name)
    return line


def stack_trace(trace: TracebackType | None) -> list[str]:
    """A traceback as the runtime client formats it, without the harness's own frames (on AWS: the bootstrap's)."""
    kept = [(frame, line) for frame, line in traceback.walk_tb(trace) if not _is_ours(frame)]
    summary = traceback.StackSummary.extract(iter(kept))
    # Four-tuples, as the runtime client passes them: the format then has no column markers (`^^^^`).
    return traceback.format_list([(step.filename, step.lineno or 0, step.name, step.line) for step in summary])


def uncaught(error: BaseException, shown_as: Mapping[str, str]) -> list[str]:
    """What Python writes of an exception that nobody catches, without the harness's own frames."""
    trace = [_renamed(line, shown_as) for line in stack_trace(error.__traceback__)]
    return ["Traceback (most recent call last):\n", *trace, *traceback.format_exception_only(error)]


def _is_ours(frame: FrameType) -> bool:
    module = str(frame.f_globals.get("__name__", ""))
    return module == "stagefright" or module.startswith("stagefright.")


def import_module_error(module: str, error: BaseException, request_id: str = "") -> Payload:
    """The payload when the handler's module, or what it imports, cannot be imported."""
    return _runtime_fault("Runtime.ImportModuleError", f"Unable to import module '{module}': {error}", request_id)


def handler_not_found(function: str, module: str, request_id: str = "") -> Payload:
    """The payload when the module has no such function."""
    return _runtime_fault("Runtime.HandlerNotFound", f"Handler '{function}' missing on module '{module}'", request_id)


def syntax_error(module: str, error: SyntaxError, request_id: str = "") -> Payload:
    """The payload when the handler's module does not parse; its one trace line is the runtime client's own form."""
    payload = _runtime_fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module}': {error}", request_id)
    return {**payload, "stackTrace": [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']}


def malformed_handler_name(handler: str, request_id: str = "") -> Payload:
    """The payload when the handler setting has no dot; the reason is Python's text from unpacking the split."""
    reason = "not enough values to unpack (expected 2, got 1)"
    return _runtime_fault("Runtime.MalformedHandlerName", f"Bad handler '{handler}': {reason}", request_id)


def timed_out(request_id: str, timeout_s: float) -> Payload:
    """The payload of a handler that ran into its timeout."""
    return {
        "errorType": TIMED_OUT,
        "errorMessage": f"RequestId: {request_id} Error: Task timed out after {timeout_s:.2f} seconds",
    }


def runtime_exited(request_id: str, reason: str | None = None) -> Payload:
    """
    The payload when the runtime's process ends by itself.

    `reason` is for example `exit status 127` or `signal: killed`; without one it is `sys.exit()` in a Python handler.
    """
    ending = f"Runtime exited with error: {reason}" if reason else "Runtime exited without providing a reason"
    return {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {request_id} Error: {ending}"}


def out_of_memory(request_id: str, error_type: str) -> Payload:
    """The payload when the kernel kills a runtime that has used up its memory; which error type AWS gives it is an assumption."""
    return {**runtime_exited(request_id, "signal: killed"), "errorType": error_type}


def _runtime_fault(kind: str, message: str, request_id: str) -> Payload:
    return {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": []}
