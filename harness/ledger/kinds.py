"""
The kinds of things that a ledger knows, and where it is written how each is undone.

Whoever makes or overwrites something calls, before the act,

    strike = stage.ledger.note(kind, name, before=..., wrote=..., **detail)

and `strike()` once it is gone, or as it was, again. `before=None` says that there is nothing now; undoing is deleting then. What
a kind needs:

| kind | name | before | wrote | detail | undone by |
|---|---|---|---|---|---|
| `item` | table's name | the item, DynamoDB's typed JSON | `fingerprint(item)` | `key` (typed JSON) | PutItem or DeleteItem, if nobody changed it |
| `object` | bucket's name | `Body` (bytes or a stream) and what else PutObject takes | SHA-256 of the body | `key`; where a put leaves what was there: `is_versioned=True`, `version` (the id of what was there, or None) | PutObject, DeleteObject, or deleting the versions that were written |
| `parameter` | SSM name | what PutParameter takes: `Value`, `Type`, ... | `fingerprint(value)` | | PutParameter or DeleteParameter |
| `secret` | name or ARN | `SecretString` or `SecretBinary` | `fingerprint(value)` | | PutSecretValue or DeleteSecret without recovery |
| `user` | user name | `attributes` (mapping), `groups` (list) | | `pool` (id), `attributes`, `groups` (as written) | AdminDeleteUser, or attributes and groups as they were |
| `claim` | SSM name | | | `holder` (the process, in the claim's text), `key` (what is claimed, in words) | DeleteParameter, if it is still that holder's |
| `message` | queue's URL | | `fingerprint` of what was sent | `key` (the message's id; None until SQS has said it), `delay_s` | DeleteMessage, where that disturbs nobody (docs/ledger.md) |
| `flag` | SSM name | the text, if a foreign flag at rest was there | | `flag_run` (the run in the flag's own text) | see `chaos/sweep.py` |
| `queue` | queue's name | | | | DeleteQueue, if the queue carries the run's tags |
| `subscription` | topic's ARN | | | `endpoint` (ARN of the queue) | Unsubscribe of all that lead from the topic to the queue |
| `rule` | rule's name | | | `bus` (name; default `default`) | RemoveTargets, DeleteRule, if the rule carries the run's tags |
| `pulse` | SSM name | | | | DeleteParameter (`targets/pulse.py`) |
| `stack` | stack's name | | | if a command of the settings deployed it: `untagged=True`, `began` (by the account's clock), `stack_id` once it is known | as `stagefright down` does, if the stack carries the run's tags, or came after the line |
| `code_object` | bucket's name | | | `key` | DeleteObject, unless another run used it since |
| `code_bucket` | bucket's name | | | | never: all stages of an account share it |
| `container` | container's name | | | `docker_host` (or None: the environment's) | removed, if it carries the run's tags as labels; what was in it is gone with it |
| `schema` | schema's name | | | `role` (its user), `url` or `url_variable` (the server's URL, or the variable that holds it) | DROP SCHEMA CASCADE and DROP ROLE, if its comment has the run's tags |

The first five may have the detail `claim`: the parameter of the claim that the run has on them. A sweep leaves alone what a living run holds.

An object that is there now although the run died before making it, or that another run made, is told by tags (`Run.tags`),
labels or values, and left alone. A kind of your own is a class with the two methods of `Kind`, and is known once `register`
was called, or by an entry point of the group `stagefright.ledger_kinds` whose name is the kind's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from stagefright.errors import UsageError

if TYPE_CHECKING:
    from stagefright.ledger.reading import Entry

ENTRY_POINTS = "stagefright.ledger_kinds"
"""The group of entry points by which other packages add kinds."""


class Fate(Enum):
    """How a thing of a ledger stands in the account."""

    AS_BEFORE = "as it was"
    """It is gone, or has its old value: there is nothing to undo."""
    DELETE = "delete"
    """It is there and the run's own."""
    RESTORE = "restore"
    """It has the value that the run gave it."""
    CHANGED = "changed by somebody since"
    """It is not what the run left, so it is not undone unasked."""
    FOREIGN = "not this run's"
    """It has the name and is somebody else's; never touched."""
    KEEP = "stays"
    """It is meant to stay."""


@dataclass(frozen=True, slots=True)
class State:
    """How a thing stands, and why."""

    fate: Fate
    reason: str = ""


class Clients(Protocol):
    """A way to the account: a stage, or `Account`."""

    def client(self, service: str) -> Any:
        """A boto3 client."""
        ...


class Kind(Protocol):
    """How things of one kind are looked at and undone."""

    def look(self, entry: Entry, account: Clients) -> State:
        """How the thing stands; reads only."""
        ...

    def undo(self, entry: Entry, account: Clients) -> None:
        """Bring it back to `entry.before`, or delete it; one that is gone is fine."""
        ...


_OURS = {
    "item": "tables:Items",
    "object": "objects:Objects",
    "parameter": "parameters:Parameters",
    "secret": "secrets:Secrets",
    "user": "users:Users",
    "claim": "claims:Claims",
    "message": "messages:Messages",
    "queue": "messaging:Queues",
    "subscription": "messaging:Subscriptions",
    "rule": "messaging:Rules",
    "stack": "stacks:Stacks",
    "code_object": "stacks:CodeObjects",
    "code_bucket": "stacks:CodeBuckets",
    "container": "containers:Containers",
    "schema": "schemas:Schemas",
    "pulse": "pulses:Pulses",
}
"""Kind, and the class below `undo/` that undoes it."""

_REGISTERED: dict[str, Callable[[], Kind]] = {}


class UnknownKind(UsageError):
    """A ledger has a thing of a kind that nobody here can undo."""


def register(name: str, make: Callable[[], Kind]) -> None:
    """Make a kind known; `make` is called when the first thing of that kind is looked at."""
    _REGISTERED[name] = make
    kind_named.cache_clear()


@cache
def kind_named(name: str) -> Kind:
    """The kind of that name. Raises `UnknownKind`."""
    if name in _REGISTERED:
        return _REGISTERED[name]()
    if name in _OURS:
        module, _, cls = _OURS[name].partition(":")
        made: Kind = getattr(import_module(f"stagefright.ledger.undo.{module}"), cls)()
        return made
    return _from_elsewhere(name)


def _from_elsewhere(name: str) -> Kind:
    from importlib.metadata import entry_points

    for point in entry_points(group=ENTRY_POINTS, name=name):
        made: Kind = point.load()()
        return made
    known = ", ".join(sorted({*_OURS, *_REGISTERED}))
    raise UnknownKind(
        f"Nothing here can undo a {name!r}. Known kinds: {known}. A newer Stagefright, or the package that made it, may know it."
    )
