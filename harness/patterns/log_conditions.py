"""
What the JSON and the space-delimited filter patterns of CloudWatch Logs share: a scanner, `&&`, `||` and parentheses, and comparisons (semantics §10.3).

The grammar is the one that AWS documents (CloudWatch Logs guide, FilterAndPatternSyntax).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

Text = str | int | float | bool

REGEXES_MAX = 2
"""How many regular expressions a JSON or space-delimited pattern may have."""

_REGEX_CHARACTERS = re.compile(r"(?:[A-Za-z0-9:_#=@/;,\-^$?\[\]{}|*+.\s]|\\[dDsSwW]|\\x[0-9A-Fa-f]{2}|\\[^A-Za-z0-9])*")
"""All that AWS takes between percent signs: neither parentheses nor other symbols."""

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_REGEX = re.compile(r"%((?:[^%\\]|\\.)*)%")
_OPERATORS = ("!=", "<=", ">=", "=", "<", ">")


class BadLogPattern(ValueError):
    """A filter pattern that CloudWatch Logs refuses."""


class Scanner:
    """Reads a pattern from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.regexes = 0

    def skip_space(self) -> None:
        while self.place < len(self.text) and self.text[self.place].isspace():
            self.place += 1

    def accepts(self, literal: str) -> bool:
        """Whether `literal` comes next; if so, it is read."""
        self.skip_space()
        if not self.text.startswith(literal, self.place):
            return False
        self.place += len(literal)
        return True

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Read what a pattern matches here, if it does."""
        found = pattern.match(self.text, self.place)
        if found is not None:
            self.place = found.end()
        return found

    @property
    def is_done(self) -> bool:
        self.skip_space()
        return self.place >= len(self.text)

    def fail(self, wanted: str) -> BadLogPattern:
        rest = self.text[self.place :].strip() or "the end"
        return BadLogPattern(f"Invalid filter pattern: expected {wanted} at {rest!r}")


class Expression(Generic[T]):
    """Parses `a && (b || c)`; what a condition is, `read_condition` knows."""

    def __init__(self, scanner: Scanner, read_condition: Callable[[Scanner], Callable[[T], bool]]) -> None:
        self._scanner = scanner
        self._read_condition = read_condition

    def parse(self) -> Callable[[T], bool]:
        """`||` binds loosest."""
        parts = [self._all()]
        while self._scanner.accepts("||"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else lambda value: any(part(value) for part in parts)

    def _all(self) -> Callable[[T], bool]:
        parts = [self._one()]
        while self._scanner.accepts("&&"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda value: all(part(value) for part in parts)

    def _one(self) -> Callable[[T], bool]:
        if not self._scanner.accepts("("):
            return self._read_condition(self._scanner)
        inner = self.parse()
        if not self._scanner.accepts(")"):
            raise self._scanner.fail("')'")
        return inner


def read_operator(scanner: Scanner) -> str | None:
    """The comparison that comes next, or None."""
    return next((operator for operator in _OPERATORS if scanner.accepts(operator)), None)


def read_test(scanner: Scanner, operator: str, bare: re.Pattern[str]) -> Callable[[Text], bool]:
    """
    The value of a comparison, as a test; `bare` matches what may stand without quotes.

    A number is compared as one, and a text with stars at its ends as a wildcard.
    """
    scanner.skip_space()
    regex = scanner.match(_REGEX)
    if regex is not None:
        scanner.regexes += 1
        if scanner.regexes > REGEXES_MAX:
            raise BadLogPattern(f"Invalid filter pattern: it has more than {REGEXES_MAX} regular expressions")
        return _negated(operator, regex_test(regex[1]), scanner)
    quoted = scanner.match(_QUOTED)
    if quoted is not None:
        return _negated(operator, _wildcard(unescape(quoted[1])), scanner)
    found = scanner.match(bare)
    if found is None or not found[0]:
        raise scanner.fail("a value")
    if _NUMBER.fullmatch(found[0]):
        return _numeric(operator, found[0])
    return _negated(operator, _wildcard(found[0]), scanner)


def unescape(text: str) -> str:
    """A quoted text without its escapes."""
    return re.sub(r"\\(.)", r"\1", text)


def regex_test(source: str) -> Callable[[Text], bool]:
    """A regular expression between percent signs, of the part of the language that AWS supports."""
    if not _REGEX_CHARACTERS.fullmatch(source):
        raise BadLogPattern(f"Invalid filter pattern: unsupported characters in the regular expression %{source}%")
    try:
        with warnings.catch_warnings():
            # Python warns of sets that a later version may read otherwise.
            warnings.simplefilter("ignore", FutureWarning)
            compiled = re.compile(source.replace(", ", ","), re.ASCII)
    except re.error as error:
        raise BadLogPattern(f"Invalid filter pattern: %{source}% is no regular expression ({error})") from error
    return lambda value: compiled.search(shown(value)) is not None


def shown(value: Text) -> str:
    """
    A JSON value as a pattern sees it.

    >>> shown(True), shown(1.5), shown("a")
    ('true', '1.5', 'a')
    """
    return str(value).lower() if isinstance(value, bool) else str(value)


def number_of(value: Text) -> float | None:
    """The number that a JSON number is, or that a field's text says."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    return float(value)


def _negated(operator: str, test: Callable[[Text], bool], scanner: Scanner) -> Callable[[Text], bool]:
    if operator not in ("=", "!="):
        raise scanner.fail(f"a number after {operator}")
    return test if operator == "=" else lambda value: not test(value)


def _wildcard(text: str) -> Callable[[Text], bool]:
    """A star stands for anything at the ends of a text, and for itself within."""
    core = text.strip("*")
    begins, ends = not text.startswith("*"), not text.endswith("*")
    if not core and text:
        return lambda value: True
    if begins and ends:
        return lambda value: shown(value) == core
    if begins:
        return lambda value: shown(value).startswith(core)
    return (lambda value: shown(value).endswith(core)) if ends else (lambda value: core in shown(value))


def _numeric(operator: str, text: str) -> Callable[[Text], bool]:
    wanted = float(text)
    if operator in ("=", "!="):
        equal: Callable[[Text], bool] = lambda value: number_of(value) == wanted or shown(value) == text  # noqa: E731
        return equal if operator == "=" else lambda value: not equal(value)
    compare = _COMPARISONS[operator]

    def test(value: Text) -> bool:
        number = number_of(value)
        return number is not None and compare(number, wanted)

    return test


_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda one, other: one < other,
    ">": lambda one, other: one > other,
    "<=": lambda one, other: one <= other,
    ">=": lambda one, other: one >= other,
}
