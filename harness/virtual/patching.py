"""Replaces attributes and remembers how to put them back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Patches:
    """
    A set of replaced attributes.

    An attribute that somebody else replaced meanwhile (a `monkeypatch` that is still active) is left alone on the way back.
    """

    def __init__(self) -> None:
        self._replaced: list[tuple[Any, str, Any, Any]] = []

    def set(self, target: Any, name: str, value: Any) -> None:
        # A class method that was asked for through its class would come back as a method of that class alone.
        is_own = isinstance(target, type) and name in vars(target)
        original = vars(target)[name] if is_own else getattr(target, name)
        self._replaced.append((target, name, original, value))
        setattr(target, name, value)

    def restore(self) -> None:
        while self._replaced:
            target, name, original, ours = self._replaced.pop()
            if _raw(target, name) is ours:
                setattr(target, name, original)

    def restorer(self) -> Callable[[], None]:
        return self.restore


def _raw(target: Any, name: str) -> Any:
    """An attribute as it was set: asked for through its class, a class method or a property would be something else."""
    return vars(target).get(name) if isinstance(target, type) else getattr(target, name)
