"""
Read a pattern: from JSON to the branches that the engine matches, or AWS's words for what is wrong with it.

The order of the checks is that of `aws/event-ruler`, since a pattern with two faults must be refused for the same one.
What the three dialects do not share is in `Dialect`.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

from stagefright.errors import UsageError
from stagefright.patterns import values, wildcard
from stagefright.patterns.engine import Branch, Field
from stagefright.patterns.values import Leaf, Number, Test, is_number, text_of

OR = "$or"

RESERVED_IN_OR = frozenset(
    {"exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists", "wildcard", "numeric", "cidr"}
    | {"=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case"}
    | {"date-after", "date-on-or-after", "date-before", "date-on-or-before", "in-date-range"}
    | {"ip-address-in-range", "ip-address-not-in-range"}
)
"""A `$or` with one of these names inside is an ordinary field that happens to be called so."""


class InvalidPattern(UsageError):
    """
    A pattern that AWS refuses.

    The text is AWS's whole message; `reason` is the part of it that says what is wrong.
    """

    def __init__(self, reason: str, *, message: str | None = None) -> None:
        super().__init__(reason if message is None else message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Dialect:
    """What the users of the pattern language do not share."""

    operators: frozenset[str]
    anything_but: frozenset[str]
    affix_ignore_case: bool
    number_limit: float
    number_decimals: int | None
    branches_max: int
    wildcard_complexity_max: int | None
    empty_ok: bool

    def parse(self, pattern: str | Mapping[str, Any]) -> list[Branch]:
        """The branches of a pattern, given as JSON text or as the object it stands for."""
        node = load_json(pattern) if isinstance(pattern, str) else pattern
        if not isinstance(node, Mapping):
            raise InvalidPattern("Filter is not an object")
        if not node and self.empty_ok:
            return []
        return _branches(self, node)


def load_json(text: str) -> Any:
    """JSON as AWS reads it: duplicate keys, the last wins; no NaN; AWS's complaint if it is not JSON."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise InvalidPattern(_json_complaint(error)) from error
    except (ValueError, RecursionError) as error:
        raise InvalidPattern(f"Invalid JSON: {error}") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _json_complaint(error: json.JSONDecodeError) -> str:
    """The two complaints that were recorded from AWS in its words, the others in Python's."""
    word = re.match(r"[A-Za-z_$][\w$]*", error.doc[error.pos :])
    if error.msg == "Expecting value" and word:
        expected = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
        return f"Unrecognized token '{word[0]}': was expecting {expected}"
    if error.msg.startswith("Expecting property name") and error.pos < len(error.doc):
        char = error.doc[error.pos]
        return f"Unexpected character ('{char}' (code {ord(char)})): was expecting double-quote to start field name"
    return f"{error.msg} (line {error.lineno}, column {error.colno})"


def _branches(dialect: Dialect, node: Mapping[str, Any]) -> list[Branch]:
    try:
        rules = _parse_object(dialect, node, "", 1, [{}])
    except RecursionError as error:
        raise InvalidPattern("Pattern is nested too deeply") from error
    return [tuple(rule.values()) for rule in rules]


Rule = dict[str, Field]
"""A branch in the making: by path, so that of two fields with one path the last wins."""


def _parse_object(dialect: Dialect, node: Mapping[str, Any], path: str, depth: int, rules: list[Rule]) -> list[Rule]:
    """Add the fields of an object to each of the branches so far; a `$or` multiplies the branches."""
    if not node:
        raise InvalidPattern("Empty objects are not allowed")
    for name, value in node.items():
        child = f"{path}.{name}" if path else str(name)
        if name == OR and _is_or(value):
            rules = _parse_or(dialect, value, path, depth, rules)
        elif isinstance(value, Mapping):
            rules = _parse_object(dialect, value, child, depth + 1, rules)
        elif isinstance(value, list | tuple):
            field = _parse_field(dialect, child, depth, value)
            rules = [{**rule, child: field} for rule in rules]
        else:
            raise InvalidPattern(f'"{name}" must be an object or an array')
    return rules


