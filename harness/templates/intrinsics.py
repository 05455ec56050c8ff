"""The intrinsic functions, one each, as the CloudFormation reference defines them."""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Mapping
from typing import Any

from stagefright.errors import nearest
from stagefright.templates.imports import get_stack_output, import_value
from stagefright.templates.lookup import UNKNOWN, is_unknown
from stagefright.templates.resolver import CONDITION_FUNCTIONS, INTRINSICS, Intrinsic, Resolver
from stagefright.templates.text import is_scalar, show, text_of

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_VARIABLE_NAME = re.compile(r"[A-Za-z0-9_.:]+")


def _eager(function: Intrinsic) -> Intrinsic:
    """For a function that wants its argument resolved, and that knows nothing about it while a part is unknown."""

    def resolve_first(resolver: Resolver, argument: Any) -> Any:
        resolved = resolver.resolve(argument)
        return UNKNOWN if is_unknown(resolved) else function(resolver, resolved)

    return resolve_first


def _ref(resolver: Resolver, argument: Any) -> Any:
    name = _name(resolver, "Ref", argument)
    return resolver.reference(name)


def _get_att(resolver: Resolver, argument: Any) -> Any:
    logical_id, attribute = _attribute_pair(resolver, argument)
    return resolver.attribute(_name(resolver, "Fn::GetAtt", logical_id), _name(resolver, "Fn::GetAtt", attribute))


def _attribute_pair(resolver: Resolver, argument: Any) -> tuple[Any, Any]:
    parts = argument.split(".", 1) if isinstance(argument, str) else argument
    if not isinstance(parts, list) or len(parts) != 2:
        raise resolver.wrong(
            f"Fn::GetAtt takes a resource and an attribute, as [Table, Arn] or Table.Arn; it got {show(argument)}."
        )
    return parts[0], parts[1]


def _name(resolver: Resolver, function: str, argument: Any) -> str:
    name = resolver.static(argument, f"the name in {function}") if isinstance(argument, dict) else argument
    if not isinstance(name, str):
        raise resolver.wrong(f"{function} takes a name; it got {show(argument)}.")
    return name


def _sub(resolver: Resolver, argument: Any) -> Any:
    template, variables = _sub_arguments(resolver, argument)
    values = {name: resolver.resolve(value) for name, value in variables.items()}
    pieces = _VARIABLE.split(template)
    # split() with one group gives text, name, text, name, ..., text.
    pieces[1::2] = [_sub_variable(resolver, name, values) for name in pieces[1::2]]
    return UNKNOWN if any(piece is UNKNOWN for piece in pieces) else "".join(pieces)


def _sub_arguments(resolver: Resolver, argument: Any) -> tuple[str, Mapping[str, Any]]:
    parts = [argument] if isinstance(argument, str) else argument
    # The mapping is optional, even in a list: AWS's own message says so.
    parts = [*parts, {}] if isinstance(parts, list) and len(parts) == 1 else parts
    if isinstance(parts, list) and len(parts) == 2 and isinstance(parts[0], str) and isinstance(parts[1], dict):
        return parts[0], parts[1]
    raise resolver.wrong(f"Fn::Sub takes a text, or a list of a text and a mapping; it got {show(argument)}.")


def _sub_variable(resolver: Resolver, name: str, values: Mapping[str, Any]) -> Any:
    if name.startswith("!"):
        return f"${{{name[1:]}}}"
    value = values[name] if name in values else _sub_reference(resolver, name)
    if value is UNKNOWN:
        return UNKNOWN
    if not is_scalar(value):
        raise resolver.wrong(f"Fn::Sub: ${{{name}}} must be text, but it is {show(value)}.")
    return text_of(value)


def _sub_reference(resolver: Resolver, name: str) -> Any:
    if not _VARIABLE_NAME.fullmatch(name):
        raise resolver.wrong(
            f"Fn::Sub: ${{{name}}} is not a name of letters, digits, '_', '.' and ':'. "
            f"To keep it as text, write ${{!{name}}}."
        )
    logical_id, dot, attribute = name.partition(".")
    return resolver.attribute(logical_id, attribute) if dot else resolver.reference(name)


def _join(resolver: Resolver, argument: Any) -> str:
    delimiter, values = _arguments(resolver, "Fn::Join", argument, 2, "a delimiter and a list")
    if not isinstance(delimiter, str) or not isinstance(values, list):
        raise resolver.wrong(f"Fn::Join takes a delimiter and a list; it got {show(argument)}.")
    for value in values:
        if not is_scalar(value):
            raise resolver.wrong(f"Fn::Join joins texts; {show(value)} is not one.")
    return delimiter.join(map(text_of, values))


