"""Functions of Python that are replaced while faults watch what a handler does with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Replacements:
    """What is replaced now, and what stood there before."""

    def __init__(self) -> None:
        self._originals: dict[tuple[Any, str], tuple[Any, Any]] = {}

    def put(self, target: Any, name: str, wrapper: Callable[[Any], Any]) -> None:
        """Put what the wrapper makes of an attribute in its place, unless it stands there already or there is no such attribute."""
        original = getattr(target, name, None)
        if original is not None and (target, name) not in self._originals:
            replaced = wrapper(original)
            self._originals[target, name] = (original, replaced)
            setattr(target, name, replaced)

    def take_back(self) -> None:
        """Put everything back, except where somebody else replaced ours meanwhile: who calls theirs still passes through ours."""
        for (target, name), (original, replaced) in self._originals.items():
            if getattr(target, name) is replaced:
                setattr(target, name, original)
        self._originals.clear()
