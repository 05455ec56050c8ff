"""What the setting `protected` keeps from harm: stages by their names, and accounts by their ids."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase


def protecting(name: str | None, patterns: Iterable[str]) -> str | None:
    """
    The first pattern that protects a stage or an account; None if none does, or if the name is not known.

    >>> protecting("prod-eu", ["live", "prod-*"]), protecting("pr-7", ["prod-*"])
    ('prod-*', None)
    """
    return next((pattern for pattern in patterns if name and fnmatchcase(name, pattern)), None)
