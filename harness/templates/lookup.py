"""What a template asks of the stage while it is deployed, and the two stand-ins used while it is only read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NoReturn, Protocol


class Lookup(Protocol):
    """Answers what only a stage that is being deployed can know."""

    def ref(self, logical_id: str) -> str:
        """The physical id that `Ref` gives for a resource."""

    def get_att(self, logical_id: str, attribute: str) -> Any:
        """An attribute of a resource, such as `Arn`."""

    def ssm(self, name: str, version: str | None, secure: bool) -> str:
        """The value of an SSM parameter; the latest version if none is named."""

    def secret(self, secret_id: str, json_key: str | None, version_stage: str | None, version_id: str | None) -> str:
        """A secret's string, or one key of it."""


class Marker:
    """A value that no template can contain; compare with `is`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


NO_VALUE: Final = Marker("AWS::NoValue")
"""What `Ref: AWS::NoValue` resolves to; whoever holds it drops it."""

UNKNOWN: Final = Marker("(known at deployment)")
"""What a rehearsal gets from its lookup; an intrinsic that is fed with it gives it back."""


class Rehearsal:
    """
    A lookup that knows nothing and notes who was asked for.

    Resolving a resource with it finds the resource's mistakes and its dependencies before anything is deployed.
    """

    def __init__(self) -> None:
        self.asked: dict[str, None] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self.asked)

    def ref(self, logical_id: str) -> Any:
        """Note the resource."""
        self.asked[logical_id] = None
        return UNKNOWN

    def get_att(self, logical_id: str, *_: Any, **__: Any) -> Any:
        """Note the resource."""
        self.asked[logical_id] = None
        return UNKNOWN

    def ssm(self, *_: Any, **__: Any) -> Any:
        """Not known yet."""
        return UNKNOWN

    def secret(self, *_: Any, **__: Any) -> Any:
        """Not known yet."""
        return UNKNOWN


class NotStatic(Exception):
    """A value was needed while the template was read, but only a deployment can know it."""


class Static:
    """A lookup for what must be known before deployment: conditions, loops, paths."""

    def ref(self, logical_id: str) -> NoReturn:
        """Not known yet."""
        raise NotStatic(f"the resource {logical_id}")

    def get_att(self, logical_id: str, attribute: str) -> NoReturn:
        """Not known yet."""
        raise NotStatic(f"{logical_id}.{attribute}")

    def ssm(self, name: str, *_: Any, **__: Any) -> NoReturn:
        """Not known yet."""
        raise NotStatic(f"the SSM parameter {name}")

    def secret(self, secret_id: str, *_: Any, **__: Any) -> NoReturn:
        """Not known yet."""
        raise NotStatic(f"the secret {secret_id}")


def is_unknown(value: Any) -> bool:
    """Whether a rehearsed value has a hole anywhere in it."""
    if value is UNKNOWN:
        return True
    if isinstance(value, dict):
        return any(is_unknown(item) for item in value.values())
    return isinstance(value, list) and any(is_unknown(item) for item in value)