def _select(resolver: Resolver, argument: Any) -> Any:
    index, values = _arguments(resolver, "Fn::Select", argument, 2, "an index and a list")
    if not isinstance(values, list) or not text_of(index).isdigit():
        raise resolver.wrong(f"Fn::Select takes the place in a list and the list; it got {show(argument)}.")
    if int(index) >= len(values):
        raise resolver.wrong(f"Fn::Select asks for index {index} of {len(values)} values: {show(values)}.")
    return values[int(index)]


def _split(resolver: Resolver, argument: Any) -> list[str]:
    delimiter, value = _arguments(resolver, "Fn::Split", argument, 2, "a delimiter and a text")
    if not isinstance(delimiter, str) or not delimiter or not is_scalar(value):
        raise resolver.wrong(f"Fn::Split takes a delimiter and a text; it got {show(argument)}.")
    return text_of(value).split(delimiter)


def _base64(resolver: Resolver, argument: Any) -> str:
    if not is_scalar(argument):
        raise resolver.wrong(f"Fn::Base64 takes a text; it got {show(argument)}.")
    return base64.b64encode(text_of(argument).encode()).decode()


def _get_azs(resolver: Resolver, argument: Any) -> list[str]:
    if not isinstance(argument, str):
        raise resolver.wrong(f"Fn::GetAZs takes a region, or '' for the stack's own; it got {show(argument)}.")
    # An account sees three zones or more in every region; three is what all of them have.
    return [f"{argument or resolver.scope.region}{zone}" for zone in "abc"]


def _cidr(resolver: Resolver, argument: Any) -> list[str]:
    values = [*argument] if isinstance(argument, list) else []
    if len(values) not in {2, 3}:
        raise resolver.wrong(f"Fn::Cidr takes a block, a count and the host bits; it got {show(argument)}.")
    try:
        return _blocks(text_of(values[0]), int(values[1]), int(values[2]) if len(values) == 3 else None)
    except ValueError as error:
        raise resolver.wrong(f"Fn::Cidr cannot divide {show(argument)}: {error}.") from error


def _blocks(block: str, count: int, host_bits: int | None) -> list[str]:
    network = ipaddress.ip_network(block, strict=False)
    bits = host_bits if host_bits is not None else (8 if network.version == 4 else 64)
    if not 1 <= count <= 256:
        raise ValueError("the count must lie between 1 and 256")
    subnets = network.subnets(new_prefix=network.max_prefixlen - bits)
    blocks = [str(subnet) for subnet, _ in zip(subnets, range(count), strict=False)]
    if len(blocks) < count:
        raise ValueError(f"it holds only {len(blocks)} blocks with {bits} host bits")
    return blocks


def _find_in_map(resolver: Resolver, argument: Any) -> Any:
    default = _map_default(resolver, argument)
    keys = argument[:3] if isinstance(argument, list) else argument
    path = _arguments(resolver, "Fn::FindInMap", resolver.resolve(keys), 3, "a map, a top-level key and a second key")
    if is_unknown(path):
        return UNKNOWN
    found: Any = resolver.scope.mappings
    for depth, key in enumerate(map(text_of, path)):
        if not isinstance(found, dict) or key not in found:
            return _not_in_map(resolver, path, depth, found, default)
        found = found[key]
    return found


def _map_default(resolver: Resolver, argument: Any) -> Any:
    if not isinstance(argument, list) or len(argument) != 4:
        return UNKNOWN
    last = argument[3]
    if not isinstance(last, dict) or [*last] != ["DefaultValue"]:
        raise resolver.wrong(
            f"Fn::FindInMap takes a fourth argument of the form DefaultValue: ...; it got {show(last)}."
        )
    _require_extensions(resolver, "DefaultValue of Fn::FindInMap")
    return last["DefaultValue"]


def _not_in_map(resolver: Resolver, path: list[Any], depth: int, found: Mapping[str, Any], default: Any) -> Any:
    if default is not UNKNOWN:
        return resolver.resolve(default)
    level = ("Mappings", f"the map {path[0]}", f"{path[0]}.{path[1]}")[depth]
    known = found if isinstance(found, dict) else ()
    raise resolver.wrong(
        f"Fn::FindInMap {show(path)}: {level} has no {text_of(path[depth])}. {nearest(text_of(path[depth]), known)}"
    )


