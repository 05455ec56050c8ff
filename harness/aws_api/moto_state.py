"""
The state that moto keeps, as something that a world can copy, put back, and set aside while another world is active.

moto holds everything in one dictionary per service (`BackendDict`). One deep copy over all of them keeps the references
between services right; locks are made anew, since they cannot be copied.
"""

from __future__ import annotations

import copy
import copyreg
import sys
import threading
from typing import Any

_NativeLock = type(threading.Lock())
_NativeRLock = type(threading.RLock())

State = list[tuple[Any, dict[str, Any], dict[str, Any]]]
"""Each service's dictionary, what is in it, and (S3) which account owns which bucket name."""


def current() -> State:
    """What moto holds now, by reference."""
    return [(backend, dict(backend), dict(_bucket_owners(backend))) for backend in _backends()]


def take_over(state: State) -> None:
    """Make `state` (by reference) what moto holds; services that are not in it become empty."""
    kept = {id(backend): (content, owners) for backend, content, owners in state}
    for backend in _backends():
        content, owners = kept.get(id(backend), ({}, {}))
        backend.clear()
        backend.update(content)
        _bucket_owners(backend).clear()
        _bucket_owners(backend).update(owners)


def copy_of(state: State) -> State:
    """A copy that shares nothing with `state`."""
    make_copyable()
    # The dictionaries themselves stay: models refer to them.
    memo: dict[int, Any] = {id(backend): backend for backend, _, _ in state}
    contents = copy.deepcopy([content for _, content, _ in state], memo)
    return [(backend, content, dict(owners)) for (backend, _, owners), content in zip(state, contents, strict=True)]


def _bucket_owners(backend: Any) -> dict[str, Any]:
    owners: dict[str, Any] = getattr(backend, "bucket_accounts", {})
    return owners


def untracked(model: type, *_: Any, **__: Any) -> Any:
    """In place of `BaseModel.__new__`, which remembers every model ever built: each item ever written to a table, for one."""
    return object.__new__(model)


def seed(value: int) -> None:
    """Make the ids that moto draws repeatable."""
    from moto.moto_api._internal import mock_random

    mock_random.seed(value)


def pause_mock() -> bool:
    """
    Let moto's own mock, if the user's tests have one active, answer for nobody; says whether there was one.

    It would answer before the door does, and nobody would know whose call it was.
    """
    from moto.core.models import botocore_stubber

    was_active, botocore_stubber.enabled = botocore_stubber.enabled, False
    return bool(was_active)


def resume_mock(*, was_active: bool) -> None:
    """Let moto's own mock answer again, if it did and was not stopped meanwhile."""
    from moto.core.models import MockAWS, botocore_stubber

    botocore_stubber.enabled = was_active and MockAWS._mocks_active


_known: tuple[int, list[Any]] = (0, [])


def _backends() -> list[Any]:
    """
    Every service's dictionary, found in the modules that are loaded.

    moto's own list of them misses some: it compares dictionaries by content, and two empty services look the same.
    """
    global _known
    # Handlers' modules come and go, so the number of all modules says nothing; moto's only ever come.
    names = [name for name in sys.modules if name.endswith(".models") and name.startswith("moto.")]
    if len(names) != _known[0]:
        _known = len(names), _scan(names)
    return _known[1]


def _scan(names: list[str]) -> list[Any]:
    from moto.core.base_backend import BackendDict

    found: dict[int, Any] = {}
    for name in sorted(names):
        found |= {id(value): value for value in vars(sys.modules[name]).values() if isinstance(value, BackendDict)}
    return list(found.values())


def make_copyable() -> None:
    """Teach `copy` about the few things in moto's models that it cannot copy."""
    copyreg.pickle(_NativeLock, lambda _: (threading.Lock, ()))
    copyreg.pickle(_NativeRLock, lambda _: (threading.RLock, ()))
    copyreg.pickle(threading.Condition, lambda _: (threading.Condition, ()))
    _make_parameters_copyable()


def _make_parameters_copyable() -> None:
    """`ParameterDict` of SSM holds a lambda; only its account, region and content matter."""
    module = sys.modules.get("moto.ssm.models")
    if module is None:
        return

    def deepcopy(parameters: Any, memo: dict[int, Any]) -> Any:
        made = type(parameters)(parameters.account_id, parameters.region_name)
        memo[id(parameters)] = made
        for name, value in parameters.__dict__.items():
            if name not in made.__dict__:
                made.__dict__[name] = copy.deepcopy(value, memo)
        for key, value in dict.items(parameters):
            dict.__setitem__(made, key, copy.deepcopy(value, memo))
        return made

    module.ParameterDict.__deepcopy__ = deepcopy
