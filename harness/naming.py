"""How resources are named: a stage may know more spellings of a resource's name than the one that it uses itself."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Naming(Protocol):
    """A stage that understands several names of a resource."""

    def name_of(self, spelling: str) -> str:
        """What the stage calls the resource that is meant; a name that it does not know as it is."""
        ...


def name_of(stage: object, spelling: str) -> str:
    """What a stage calls the resource that is meant; the same, if it knows one name for each only."""
    return stage.name_of(spelling) if isinstance(stage, Naming) else spelling
