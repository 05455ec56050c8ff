"""
Template text becomes plain dicts, lists, strings, numbers and booleans, as CloudFormation itself reads it.

PyYAML only composes nodes here; the values are built by our own small constructor, because CloudFormation differs from
YAML 1.1: timestamps are strings, keys are strings, duplicate keys and nulls are refused, and short tags are intrinsics.
Aliases are copied, not shared, so that nobody who rewrites one place of a template changes another.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from stagefright.errors import TemplateError, nearest
from stagefright.templates.text import content_of

_FUNCTIONS = (
    *(
        "And",
        "Base64",
        "Cidr",
        "Equals",
        "FindInMap",
        "GetAZs",
        "GetAtt",
        "GetStackOutput",
        "If",
        "ImportValue",
        "Join",
        "Length",
        "Not",
    ),
    *("Or", "Select", "Split", "Sub", "ToJsonString", "Transform"),
    # These live in the section Rules, which is read and then ignored.
    *("Contains", "EachMemberEquals", "EachMemberIn", "RefAll", "ValueOf", "ValueOfAll"),
)
SHORT_TAGS = {"!Ref": "Ref", "!Condition": "Condition"} | {f"!{name}": f"Fn::{name}" for name in _FUNCTIONS}
"""Each YAML short tag with the long name that it stands for."""

_YAML = "tag:yaml.org,2002:"
_STRINGS = {f"{_YAML}{kind}" for kind in ("str", "timestamp", "value", "binary")}
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_document(path: Path) -> dict[str, Any]:
    """The template in `path`, YAML or JSON, as a mapping."""
    text = _text(path)
    document = _json(text, path) if _is_json(text, path) else _yaml(text, path)
    if not isinstance(document, dict):
        raise TemplateError(_not_a_mapping(document), file=str(path))
    return document


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise TemplateError(
            f"the template cannot be read: there is no such file. {content_of(path.parent)}", file=str(path)
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(f"the template cannot be read: {error}", file=str(path)) from error


def _is_json(text: str, path: Path) -> bool:
    return path.suffix == ".json" or (path.suffix not in {".yaml", ".yml"} and text.lstrip().startswith("{"))


def _not_a_mapping(document: Any) -> str:
    kind = "empty" if document is None else f"a {type(document).__name__}"
    return f"a template is a mapping with a section Resources; this one is {kind}."


def _json(text: str, path: Path) -> Any:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key, value in items:
            if key in mapping:
                raise TemplateError(f"the key {key} occurs twice in one mapping; keep one of them.", file=str(path))
            if value is None:
                raise TemplateError(f"{key} is null, which CloudFormation refuses; {_DROP_NULL}", file=str(path))
            mapping[key] = value
        return mapping

    try:
        return json.loads(text, object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        message = f"malformed JSON at line {error.lineno}, column {error.colno}: {error.msg}."
        raise TemplateError(message, file=str(path)) from error


_DROP_NULL = "give it a value, or drop the key (!Ref AWS::NoValue drops it under a condition)."


def _yaml(text: str, path: Path) -> Any:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise TemplateError(_malformed(error, text), file=str(path)) from error
    except yaml.YAMLError as error:
        raise TemplateError(f"malformed YAML: {error}", file=str(path)) from error
    finally:
        loader.dispose()
    return None if node is None else _Builder(path).value(node)


def _malformed(error: yaml.MarkedYAMLError, text: str) -> str:
    mark = error.problem_mark or error.context_mark
    where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    hint = _tab_hint(text, mark.line) if mark else ""
    return f"malformed YAML{where}: {error.problem or error.context}.{hint}"


def _tab_hint(text: str, line: int) -> str:
    lines = text.splitlines()
    found = line < len(lines) and "\t" in lines[line]
    return " The line contains a tab; YAML is indented with spaces only." if found else ""


class _Builder:
    """Builds plain values from one file's nodes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._construct: Callable[[Node], Any] = SafeConstructor().construct_object
        self._open: set[Node] = set()

    def value(self, node: Node) -> Any:
        if node.tag.startswith("!"):
            return self._tagged(node)
        return self._plain(node)

    def _tagged(self, node: Node) -> dict[str, Any]:
        """A short tag such as `!Sub text` becomes `{"Fn::Sub": "text"}`."""
        name = SHORT_TAGS.get(node.tag)
        if name is None:
            raise self._wrong(node, f"the tag {node.tag} is not an intrinsic function. {nearest(node.tag, SHORT_TAGS)}")
        # A tagged scalar is text, whatever it looks like: `!Ref 123` names the resource "123".
        value = node.value if isinstance(node, ScalarNode) else self._plain(node)
        return {name: _split_attribute(value) if name == "Fn::GetAtt" else value}

    def _plain(self, node: Node) -> Any:
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        if node in self._open:
            raise self._wrong(node, "an alias refers to itself.")
        self._open.add(node)
        built = self._mapping(node) if isinstance(node, MappingNode) else self._sequence(node)
        self._open.discard(node)
        return built

    def _sequence(self, node: Node) -> list[Any]:
        assert isinstance(node, SequenceNode)
        return [self.value(item) for item in node.value]

    def _mapping(self, node: MappingNode) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == f"{_YAML}merge":
                continue
            key = self._key(key_node)
            if key in mapping:
                raise self._wrong(key_node, f"the key {key} occurs twice in one mapping; keep one of them.")
            value = self.value(value_node)
            mapping[key] = _split_attribute(value) if key == "Fn::GetAtt" else value
        return self._merged(node) | mapping

    def _merged(self, node: MappingNode) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for source in self._merge_sources(node):
            # YAML 1.1: of several sources the earlier one wins.
            merged = self.value(source) | merged
        return merged

    def _merge_sources(self, node: MappingNode) -> Iterator[Node]:
        for key_node, value_node in node.value:
            if key_node.tag == f"{_YAML}merge":
                sources = value_node.value if isinstance(value_node, SequenceNode) else [value_node]
                for source in sources:
                    if not isinstance(source, MappingNode):
                        raise self._wrong(source, "only a mapping can be merged with <<.")
                    yield source

    def _key(self, node: Node) -> str:
        # The text as it is written: `200:` and `on:` are the keys "200" and "on".
        if isinstance(node, ScalarNode):
            return str(node.value)
        raise self._wrong(node, "a key must be text, not a list or a mapping.")

    def _scalar(self, node: ScalarNode) -> Any:
        if node.tag in _STRINGS:
            return str(node.value)
        if node.tag == f"{_YAML}null":
            raise self._wrong(node, f"this value is null, which CloudFormation refuses; {_DROP_NULL}")
        try:
            return self._construct(node)
        except (yaml.YAMLError, ValueError) as error:
            raise self._wrong(node, f"{node.value!r} cannot be read: {error}") from error

    def _wrong(self, node: Node, message: str) -> TemplateError:
        mark = node.start_mark
        return TemplateError(f"line {mark.line + 1}, column {mark.column + 1}: {message}", file=str(self._path))


def _split_attribute(value: Any) -> Any:
    """`Resource.Attribute` as the pair that the SAM translator understands."""
    return value.split(".", 1) if isinstance(value, str) and "." in value else value