def _length(resolver: Resolver, argument: Any) -> int:
    _require_extensions(resolver, "Fn::Length")
    if not isinstance(argument, list):
        raise resolver.wrong(f"Fn::Length takes a list; it got {show(argument)}.")
    return len(argument)


def _to_json_string(resolver: Resolver, argument: Any) -> str:
    _require_extensions(resolver, "Fn::ToJsonString")
    if not isinstance(argument, (dict, list)):
        raise resolver.wrong(f"Fn::ToJsonString takes a mapping or a list; it got {show(argument)}.")
    return json.dumps(argument, separators=(",", ":"), ensure_ascii=False)


def _require_extensions(resolver: Resolver, what: str) -> None:
    if not resolver.scope.language_extensions:
        raise resolver.wrong(f"{what} needs the line `Transform: AWS::LanguageExtensions` in the template.")


def _if(resolver: Resolver, argument: Any) -> Any:
    name, then, otherwise = _arguments(resolver, "Fn::If", argument, 3, "a condition, a value and another value")
    if not isinstance(name, str):
        raise resolver.wrong(f"Fn::If takes the name of a condition; it got {show(name)}.")
    return resolver.resolve(then if resolver.holds(name) else otherwise)


def _equals(resolver: Resolver, argument: Any) -> bool:
    values = map(resolver.resolve, _arguments(resolver, "Fn::Equals", argument, 2, "two values"))
    left, right = (text_of(value) if is_scalar(value) else value for value in values)
    return bool(left == right)


def _and(resolver: Resolver, argument: Any) -> bool:
    # A list, not a generator: a mistake in any part is found whatever the others say.
    verdicts = [resolver.condition(part) for part in _several(resolver, "Fn::And", argument)]
    return all(verdicts)


def _or(resolver: Resolver, argument: Any) -> bool:
    verdicts = [resolver.condition(part) for part in _several(resolver, "Fn::Or", argument)]
    return any(verdicts)


def _not(resolver: Resolver, argument: Any) -> bool:
    (part,) = _arguments(resolver, "Fn::Not", argument, 1, "one condition in a list")
    return not resolver.condition(part)


def _condition(resolver: Resolver, argument: Any) -> bool:
    if not isinstance(argument, str):
        raise resolver.wrong(f"Condition takes the name of a condition; it got {show(argument)}.")
    return resolver.holds(argument)


def _several(resolver: Resolver, function: str, argument: Any) -> list[Any]:
    if not isinstance(argument, list) or not 2 <= len(argument) <= 10:
        raise resolver.wrong(f"{function} takes a list of 2 to 10 conditions; it got {show(argument)}.")
    return argument


def _arguments(resolver: Resolver, function: str, argument: Any, count: int, what: str) -> list[Any]:
    if not isinstance(argument, list) or len(argument) != count:
        raise resolver.wrong(f"{function} takes {what}; it got {show(argument)}.")
    return argument


def _only_in_conditions(name: str) -> Intrinsic:
    def refuse(resolver: Resolver, _argument: Any) -> Any:
        raise resolver.wrong(f"{name} can stand in the section Conditions only. Define a condition and use Fn::If.")

    return refuse


def _transform(resolver: Resolver, argument: Any) -> Any:
    name = argument.get("Name") if isinstance(argument, dict) else argument
    raise resolver.wrong(f"the macro {show(name)} runs in an AWS account and cannot be run here. Expand it beforehand.")


CONDITION_FUNCTIONS.update(
    {
        "Condition": _condition,
        "Fn::And": _and,
        "Fn::Equals": _equals,
        "Fn::Not": _not,
        "Fn::Or": _or,
    }
)

INTRINSICS.update(
    {
        "Fn::Base64": _eager(_base64),
        "Fn::Cidr": _eager(_cidr),
        "Fn::FindInMap": _find_in_map,
        "Fn::GetAZs": _eager(_get_azs),
        "Fn::GetAtt": _get_att,
        "Fn::GetStackOutput": _eager(get_stack_output),
        "Fn::If": _if,
        "Fn::ImportValue": _eager(import_value),
        "Fn::Join": _eager(_join),
        "Fn::Length": _eager(_length),
        "Fn::Select": _eager(_select),
        "Fn::Split": _eager(_split),
        "Fn::Sub": _sub,
        "Fn::ToJsonString": _eager(_to_json_string),
        "Fn::Transform": _transform,
        "Ref": _ref,
        **{name: _only_in_conditions(name) for name in ("Fn::And", "Fn::Equals", "Fn::Not", "Fn::Or")},
    }
)
