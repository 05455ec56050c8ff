"""
What AWS's Python runtime client does in an environment: it imports the handler, calls it, and words what goes wrong (aws-semantics §1.4).

Both functions run on the environment's thread.
"""

from __future__ import annotations

import bdb
import json
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from stagefright.functions import payloads
from stagefright.tasks import ThreadEnds

if TYPE_CHECKING:
    from stagefright.functions.context import LambdaContext
    from stagefright.functions.environment import Environment

Handler = Callable[[Any, Any], Any]


class Answer(NamedTuple):
    """What a handler's call came to."""

    body: bytes
    error: payloads.Payload | None
    keep: bool
    """Whether the environment lives on."""


def load_handler(environment: Environment, setting: str, *, out_of_memory: str) -> payloads.Payload | None:
    """Import the handler; returns the error payload if that fails. `out_of_memory` is the error type of lacking memory."""
    names = environment.split_handler(setting)
    if names is None:
        return payloads.malformed_handler_name(setting)
    module_name, function_name = names
    try:
        module = environment.modules.load(module_name)
    except ThreadEnds:
        raise
    except BaseException as error:
        if _is_for_the_test(error):
            raise
        return _import_failure(environment, module_name, error, out_of_memory)
    if getattr(module, function_name, None) is None:
        return payloads.handler_not_found(function_name, module_name)

    # Looked up anew for each invocation, so that a test may patch the handler itself.
    def handle(event: Any, context: Any) -> Any:
        return getattr(module, function_name)(event, context)

    environment.handler = handle
    return None


def _import_failure(
    environment: Environment, module_name: str, error: BaseException, out_of_memory: str
) -> payloads.Payload:
    if isinstance(error, ImportError):
        return payloads.import_module_error(module_name, error)
    if isinstance(error, SyntaxError):
        return payloads.syntax_error(module_name, error)
    if isinstance(error, MemoryError):
        return payloads.out_of_memory(environment.request_id, out_of_memory)
    if not isinstance(error, Exception):
        return payloads.runtime_exited(environment.request_id, _end_of_process(error, environment.shown_as))
    return payloads.handler_error(error, "", environment.shown_as)


def call_handler(
    handler: Handler,
    event: bytes,
    context: LambdaContext,
    runtime: str,
    shown_as: Mapping[str, str],
    *,
    out_of_memory: str,
) -> Answer:
    """
    Call the handler, and marshal what it returns or raises.

    A `MemoryError` that nobody catches stands for the kernel's killing the process, which on Lambda comes first.
    """
    request_id = context.aws_request_id
    keep = True
    try:
        answer = handler(json.loads(event), context)
        return Answer(payloads.marshal_response(answer, runtime=runtime, request_id=request_id), None, keep=True)
    except ThreadEnds:
        raise
    except payloads.MarshalError as error:
        payload = error.payload
    except MemoryError:
        payload, keep = payloads.out_of_memory(request_id, out_of_memory), False
    except BaseException as error:
        if _is_for_the_test(error):
            raise
        if isinstance(error, Exception):
            payload = payloads.handler_error(error, request_id, shown_as)
        else:
            payload, keep = payloads.runtime_exited(request_id, _end_of_process(error, shown_as)), False
    return Answer(payloads.marshal_error(payload, runtime=runtime), payload, keep)


def _end_of_process(error: BaseException, shown_as: Mapping[str, str]) -> str | None:
    """
    How Python ends on an exception that is no `Exception`, which AWS's client does not catch: with what exit status or signal.

    Python writes the exception to standard error first, and for a `SystemExit` the text that it holds.
    """
    if isinstance(error, SystemExit):
        if error.code is not None and not isinstance(error.code, int):
            sys.stderr.write(f"{error.code}\n")
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
        return f"exit status {status & STATUS_MASK}" if status & STATUS_MASK else None
    sys.stderr.write("".join(payloads.uncaught(error, shown_as)))
    return "signal: interrupt" if isinstance(error, KeyboardInterrupt) else "exit status 1"


STATUS_MASK = 0xFF
"""What POSIX keeps of an exit status."""

FOR_THE_TEST = ("_pytest.", "hypothesis.")
"""Where exceptions live that steer the test which patched the handler, and are no errors of it."""


def _is_for_the_test(error: BaseException) -> bool:
    """Whether an exception speaks to the test and not to Lambda: `pytest.fail()` in a stub, or leaving the debugger."""
    homes = (kind.__module__ for kind in type(error).__mro__)
    return isinstance(error, bdb.BdbQuit) or any(home.startswith(FOR_THE_TEST) for home in homes)
