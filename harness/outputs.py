"""The outputs of a stack, wherever it lives."""

from __future__ import annotations

from stagefright.errors import UnknownOutput, nearest


class Outputs(dict[str, str]):
    """A stack's outputs; asking for one that is not there lists those that are. `in` and `get` are a dictionary's."""

    def __missing__(self, name: str) -> str:
        raise UnknownOutput(f"The stack has no output {name!r}. {nearest(name, self)}")
