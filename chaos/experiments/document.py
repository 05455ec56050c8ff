"""
A YAML file of people as plain values, with the line of each, and with no way to hurt the reader.

Values are as YAML's safe loader makes them, but keys are text, dates stay text, and CloudFormation's `!Ref`, `!GetAtt` and our
`!Output` are references. Duplicate keys, unknown tags, endless aliases and huge files are refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from stagefright.chaos.experiments.kinds import DEPTH_MAX, REFERENCES
from stagefright.errors import ExperimentError, nearest
from stagefright.wording import clip

SIZE_MAX = 256 * 1024
"""The bytes of a file; the largest payload of most AWS services, and a thousand times what an experiment needs."""

VALUES_MAX = 20_000
"""How many values a file may have once its aliases are followed; ten short lines of aliases can stand for millions."""

Where = tuple[str | int, ...]
"""The place of a value in a document: the keys and indexes that lead to it."""

_YAML = "tag:yaml.org,2002:"
_TEXTS = {f"{_YAML}{kind}" for kind in ("str", "timestamp", "value")}
_TAGS = {f"!{name}": name for name in REFERENCES}


@dataclass
class Document:
    """Plain values, with the lines that they stand on, and what is wrong with them."""

    file: str
    value: Any = None
    lines: dict[Where, int] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)

    def wrong(self, where: Where, message: str) -> None:
        """Note a problem at a place."""
        name = spelt(where)
        self.problems.append((self.line(where), f"{name}: {message}" if name else message))

    def line(self, where: Where) -> int:
        """The line of a place, or of the nearest one around it; 0 if unknown."""
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 0)

    def refuse(self, what: str) -> None:
        """Raise `ExperimentError` if there are problems."""
        if self.problems:
            told = [f"line {line}, {text}" if line else text for line, text in sorted(dict.fromkeys(self.problems))]
            raise ExperimentError("\n  - ".join([f"{self.file} is not {what}:", *told]))


def spelt(where: Where) -> str:
    """
    A place as people write it.

    >>> spelt(("method", 0, "chaos"))
    'method[0].chaos'
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{clip(part, 60)}" for part in where)
    return text.removeprefix(".")


def read_text(path: Path, what: str) -> str:
    """The text of a file, which is not unduly long."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ExperimentError(f"{path} cannot be read: {error.strerror or error}.") from None
    if len(raw) > SIZE_MAX:
        raise ExperimentError(f"{path} has {len(raw)} bytes; {what} has {SIZE_MAX} at most.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ExperimentError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}.") from None


def read_yaml(text: str, file: str) -> Document:
    """The one document in a text."""
    import yaml

    try:
        # In Python, because the deep recursion that a hostile file can cause is an error there and a crash in C.
        root = yaml.compose(text, Loader=_loader())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ExperimentError(f"{file}: malformed YAML{where}: {error.problem or error.context}.") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise ExperimentError(f"{file}: malformed YAML: {clip(str(error))}.") from None
    except (_TooDeep, RecursionError):
        raise ExperimentError(f"{file}: it is nested too deeply; {DEPTH_MAX} levels are allowed.") from None
    document = Document(file)
    if root is not None:
        document.value = _Builder(document).value(root, ())
    return document


class _TooDeep(Exception):
    """A document is nested deeper than any experiment."""


@lru_cache(maxsize=1)
def _loader() -> Any:
    """YAML's safe loader, which gives up at the first value that is nested too deeply: reading on takes seconds."""
    import yaml

    class Loader(yaml.SafeLoader):
        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.depth > DEPTH_MAX:
                raise _TooDeep
            self.depth += 1
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

    return Loader


class _Builder:
    """Makes plain values of YAML's nodes."""

    def __init__(self, document: Document) -> None:
        from yaml.constructor import SafeConstructor

        self._document = document
        self._construct = SafeConstructor().construct_object
        self._count = 0

    def value(self, node: Any, where: Where) -> Any:
        self._document.lines.setdefault(where, node.start_mark.line + 1)
        self._count += 1
        if self._count > VALUES_MAX:
            raise ExperimentError(f"{self._document.file}: its aliases stand for more than {VALUES_MAX} values.")
        if len(where) > DEPTH_MAX:
            raise ExperimentError(f"{self._document.file}: it is nested too deeply; {DEPTH_MAX} levels are allowed.")
        if node.tag in _TAGS:
            return {_TAGS[node.tag]: node.value if isinstance(node.value, str) else None}
        if not node.tag.startswith(_YAML):
            self._document.wrong(where, f"the tag {node.tag} is unknown. {nearest(node.tag, _TAGS)}")
            return None
        return self._plain(node, where)

    def _plain(self, node: Any, where: Where) -> Any:
        from yaml.nodes import MappingNode, SequenceNode

        if isinstance(node, MappingNode):
            return self._mapping(node, where)
        if isinstance(node, SequenceNode):
            return [self.value(item, (*where, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, where)

    def _mapping(self, node: Any, where: Where) -> dict[str, Any]:
        from yaml.nodes import ScalarNode

        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, ScalarNode) else None
            if key is None:
                self._document.wrong(where, "a key is text, not a list or a mapping.")
                continue
            if key in mapping:
                line = key_node.start_mark.line + 1
                self._document.wrong(where, f"the key {clip(key, 60)} occurs twice (again in line {line}); keep one.")
            mapping[key] = self.value(value_node, (*where, key))
        return mapping

    def _scalar(self, node: Any, where: Where) -> Any:
        import yaml

        if node.tag in _TEXTS:
            return node.value
        try:
            value = self._construct(node)
        except (yaml.YAMLError, ValueError, OverflowError):
            self._document.wrong(
                where, f"{clip(str(node.value), 60)!r} cannot be read as {node.tag.rpartition(':')[2]}."
            )
            return None
        if isinstance(value, float) and not math.isfinite(value):
            self._document.wrong(where, f"{node.value} is not a number that can be used.")
            return None
        return value