def _is_or(value: Any) -> bool:
    """Two or more non-empty objects without reserved names; anything else is a field that is called `$or`."""
    return (
        isinstance(value, list | tuple)
        and len(value) >= 2
        and all(isinstance(item, Mapping) and item and not RESERVED_IN_OR & item.keys() for item in value)
    )


def _parse_or(dialect: Dialect, alternatives: Any, path: str, depth: int, rules: list[Rule]) -> list[Rule]:
    # The number is checked before each copy, since nested alternatives multiply faster than they can be copied.
    multiplied: list[Rule] = []
    for alternative in alternatives:
        multiplied += _parse_object(dialect, alternative, path, depth, rules)
        if len(multiplied) > dialect.branches_max:
            raise InvalidPattern("Rule is too complex - try using fewer OR combinations")
    return multiplied


def _parse_field(dialect: Dialect, path: str, depth: int, entries: Any) -> Field:
    if not entries:
        raise InvalidPattern("Empty arrays are not allowed")
    strings: set[str] = set()
    leaves: list[Leaf] = []
    absent_ok = False
    for entry in entries:
        if entry == {"exists": False} and entry["exists"] is False and "exists" in dialect.operators:
            absent_ok = True
        elif isinstance(entry, str) and not _is_ipv6(entry):
            strings.add(entry)
        else:
            leaves.append(_parse_entry(dialect, entry))
    return Field(path, depth, frozenset(strings), tuple(leaves), absent_ok)


def _is_ipv6(text: str) -> bool:
    return ":" in text and values.parse_address(text) is not None


def _parse_entry(dialect: Dialect, entry: Any) -> Leaf:
    if isinstance(entry, Mapping):
        return Leaf(_parse_operator(dialect, entry), text_of(entry))
    if isinstance(entry, str):
        # An IPv6 address equals every spelling of itself: "::1" is "0:0:0:0:0:0:0:1".
        address = values.parse_address(entry)
        assert address is not None
        return Leaf(values.in_addresses(address, address), text_of(entry))
    if is_number(entry):
        return Leaf(values.equals_number(entry, dialect.number_decimals), text_of(entry))
    if entry is None or isinstance(entry, bool):
        return Leaf(values.equals_constant(entry), text_of(entry))
    raise InvalidPattern("Match value must be String, number, true, false, or null")


ONE_KEY = "Only one key allowed in match expression"
TOO_MANY = "Too many elements in numeric expression"


def _parse_operator(dialect: Dialect, expression: Mapping[str, Any]) -> Test:
    """The test of a match expression such as `{"prefix": "a"}`; its value is judged before a second key is."""
    if not expression:
        raise InvalidPattern("Match expression name not found")
    name, value = next(iter(expression.items()))
    if name not in dialect.operators:
        raise InvalidPattern(f"Unrecognized match type {name}")
    parse, two_keys = _OPERATORS[name]
    test = parse(dialect, value)
    if len(expression) > 1:
        raise InvalidPattern(two_keys)
    return test


def _parse_affix(name: str, dialect: Dialect, value: Any) -> Test:
    make = values.starts_with if name == "prefix" else values.ends_with
    if isinstance(value, Mapping) and dialect.affix_ignore_case:
        return make(_ignored_case(name, value), ignore_case=True)
    return make(_string(name, value))


def _ignored_case(name: str, expression: Mapping[str, Any]) -> str:
    if not expression:
        raise InvalidPattern(f"{name.capitalize()} expression name not found")
    operator, value = next(iter(expression.items()))
    if operator != "equals-ignore-case":
        raise InvalidPattern(f"Unsupported {name} pattern: {operator}")
    text = _string(operator, value)
    if len(expression) > 1:
        raise InvalidPattern(ONE_KEY)
    return text


