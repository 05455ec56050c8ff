"""
The `wildcard` operator: `*` stands for any run of characters, `\\*` and `\\\\` for themselves.

A wildcard rule is matched by an automaton on AWS, which refuses rules whose automaton could be in too many states at
once; `complexity` computes that number.
"""

from __future__ import annotations

from itertools import pairwise

from stagefright.patterns.values import Test

STAR = ""
"""How a wildcard stands among the characters of a parsed pattern."""

SUBSETS_MAX = 500
"""
How many sets of states `complexity` looks at before it settles for the largest seen. Patterns that need more than a
few dozen are far above AWS's limit after the first ones.
"""


class BadWildcard(ValueError):
    """A wildcard pattern that AWS refuses; the text is AWS's."""


def parse(pattern: str) -> list[str]:
    """
    The pattern as a list of characters and `STAR`s.

    >>> parse("a*")
    ['a', '']
    """
    tokens: list[str] = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        following = pattern[position + 1 : position + 2]
        if char == "*" and following == "*":
            raise BadWildcard(f"Consecutive wildcard characters at pos {_position_on_aws(pattern, position)}")
        if char == "\\" and following not in ("*", "\\"):
            raise BadWildcard(f"Invalid escape character at pos {_position_on_aws(pattern, position)}")
        if char == "\\":
            position += 1
            tokens.append(following)
        else:
            tokens.append(STAR if char == "*" else char)
        position += 1
    return tokens


def test_for(tokens: list[str]) -> Test:
    """Accepts the strings that the parsed pattern stands for."""
    pieces = _pieces(tokens)
    if len(pieces) == 1:
        return lambda value: isinstance(value, str) and value == pieces[0]
    return lambda value: isinstance(value, str) and _fits(value, pieces)


def star_count(tokens: list[str]) -> int:
    """How many wildcards the pattern has."""
    return tokens.count(STAR)


def complexity(tokens: list[str], *, stop_above: int) -> int:
    """
    How many prefixes of the pattern one worst-case text can match at the same time.

    That is the number of states in which AWS's automaton would be. Counting ends when it exceeds `stop_above`.

    >>> complexity(parse("*z*"), stop_above=100)
    3
    """
    # A set of states is a bit mask: bit i says that the first i tokens match the text so far.
    stars = _mask(tokens, STAR) << 1
    steps = [_mask(tokens, char) for char in sorted({*tokens} - {STAR})]
    start = _closure(1, stars)
    seen, queue, largest = {start}, [start], 0
    while queue and len(seen) < SUBSETS_MAX and largest <= stop_above:
        states = queue.pop()
        largest = max(largest, (states & ~1).bit_count())
        for step in steps:
            following = _closure(((states & step) << 1) | (states & stars), stars)
            if following not in seen:
                seen.add(following)
                queue.append(following)
    return largest


def _mask(tokens: list[str], wanted: str) -> int:
    return sum(1 << index for index, token in enumerate(tokens) if token == wanted)


def _closure(states: int, stars: int) -> int:
    """A wildcard may stand for nothing: whoever is before one is also behind it."""
    return states | ((states << 1) & stars)


def _pieces(tokens: list[str]) -> list[str]:
    """The literal texts between the wildcards."""
    cuts = [-1, *(index for index, token in enumerate(tokens) if token == STAR), len(tokens)]
    return ["".join(tokens[start + 1 : end]) for start, end in pairwise(cuts)]


def _fits(value: str, pieces: list[str]) -> bool:
    """Leftmost search for each piece in turn: linear, where a regular expression could take for ever."""
    first, *middle, last = pieces
    if len(value) < len(first) + len(last) or not (value.startswith(first) and value.endswith(last)):
        return False
    position, end = len(first), len(value) - len(last)
    for piece in middle:
        found = value.find(piece, position, end)
        if found < 0:
            return False
        position = found + len(piece)
    return True


def _position_on_aws(pattern: str, position: int) -> int:
    """AWS counts UTF-8 bytes and includes the opening quote of the JSON string."""
    return 1 + len(pattern[:position].encode("utf-8", "surrogatepass"))
