"""Failure: the function fails before its handler starts."""

from __future__ import annotations

import builtins
import difflib
import importlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass
from typing import Any

from stagefright.chaos.faults.fault import Fault, Harm, Point, Reader
from stagefright.chaos.faults.points import Invocation


@dataclass(frozen=True, eq=False, repr=False)
class Raising(Fault[Point]):
    """
    Raise an error with `message`.

    `error_type` names a builtin exception, or a class by its dotted path, which is imported inside the function.
    """

    message: str = "Injected failure"
    _: KW_ONLY
    error_type: str = "Exception"

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """The message is text; the type is a builtin exception or looks like a dotted path."""
        wrong = super().problems(settings)
        if not isinstance(settings.get("message", ""), str):
            wrong.append(f"message is {settings['message']!r}; it should be text")
        return [*wrong, *_type_problems(settings.get("error_type", "Exception"))]

    def prepare(self, point: Point) -> Harm:  # noqa: ARG002 (the contract)
        """Make the error once, so that a class that cannot be imported is found before anything is hurt."""
        return {"error_type": type(self.error()).__name__, "error_message": self.message}

    def heal(self, point: Point, harm: Harm) -> None:
        """Nothing lasts."""

    def error(self) -> Exception:
        """A new error of the type, whose text is exactly the message."""
        return _error(_exception_class(self.error_type), self.message)


@dataclass(frozen=True, eq=False, repr=False)
class Failure(Raising[Invocation]):
    """
    Raise an error in the handler's stead.

    >>> Failure("table is down")
    Failure(message='table is down')
    >>> Failure("no such user", error_type="KeyError").error()
    KeyError('no such user')
    """

    kind = "failure"
    turn = 60

    def translations(self) -> dict[Reader, dict[str, Any]]:
        """The other readers raise their language's plain error, so a chosen type cannot be said to them."""
        if self.error_type != "Exception":
            return {}
        return {
            Reader.FAILURE_LAMBDA_0X: {"failureMode": "exception", "exceptionMsg": self.message},
            Reader.FAILURE_LAMBDA_1X: {"exception": {"exception_msg": self.message}},
            Reader.CHAOS_LAMBDA: {"fault_type": "exception", "exception_msg": self.message},
        }

    def strike(self, point: Invocation, harm: Harm) -> Exception:  # noqa: ARG002 (the contract)
        """Return the error that the runtime raises."""
        return self.error()


def _type_problems(error_type: object) -> list[str]:
    if not isinstance(error_type, str) or not all(part.isidentifier() for part in error_type.split(".")):
        return [f"error_type is {error_type!r}; it should be a builtin exception or a dotted path to a class"]
    if "." in error_type:
        return []  # only the function itself can tell whether it has the class
    try:
        _error(_exception_class(error_type), "")
    except (ImportError, TypeError):
        known = [name for name, value in vars(builtins).items() if _is_exception_class(value)]
        close = difflib.get_close_matches(error_type, known, n=1)
        hint = f"did you mean {close[0]}?" if close else "give any other class by its dotted path"
        return [f"error_type {error_type!r} is not a builtin exception that can be raised with a message; {hint}"]
    return []


def _exception_class(name: str) -> type[Exception]:
    module, _, attribute = name.rpartition(".")
    found: object = getattr(importlib.import_module(module or "builtins"), attribute, None)
    if not _is_exception_class(found):
        raise TypeError(f"{name} is not an exception class")
    assert isinstance(found, type)
    return found


def _is_exception_class(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Exception)


def _error(kind: type[Exception], message: str) -> Exception:
    with suppress(Exception):
        error = kind(message)
        if str(error) == message:
            return error
    # The class wants other arguments (botocore's ClientError) or changes its text (KeyError quotes it). A subclass of
    # the same name is caught by the same `except`, and AWS reports it by the same errorType.
    body = {"__init__": Exception.__init__, "__str__": lambda _: message, "__module__": kind.__module__}
    lenient: type[Exception] = type(kind.__name__, (kind,), body)
    return lenient(message)
