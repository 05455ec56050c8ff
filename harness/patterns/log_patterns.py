"""
The filter patterns of CloudWatch Logs: of subscriptions, `FilterLogEvents` and `TestMetricFilter` (semantics §10.3).

    ERROR "out of memory" -debug     terms of unstructured text; `?a ?b` is one of them; `%a[0-9]+%` a regular expression
    { $.level = "ERROR" }            JSON (`log_json`)
    [ip, ..., status = 4*, bytes]    space-delimited (`log_fields`)
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from stagefright.patterns.log_conditions import BadLogPattern, regex_test, unescape
from stagefright.patterns.log_fields import FieldPattern
from stagefright.patterns.log_json import JsonPattern

__all__ = ["BadLogPattern", "LogFilter", "compile_log_pattern"]

PATTERN_CHARS_MAX = 1024

_TERM = re.compile(r'\s*([?-]?)\s*(?:"((?:[^"\\]|\\.)*)"|%((?:[^%\\]|\\.)*)%|([^\s"%]+))')
_WORD = re.compile(r"[A-Za-z0-9_]+")


class TextPattern:
    """
    Terms of unstructured text, case-sensitive, anywhere in a log event.

    >>> TextPattern("ERROR -ARGUMENTS").matches("[ERROR 400] BAD REQUEST")
    True
    >>> TextPattern("?ERROR ?ARGUMENTS REQUEST").matches("[INFO] REQUEST FAILED")  # AWS ignores `?` beside other terms
    True
    """

    def __init__(self, text: str) -> None:
        self._included: list[Callable[[str], bool]] = []
        self._excluded: list[Callable[[str], bool]] = []
        self._optional: list[Callable[[str], bool]] = []
        place = 0
        while text[place:].strip():
            found = _TERM.match(text, place)
            if found is None:
                raise BadLogPattern(f"Invalid filter pattern: {text[place:].strip()!r} is not a term")
            {"": self._included, "-": self._excluded, "?": self._optional}[found[1]].append(_term(found))
            place = found.end()

    def matches(self, message: str) -> bool:
        """Whether a log event has the terms that it must have, and none that it must not."""
        if self._optional and not self._included and not self._excluded:
            return any(test(message) for test in self._optional)
        return all(test(message) for test in self._included) and not any(test(message) for test in self._excluded)

    def extract(self, message: str) -> dict[str, str]:  # noqa: ARG002 - the contract of a pattern
        """Unstructured text has no values."""
        return {}


Compiled = TextPattern | JsonPattern | FieldPattern


@lru_cache(maxsize=256)
def compile_log_pattern(pattern: str) -> Compiled:
    """Compile a filter pattern; raises `BadLogPattern` for what CloudWatch Logs refuses."""
    text = pattern.strip()
    kind = JsonPattern if text.startswith("{") else FieldPattern if text.startswith("[") else TextPattern
    try:
        return kind(text)
    except RecursionError as error:
        raise BadLogPattern("Invalid filter pattern: its parentheses are nested too deep") from error


class LogFilter:
    """One filter pattern, in the place of moto's own."""

    def __init__(self, pattern: str) -> None:
        self._compiled = compile_log_pattern(pattern)

    def matches(self, message: str) -> bool:
        """Whether a log event passes."""
        return self._compiled.matches(message)


def _term(found: re.Match[str]) -> Callable[[str], bool]:
    _, quoted, regex, word = found.groups()
    if regex is not None:
        return regex_test(regex)
    if quoted is not None:
        phrase = unescape(quoted)
        # A blank phrase is AWS's way to match everything.
        return lambda message: not phrase.strip() or phrase in message
    if not _WORD.fullmatch(word):
        raise BadLogPattern(f"Invalid character(s) in term '{word}'")
    return lambda message: word in message