def _parse_equals_ignore_case(_dialect: Dialect, value: Any) -> Test:
    return values.equals_ignoring_case(_string("equals-ignore-case", value))


def _parse_wildcard(dialect: Dialect, value: Any) -> Test:
    try:
        tokens = wildcard.parse(_string("wildcard", value))
    except wildcard.BadWildcard as error:
        raise InvalidPattern(str(error)) from error
    limit = dialect.wildcard_complexity_max
    if limit is not None and wildcard.complexity(tokens, stop_above=limit) > limit:
        raise InvalidPattern(
            "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a "
            "wildcard character"
        )
    return wildcard.test_for(tokens)


def _parse_exists(_dialect: Dialect, value: Any) -> Test:
    if not isinstance(value, bool):
        raise InvalidPattern("exists match pattern must be either true or false.")
    return values.is_present


def _string(operator: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidPattern(f"{operator} match pattern must be a string")
    return value


def _parse_cidr(_dialect: Dialect, value: Any) -> Test:
    # The wrong word "prefix" is AWS's.
    first, slash, mask = _string("prefix", value).partition("/")
    if not slash or not mask or "/" in mask:
        raise InvalidPattern("Malformed CIDR, one '/' required")
    if not re.fullmatch(r"[+-]?[0-9]{1,9}", mask):
        raise InvalidPattern("Malformed CIDR, mask bits must be an integer")
    address = values.parse_address(first)
    if int(mask) < 0:
        raise InvalidPattern("Malformed CIDR, mask bits must not be negative")
    if address is None:
        raise InvalidPattern(f"Nonstandard IP address: {first}")
    if int(mask) >= address.max_prefixlen:
        raise InvalidPattern(f"IPv{address.version} mask bits must be < {address.max_prefixlen}")
    host_bits = (1 << (address.max_prefixlen - int(mask))) - 1
    # The range starts at the address as written, not at that of its network.
    return values.in_addresses(address, ipaddress.ip_address(_packed(address, int(address) | host_bits)))


def _packed(like: values.Address, number: int) -> bytes:
    return number.to_bytes(like.max_prefixlen // 8, "big")


NUMERIC_OPERATORS = ("=", "<", "<=", ">", ">=")


def _parse_numeric(dialect: Dialect, value: Any) -> Test:
    if not isinstance(value, list | tuple):
        raise InvalidPattern("Value of numeric must be an array.")
    operator = value[0] if value else None
    if not isinstance(operator, str):
        raise InvalidPattern(f"Invalid member in numeric match: {_token(value, 0)}")
    if operator not in NUMERIC_OPERATORS:
        raise InvalidPattern(f"Unrecognized numeric range operator: {operator}")
    bound = _operand(value, 1, "equals" if operator == "=" else operator)
    if operator in (">", ">=") and len(value) > 2:
        return _parse_range(dialect, value, bound)
    if len(value) > 2:
        raise InvalidPattern(TOO_MANY)
    _check_number(dialect, bound)
    low = None if operator.startswith("<") else bound
    high = None if operator.startswith(">") else bound
    decimals = dialect.number_decimals
    return values.in_range(low, high, open_low=operator == ">", open_high=operator == "<", decimals=decimals)


def _parse_range(dialect: Dialect, value: Any, low: Number) -> Test:
    second = value[2]
    if not isinstance(second, str):
        raise InvalidPattern(f"Bad value in numeric range: {_token(value, 2)}")
    if second not in ("<", "<="):
        raise InvalidPattern(f"Bad numeric range operator: {second}")
    high = _operand(value, 3, second)
    if len(value) > 4:
        raise InvalidPattern("Too many terms in numeric range expression")
    for bound in (low, high):
        _check_number(dialect, bound)
    if low >= high:
        raise InvalidPattern("Bottom must be less than top")
    decimals = dialect.number_decimals
    return values.in_range(low, high, open_low=value[0] == ">", open_high=second == "<", decimals=decimals)


def _operand(value: Any, index: int, operator: str) -> Number:
    operand: Number | None = value[index] if len(value) > index else None
    if operand is None or not is_number(operand):
        raise InvalidPattern(f"Value of {operator} must be numeric")
    return operand


def _check_number(dialect: Dialect, number: Number) -> None:
    if not -dialect.number_limit <= number <= dialect.number_limit:
        limit = f"{dialect.number_limit / 1e9:.1f}E9"
        raise InvalidPattern(f"Value must be between -{limit} and {limit}, inclusive")


def _token(value: Any, index: int) -> str:
    """A member of a list as AWS's parser names it: by its first token."""
    if len(value) <= index:
        return "]"
    return text_of(value[index])[0] if isinstance(value[index], list | tuple | Mapping) else text_of(value[index])


def _parse_anything_but(dialect: Dialect, value: Any) -> Test:
    if isinstance(value, Mapping):
        return _parse_anything_but_operator(dialect, value)
    _check_anything_but_value(value)
    if not isinstance(value, list | tuple):
        return values.none_of([_anything_but_item(dialect, value)])
    if any(isinstance(item, list | tuple | Mapping | bool) or item is None for item in value):
        raise InvalidPattern("Inside anything but list, start|null|boolean is not supported.")
    if len({isinstance(item, str) for item in value}) != 1:
        raise InvalidPattern(
            "Inside anything but list, either all values are number or string, mixed type is not supported"
        )
    return values.none_of([_anything_but_item(dialect, item) for item in value])


def _check_anything_but_value(value: Any) -> None:
    if not isinstance(value, list | tuple | str) and not is_number(value):
        raise InvalidPattern("Value of anything-but must be an array or single string/number value.")


def _anything_but_item(dialect: Dialect, item: Any) -> Test:
    if isinstance(item, str):
        return lambda value: bool(value == item)
    _check_number(dialect, item)
    return values.equals_number(item, dialect.number_decimals)


def _parse_anything_but_operator(dialect: Dialect, expression: Mapping[str, Any]) -> Test:
    if not expression:
        raise InvalidPattern("Anything-But expression name not found")
    name, value = next(iter(expression.items()))
    if name not in dialect.anything_but:
        raise InvalidPattern(f"Unsupported anything-but pattern: {name}")
    _check_anything_but_value(value)
    items = value if isinstance(value, list | tuple) else [value]
    tests = [_anything_but_operand(dialect, name, item) for item in items]
    if len(expression) > 1:
        raise InvalidPattern(TOO_MANY)
    return values.none_of(tests)


def _anything_but_operand(dialect: Dialect, name: str, item: Any) -> Test:
    if not isinstance(item, str):
        raise InvalidPattern(_NOT_A_STRING[name])
    if not item and name in ("prefix", "suffix"):
        raise InvalidPattern("Null prefix/suffix not allowed")
    return _OPERATORS[name][0](dialect, item)


_NOT_A_STRING = {
    "prefix": "prefix/suffix match pattern must be a string",
    "suffix": "prefix/suffix match pattern must be a string",
    "wildcard": "wildcard match pattern must be a string",
    "equals-ignore-case": ("Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported."),
}

_OPERATORS: dict[str, tuple[Callable[[Dialect, Any], Test], str]] = {
    "prefix": (partial(_parse_affix, "prefix"), ONE_KEY),
    "suffix": (partial(_parse_affix, "suffix"), ONE_KEY),
    "equals-ignore-case": (_parse_equals_ignore_case, ONE_KEY),
    "wildcard": (_parse_wildcard, ONE_KEY),
    "anything-but": (_parse_anything_but, TOO_MANY),
    "numeric": (_parse_numeric, TOO_MANY),
    "cidr": (_parse_cidr, ONE_KEY),
    "exists": (_parse_exists, ONE_KEY),
}
"""How each operator reads its value, and what AWS says when a second operator stands beside it."""
