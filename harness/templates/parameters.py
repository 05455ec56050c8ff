"""Parameters and pseudo parameters: what `Ref` yields for each, or all problems at once."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stagefright.errors import TemplateError, nearest
from stagefright.templates.text import is_number, text_of

ATTRIBUTES = frozenset(
    (
        *("AllowedPattern", "AllowedValues", "ConstraintDescription", "Default", "Description", "MaxLength"),
        *("MaxValue", "MinLength", "MinValue", "NoEcho", "Type"),
    )
)
_SSM_VALUE = re.compile(r"AWS::SSM::Parameter::Value<(.+)>")
_HOW = "Give it in the settings, [tool.stagefright.parameters]; for a nested stack, under Parameters of the stack around it."


@dataclass(frozen=True)
class SsmParameter:
    """A parameter whose given value names an SSM parameter; the stage knows what that one holds."""

    name: str
    is_list: bool

    def value(self, held: str) -> str | list[str]:
        """What `Ref` yields when the SSM parameter holds `held`."""
        return _split(held) if self.is_list else held


ParameterValue = str | list[str] | SsmParameter
"""What a parameter stands for: text, a list of texts, or a pointer into SSM."""


def parameter_values(declared: Mapping[str, Any], given: Mapping[str, str], *, file: str) -> dict[str, ParameterValue]:
    """The value of every declared parameter; one error names all problems."""
    problems = [*_unknown(declared, given)]
    values: dict[str, ParameterValue] = {}
    for name, declaration in declared.items():
        found = list(_declaration_problems(name, declaration)) or list(_value_problems(name, declaration, given))
        problems += found
        if not found:
            values[name] = _typed(declaration["Type"], _raw(name, declaration, given))
    if problems:
        raise TemplateError("\n  ".join([_count(problems), *problems]), file=file)
    return values


def _count(problems: list[str]) -> str:
    return "the parameters have 1 problem:" if len(problems) == 1 else f"the parameters have {len(problems)} problems:"


def _unknown(declared: Mapping[str, Any], given: Mapping[str, str]) -> Iterator[str]:
    for name in given:
        if name not in declared:
            yield f"{name} was given, but the template does not declare it. {nearest(name, declared)}"


def _declaration_problems(name: str, declaration: Any) -> Iterator[str]:
    if not isinstance(declaration, dict) or not isinstance(declaration.get("Type"), str):
        yield f"{name} must be a mapping with a Type, such as String or Number."
        return
    if not _is_type(declaration["Type"]):
        yield f"{name} has the unknown Type {declaration['Type']}. {nearest(declaration['Type'], _TYPES)}"
    for attribute, value in declaration.items():
        if attribute not in ATTRIBUTES:
            yield f"{name} has the unknown attribute {attribute}. {nearest(attribute, ATTRIBUTES)}"
        elif attribute == "AllowedValues" and not isinstance(value, list):
            yield f"{name} has AllowedValues {value!r}, which is not a list."
        elif attribute in _LIMITS and not is_number(text_of(value)):
            yield f"{name} has the {attribute} {value!r}, which is not a number."


_LIMITS = ("MaxLength", "MaxValue", "MinLength", "MinValue")
_TYPES = ("CommaDelimitedList", "List<Number>", "List<String>", "Number", "String")


def _is_type(name: str) -> bool:
    return name in _TYPES or name.startswith(("AWS::", "List<AWS::"))


def _raw(name: str, declaration: Mapping[str, Any], given: Mapping[str, str]) -> str:
    value = given[name] if name in given else declaration["Default"]
    return ",".join(text_of(item) for item in value) if isinstance(value, list) else text_of(value)


def _value_problems(name: str, declaration: Mapping[str, Any], given: Mapping[str, str]) -> Iterator[str]:
    if name not in given and "Default" not in declaration:
        yield f"{name} ({declaration['Type']}) has no value and no default. {_HOW}"
        return
    raw = _raw(name, declaration, given)
    items = _split(raw) if _is_list(declaration["Type"]) else [raw]
    for item in items:
        for problem in _constraint_problems(declaration, item):
            yield f"{name}: {_shown(declaration, item)} {problem}{_described(declaration)}"


def _shown(declaration: Mapping[str, Any], item: str) -> str:
    """The value, unless the template asks for it to stay off the screen."""
    return "its value (NoEcho)" if text_of(declaration.get("NoEcho", False)) == "true" else repr(item)


def _described(declaration: Mapping[str, Any]) -> str:
    described = declaration.get("ConstraintDescription")
    return f" ({text_of(described)})" if described else ""


def _constraint_problems(declaration: Mapping[str, Any], item: str) -> Iterator[str]:
    if declaration["Type"] in {"Number", "List<Number>"} and not is_number(item):
        yield "is not a number."
        return
    for attribute, check in _CHECKS.items():
        if attribute in declaration:
            problem = check(item, declaration[attribute])
            if problem:
                yield problem


def _allowed_values(item: str, allowed: Any) -> str | None:
    texts = [text_of(value) for value in allowed]
    return None if item in texts else f"is not one of the AllowedValues. {nearest(item, texts)}"


def _allowed_pattern(item: str, pattern: Any) -> str | None:
    try:
        matches = re.fullmatch(text_of(pattern), item)
    except re.error as error:
        return f"cannot be checked: AllowedPattern {text_of(pattern)} is not a regular expression: {error}."
    return None if matches else f"does not match the AllowedPattern {text_of(pattern)}."


def _min_length(item: str, limit: Any) -> str | None:
    return f"is shorter than MinLength {limit}." if len(item) < float(limit) else None


def _max_length(item: str, limit: Any) -> str | None:
    return f"is longer than MaxLength {limit}." if len(item) > float(limit) else None


def _min_value(item: str, limit: Any) -> str | None:
    return f"is less than MinValue {limit}." if is_number(item) and float(item) < float(limit) else None


def _max_value(item: str, limit: Any) -> str | None:
    return f"is more than MaxValue {limit}." if is_number(item) and float(item) > float(limit) else None


_CHECKS: dict[str, Callable[[str, Any], str | None]] = {
    "AllowedValues": _allowed_values,
    "AllowedPattern": _allowed_pattern,
    "MinLength": _min_length,
    "MaxLength": _max_length,
    "MinValue": _min_value,
    "MaxValue": _max_value,
}


def _is_list(type_name: str) -> bool:
    return type_name == "CommaDelimitedList" or type_name.startswith("List<")


def _typed(type_name: str, raw: str) -> ParameterValue:
    ssm = _SSM_VALUE.fullmatch(type_name)
    if ssm:
        return SsmParameter(raw, _is_list(ssm[1]))
    return _split(raw) if _is_list(type_name) else raw


def _split(raw: str) -> list[str]:
    return [item.strip() for item in raw.split(",")]


def pseudo_parameters(account: str, region: str, stack_name: str) -> dict[str, ParameterValue]:
    """What `AWS::Region` and its siblings stand for; `AWS::NoValue` is not among them."""
    partition = _partition(region)
    return {
        "AWS::AccountId": account,
        "AWS::NotificationARNs": [],
        "AWS::Partition": partition,
        "AWS::Region": region,
        "AWS::StackId": _stack_id(partition, account, region, stack_name),
        "AWS::StackName": stack_name,
        "AWS::URLSuffix": "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com",
    }


_PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "us-iso-": "aws-iso", "us-isob-": "aws-iso-b"}


def _partition(region: str) -> str:
    return next((name for prefix, name in _PARTITIONS.items() if region.startswith(prefix)), "aws")


def _stack_id(partition: str, account: str, region: str, stack_name: str) -> str:
    arn = f"arn:{partition}:cloudformation:{region}:{account}:stack/{stack_name}"
    # AWS draws this id at random; here it follows from the name, so that a run can be repeated.
    return f"{arn}/{uuid.uuid5(uuid.NAMESPACE_URL, arn)}"
