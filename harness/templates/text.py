"""Scalars as CloudFormation writes them when it needs text, and the wording that messages share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stagefright.templates.lookup import NO_VALUE


def text_of(value: Any) -> str:
    """
    A scalar as text.

    >>> text_of(True), text_of(3), text_of("3")
    ('true', '3', '3')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def is_scalar(value: Any) -> bool:
    """Whether a value has a text: neither a list nor a mapping."""
    return isinstance(value, (str, int, float))


def is_number(value: str) -> bool:
    """Whether CloudFormation would take this text for a Number."""
    try:
        float(value)
    except ValueError:
        return False
    return True


def plural(count: int, noun: str) -> str:
    """
    A count with its noun.

    >>> plural(1, "problem"), plural(2, "problem")
    ('1 problem', '2 problems')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def content_of(directory: Path) -> str:
    """What a message says of a directory in which something was looked for."""
    if not directory.is_dir():
        return f"{directory} does not exist either."
    return f"{directory} holds: {', '.join(sorted(entry.name for entry in directory.iterdir())) or 'nothing'}."


def show(value: Any) -> str:
    """A value as messages quote it."""
    if value is NO_VALUE:
        return "AWS::NoValue"
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:117]}..."
