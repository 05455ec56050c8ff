"""Which regular expressions a flag may hold: those that failure-lambda 1.x takes, and that Python compiles."""

from __future__ import annotations

import re

LENGTH_MAX = 512
"""Longer ones make failure-lambda 1.x drop the flag."""

_NESTED = re.compile(
    r"\((?:\\.|\[(?:\\.|[^\]])*\]|[^()\\[])*(?:[+*]|\{\d+,)(?:\\.|\[(?:\\.|[^\]])*\]|[^()\\[])*\)[+*{]"
)
"""A quantifier in a group that has one itself, which can take for ever and makes failure-lambda 1.x drop the flag."""


def regex_problems(name: str, value: object) -> list[str]:
    """
    What is wrong with the setting `name`.

    >>> regex_problems("value", "(a+)+")
    ["value is '(a+)+'; a repeated group that repeats inside can take for ever"]
    """
    if not isinstance(value, str):
        return [f"{name} is {value!r}; it should be a regular expression"]
    if len(value) > LENGTH_MAX:
        return [f"{name} has {len(value)} characters; {LENGTH_MAX} are the most"]
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError) as problem:
        return [f"{name} is {value!r}, which is no regular expression: {problem}"]
    return [f"{name} is {value!r}; a repeated group that repeats inside can take for ever"] if _is_nested(value) else []


def _is_nested(value: str) -> bool:
    """Look at the innermost groups first, and at what is around them as if they were one repeated letter."""
    while True:
        if _NESTED.search(value):
            return True
        flat = re.sub(r"\((?:\\.|\[(?:\\.|[^\]])*\]|[^()\\[])*\)", _flattened, value, count=1)
        if flat == value:
            return False
        value = flat


def _flattened(group: re.Match[str]) -> str:
    return "a+" if re.search(r"(?<!\\)[+*]|\{\d+,", group[0]) else "a"
