"""`AWS::Include`: the content of a local file takes the place of the transform that names it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stagefright.templates.resolver import Resolver
from stagefright.templates.shape import INCLUDE
from stagefright.templates.yaml_loader import read_document


@dataclass(frozen=True)
class Includer:
    """Writes included files into a template that lies in `directory`."""

    resolver: Resolver
    directory: Path

    def include(self, value: Any) -> Any:
        """The value with the content of every included file in it."""
        if isinstance(value, list):
            return [self.include(item) for item in value]
        if not isinstance(value, dict):
            return value
        if _is_include(value.get("Fn::Transform")):
            value = self._merged(value, value["Fn::Transform"])
        return {key: self.include(item) for key, item in value.items()}

    def _merged(self, value: dict[str, Any], transform: dict[str, Any]) -> dict[str, Any]:
        beside = {key: item for key, item in value.items() if key != "Fn::Transform"}
        return self.read(transform) | beside

    def read(self, transform: dict[str, Any]) -> dict[str, Any]:
        """The content of the file that one transform names."""
        parameters = transform.get("Parameters")
        location = parameters.get("Location") if isinstance(parameters, dict) else None
        location = self.resolver.static(location, "the Location of AWS::Include")
        if not isinstance(location, str):
            raise self.resolver.wrong("AWS::Include needs Parameters with a Location, which is the path of a file.")
        if "://" in location:
            raise self.resolver.wrong(f"AWS::Include cannot fetch {location}. Name a local file instead.")
        return read_document(self.directory / location)


def included_sections(document: dict[str, Any], includer: Includer) -> dict[str, Any]:
    """The template with the files merged in that its section Transform includes."""
    declared = document.get("Transform", [])
    several: Iterable[Any] = declared if isinstance(declared, list) else [declared]
    for transform in several:
        if _is_include(transform):
            document = includer.read(transform) | document
    return document


def _is_include(transform: Any) -> bool:
    return isinstance(transform, dict) and transform.get("Name") == INCLUDE
