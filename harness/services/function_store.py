"""What the parts of the Lambda service share: the state of all functions, and how a name finds one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from stagefright.aws_api.errors import ApiError
from stagefright.chance import Chance
from stagefright.clock import Clock
from stagefright.functions.code import CodeStore
from stagefright.services.function import LATEST, Function, FunctionVersion, Layer
from stagefright.services.function_names import FunctionName, not_found, parse

if TYPE_CHECKING:
    from stagefright.services.event_source_mapping import EventSourceMapping

Parameters = Mapping[str, Any]
"""An operation's parameters, as boto3 takes them."""

Response = dict[str, Any]
"""An operation's response, as boto3 returns it, without ResponseMetadata."""

T = TypeVar("T")


class Queues(Protocol):
    """What a mapping needs to know of queues."""

    def get_queue_url(self, params: Mapping[str, Any]) -> dict[str, Any]: ...

    def get_queue_attributes(self, params: Mapping[str, Any]) -> dict[str, Any]: ...


class Journal(Protocol):
    """Where warnings go."""

    def write(self, kind: str, resource: str, **detail: Any) -> Any: ...


class LambdaWorld(Protocol):
    """What the Lambda service needs of its world."""

    @property
    def account(self) -> str: ...

    @property
    def region(self) -> str: ...

    @property
    def account_concurrency(self) -> int: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def chance(self) -> Chance: ...

    @property
    def journal(self) -> Journal: ...

    @property
    def queues(self) -> Queues: ...

    @property
    def code_dir(self) -> Path: ...

    def read_s3(self, bucket: str, key: str, version: str | None, /) -> bytes: ...

    def has_stream(self, arn: str, /) -> bool: ...

    def name_of(self, arn_or_name: str, /) -> str: ...


@dataclass(frozen=True, slots=True)
class State:
    """Everything the Lambda service knows; never changed, only replaced."""

    functions: Mapping[str, Function] = field(default_factory=dict)
    layers: Mapping[str, Layer] = field(default_factory=dict)
    mappings: Mapping[str, EventSourceMapping] = field(default_factory=dict)
    draws: Mapping[tuple[object, ...], int] = field(default_factory=dict)
    """How often each kind of id was drawn, so that the next one differs and a restored world repeats itself."""


class FunctionStore:
    """The state, with look-ups and small writes; the base of every part of the Lambda service."""

    def __init__(self, world: LambdaWorld) -> None:
        self._world = world
        self._state = State()
        self._code = CodeStore(world.code_dir, world.read_s3)
        self.on_mapping_changed: list[Callable[[EventSourceMapping], None]] = []
        """Called after a mapping was created, updated, enabled, disabled or deleted (`state` says which)."""
        self.on_code_changed: list[Callable[[Function], None]] = []
        """Called after a function's code or configuration changed or it was deleted: warm environments are stale."""
        self.on_provisioned: list[Callable[[Function], None]] = []
        """Called after the provisioned concurrency of a function changed, or the version that an alias provisions."""

    # Names

    def _name(self, params: Parameters) -> FunctionName:
        """The `FunctionName` and `Qualifier` of a call; another account or region is refused as AWS does."""
        name = parse(params["FunctionName"], params.get("Qualifier"))
        if name.account and name.account != self._world.account:
            arn = f"arn:aws:lambda:{name.region or self._world.region}:{name.account}:function:{name.name}"
            message = (
                f"User: arn:aws:iam::{self._world.account}:root is not authorized to perform this operation on "
                f"resource: {arn} because no resource-based policy allows it"
            )
            raise ApiError("AccessDeniedException", message, status=403)
        if name.region and name.region != self._world.region:
            message = f"Functions from '{name.region}' are not reachable in this region ('{self._world.region}')"
            raise not_found(message)
        return name

    def _arn(self, name: str) -> str:
        return f"arn:aws:lambda:{self._world.region}:{self._world.account}:function:{name}"

    def _function(self, params: Parameters) -> Function:
        return self._locate(params)[0]

    def _locate(self, params: Parameters) -> tuple[Function, str | None]:
        """The function that a call names, and the qualifier it gave."""
        name = self._name(params)
        function = self._state.functions.get(name.name)
        if function is None:
            suffix = f":{name.qualifier}" if name.qualifier else ""
            raise not_found(f"Function not found: {self._arn(name.name)}{suffix}")
        return function, name.qualifier

    def _locate_version(self, params: Parameters) -> tuple[Function, FunctionVersion, str | None]:
        function, qualifier = self._locate(params)
        return function, version_of(function, qualifier), qualifier

    # Writes

    def _keep(self, function: Function) -> Function:
        self._state = replace(self._state, functions={**self._state.functions, function.name: function})
        return function

    def _touch(self, function: Function) -> Function:
        """Give `$LATEST` a new revision, as AWS does when a policy or a setting beside it changes."""
        return replace(function, latest=replace(function.latest, revision_id=self._revision(function.arn)))

    def _code_changed(self, function: Function) -> None:
        for hook in self.on_code_changed:
            hook(function)

    def _provisioned_changed(self, function: Function) -> None:
        for hook in self.on_provisioned:
            hook(function)

    # Ids and time

    def _draw(self, *key: object) -> int:
        """How often this key was drawn before."""
        n = self._state.draws.get(key, 0)
        self._state = replace(self._state, draws={**self._state.draws, key: n + 1})
        return n

    def _uuid(self, *key: object) -> str:
        return self._world.chance.uuid("lambda", *key, self._draw(*key))

    def _revision(self, arn: str) -> str:
        return self._uuid("revision", arn)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._world.clock.now(), UTC)

    def _modified(self) -> str:
        """Now, as Lambda writes `LastModified` (`+0000`, not `Z`)."""
        return self._world.clock.iso().replace("Z", "+0000")


def version_of(function: Function, qualifier: str | None) -> FunctionVersion:
    """The version behind a qualifier (an alias means its main version), or AWS's 404."""
    number = qualifier or LATEST
    if alias := function.aliases.get(number):
        number = alias.version
    version = function.version(number)
    if version is None:
        raise not_found(f"Function not found: {function.arn}:{qualifier}")
    return version


def check_revision(given: str | None, current: str, *, call: str = "GetFunction/GetAlias") -> None:
    """Refuse a call that was made for another revision; None means the caller does not mind."""
    if given is not None and given != current:
        message = (
            "The RevisionId provided does not match the latest RevisionId. "
            f"Call the {call} API to retrieve the latest RevisionId"
        )
        raise ApiError("PreconditionFailedException", message, status=412, Type="User")


def page(items: Sequence[T], params: Parameters, key: str, default_size: int = 50) -> dict[str, Any]:
    """
    One page of a list operation: `MaxItems` of `items` from `Marker` on.

    >>> page(["a", "b", "c"], {"MaxItems": 2}, "Names")
    {'Names': ['a', 'b'], 'NextMarker': '2'}
    """
    start = int(params.get("Marker") or 0)
    end = start + int(params.get("MaxItems") or default_size)
    response: dict[str, Any] = {key: list(items[start:end])}
    return {**response, "NextMarker": str(end)} if end < len(items) else response
