"""
What an EventBridge target receives: the event, a part of it (`InputPath`), a constant (`Input`) or a filled template.

The outputs copy recordings from AWS: a path that leads nowhere becomes an empty string, and inside the quotes of a
template a value stands without any of its own (AWS guide, eb-transform-target-input; semantics §6.3).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stagefright.aws_api.errors import ApiError

INPUT_PATHS_MAX = 100
TEMPLATE_CHARS_MAX = 8_192

PLACEHOLDER = re.compile(r"<([A-Za-z0-9_.\-]+)>")

MISSING = object()
"""What a path gives that leads nowhere."""


@dataclass(frozen=True, slots=True)
class RuleContext:
    """What a template may say of the rule and of the event's arrival."""

    rule_arn: str
    rule_name: str
    ingestion_time: str


PREDEFINED = (
    "aws.events.rule-arn",
    "aws.events.rule-name",
    "aws.events.event.ingestion-time",
    "aws.events.event",
    "aws.events.event.json",
)


def target_input(target: Mapping[str, Any], event: Mapping[str, Any], context: RuleContext) -> str:
    """
    The text that a target receives.

    >>> context = RuleContext("arn:aws:events:eu-west-1:123456789012:rule/r", "r", "2026-01-01T00:00:00Z")
    >>> target_input({"InputPath": "$.detail.sf_id"}, {"detail": {"sf_id": "baz"}}, context)
    '"baz"'
    """
    if target.get("Input") is not None:
        return str(target["Input"])
    if target.get("InputPath") is not None:
        return to_json(_or_empty(read_path(target["InputPath"], event)))
    transformer = target.get("InputTransformer")
    if transformer:
        return fill(transformer["InputTemplate"], _values(transformer, event, context))
    return to_json(event)


def validate_target(target: Mapping[str, Any]) -> None:
    """Refuse a target's input settings as `PutTargets` does."""
    given = [name for name in ("Input", "InputPath", "InputTransformer") if target.get(name) is not None]
    if len(given) > 1:
        raise _refusal(
            f"Only one of Input, InputPath, or InputTransformer must be provided for target {target.get('Id')}."
        )
    if "InputTransformer" in given:
        _validate_transformer(target)


def _validate_transformer(target: Mapping[str, Any]) -> None:
    paths = target["InputTransformer"].get("InputPathsMap") or {}
    template = target["InputTransformer"].get("InputTemplate", "")
    if len(paths) > INPUT_PATHS_MAX:
        raise _refusal(_too_long("inputPathsMap", INPUT_PATHS_MAX, paths))
    if len(template) > TEMPLATE_CHARS_MAX:
        raise _refusal(_too_long("inputTemplate", TEMPLATE_CHARS_MAX, template))
    for name in PLACEHOLDER.findall(template):
        if name not in paths and name not in PREDEFINED:
            raise _refusal(f"InputTemplate for target {target.get('Id')} contains invalid placeholder {name}.")


def _too_long(member: str, limit: int, value: object) -> str:
    return (
        f"1 validation error detected: Value '{value}' at 'targets.1.member.inputTransformer.{member}' failed to "
        f"satisfy constraint: Member must have length less than or equal to {limit}"
    )


def _refusal(message: str) -> ApiError:
    return ApiError("ValidationException", message)


def to_json(value: Any) -> str:
    """JSON as EventBridge writes it: no spaces, characters as they are."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[\*\]|\['([^']*)'\]|\[\"([^\"]*)\"\]|\.(\*)")


def read_path(path: str, event: Any) -> Any:
    """
    The value at a path of EventBridge's JSONPath subset: `$`, `.name`, `['name']`, `[0]` and `[*]`; else `MISSING`.

    >>> read_path("$.detail.tags[0]", {"detail": {"tags": ["a", "b"]}})
    'a'
    >>> read_path("$.detail.items[*].id", {"detail": {"items": [{"id": 1}, {"id": 2}]}})
    [1, 2]
    """
    steps = _steps(path)
    if steps is None:
        return MISSING
    found, several = [event], False
    for step in steps:
        several = several or step is None
        found = [below for node in found for below in _below(node, step)]
    if several:
        return found
    return found[0] if found else MISSING


def _steps(path: str) -> list[str | int | None] | None:
    """Names, indexes, and None for "all elements"; or None if the text is not a path."""
    if not path.startswith("$"):
        return None
    steps: list[str | int | None] = []
    position = 1
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            return None
        steps.append(_step(match))
        position = match.end()
    return steps


def _step(match: re.Match[str]) -> str | int | None:
    if match[2] is not None:
        return int(match[2])
    name: str | None = next((group for group in (match[1], match[3], match[4]) if group is not None), None)
    return None if name == "*" and match[1] is not None else name


def _below(node: Any, step: str | int | None) -> Iterator[Any]:
    if step is None:
        yield from node if isinstance(node, list) else node.values() if isinstance(node, Mapping) else ()
    elif isinstance(step, int):
        if isinstance(node, list) and step < len(node):
            yield node[step]
    elif isinstance(node, Mapping) and step in node:
        yield node[step]


def _values(transformer: Mapping[str, Any], event: Mapping[str, Any], context: RuleContext) -> dict[str, Any]:
    """What each placeholder stands for; a name of the paths map that begins like a predefined one wins."""
    paths = transformer.get("InputPathsMap") or {}
    own = {name: _or_empty(read_path(path, event)) for name, path in paths.items()}
    return {**_predefined(event, context), **own}


def _predefined(event: Mapping[str, Any], context: RuleContext) -> dict[str, Any]:
    return {
        "aws.events.rule-arn": context.rule_arn,
        "aws.events.rule-name": context.rule_name,
        "aws.events.event.ingestion-time": context.ingestion_time,
        "aws.events.event": _without_detail(event),
        "aws.events.event.json": dict(event),
    }


def _without_detail(event: Mapping[str, Any]) -> dict[str, Any]:
    """`<aws.events.event>`: the envelope only, with `detail-type` spelled `detailType` (recorded)."""
    return {"detailType" if name == "detail-type" else name: event[name] for name in event if name != "detail"}


def _or_empty(value: Any) -> Any:
    return "" if value is MISSING else value


def fill(
    template: str, values: Mapping[str, Any], placeholder: re.Pattern[str] = PLACEHOLDER, *, as_text: bool = False
) -> str:
    """Replace each placeholder: by JSON outside of quotes, by text inside of them, or `as_text` everywhere."""
    parts: list[str] = []
    position, quoted = 0, False
    for match in placeholder.finditer(template):
        before = template[position : match.start()]
        quoted ^= _quotes(before) % 2 == 1
        parts += [before, _insert(match, values, quoted=quoted, as_text=as_text)]
        position = match.end()
    return "".join(parts) + template[position:]


def _insert(match: re.Match[str], values: Mapping[str, Any], *, quoted: bool, as_text: bool) -> str:
    if match[1] not in values:
        return match[0]
    value = values[match[1]]
    if as_text and isinstance(value, str):
        return value
    if not quoted and not as_text:
        return to_json(value)
    # A string keeps the escapes that make it a part of the surrounding one; a structure loses its quotes.
    return to_json(value)[1:-1] if isinstance(value, str) else to_json(value).replace('"', "")


def _quotes(text: str) -> int:
    """How many double quotes open or close a string, that is all but the escaped ones."""
    return len(re.findall(r'(?<!\\)(?:\\\\)*"', text))
