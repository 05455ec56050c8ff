"""
Environment variables per function.

`os.environ` stays the same object, so code that imported it by name is reached too; only its class changes, to one that looks
into the execution environment whose code runs on this thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from stagefright.tasks import current_actor


def _own() -> dict[str, str] | None:
    """The variables of the function that runs on this thread, or None outside of functions."""
    actor = current_actor()
    if actor is None or actor.owner is None or actor.kernel.is_stepping:
        return None
    variables: dict[str, str] = actor.owner.environ
    return variables


class _WorldEnviron(os._Environ):  # type: ignore[type-arg]
    """`os.environ` as each function sees its own; the process's real one elsewhere."""

    def __getitem__(self, key: str) -> str:
        own = _own()
        if own is None:
            return str(super().__getitem__(key))
        return own[key]

    def __setitem__(self, key: str, value: str) -> None:
        own = _own()
        if own is None:
            super().__setitem__(key, value)
        elif not isinstance(value, str):
            raise TypeError(f"str expected, not {type(value).__name__}")
        else:
            own[key] = value

    def __delitem__(self, key: str) -> None:
        own = _own()
        if own is None:
            super().__delitem__(key)
        else:
            del own[key]

    def __iter__(self) -> Iterator[str]:
        own = _own()
        return super().__iter__() if own is None else iter(list(own))

    def __len__(self) -> int:
        own = _own()
        return super().__len__() if own is None else len(own)


def install() -> Callable[[], None]:
    """Give each function its own `os.environ`; returns what undoes it."""
    environ: Any = os.environ
    original = environ.__class__
    environ.__class__ = _WorldEnviron

    def restore() -> None:
        environ.__class__ = original

    return restore
