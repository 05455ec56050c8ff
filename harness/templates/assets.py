"""
Assets: what a tool that writes templates (the Serverless Framework, CDK) put beside them, found by the S3 key that a template names.

The tool would upload an asset under that key when it deploys. Here it is read where it lies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from stagefright.templates.text import content_of

_KEYS = ("S3Key", "Key")


@dataclass(frozen=True)
class Assets:
    """The assets of one template."""

    directory: Path
    """Where the tool writes: `.serverless`, `cdk.out`."""
    command: str
    """What makes them anew."""
    by_key: Mapping[str, Path] = field(default_factory=dict)
    """By object key, or by its last part."""
    prefix: str | None = None
    """What is in the key of every asset, if the tool has such a thing."""
    sources: Path | None = None
    """The project that the assets were made of."""
    mirrors: bool = False
    """Whether the files in a zip have the names that they have in the project."""

    def find(self, value: Any, resource: Mapping[str, Any], property_name: str) -> Path | None:
        """The asset that a property of a resource names, whether it is there or not; None if it names none."""
        noted = self._noted(resource, property_name)
        key = _key(value)
        path = self._at(key) if key is not None else None
        if path is None and noted is None and (key is None or not self._is_ours(key)):
            return None
        return path or noted or self.directory / PurePosixPath(key or "").name

    def missing(self, path: Path, property_name: str) -> str:
        """What to say of an asset that is not there."""
        return (
            f"{property_name} is the asset {path.name}, which is not there (looked at {path}). {content_of(path.parent)} "
            f"Run `{self.command}` again."
        )

    def _noted(self, resource: Mapping[str, Any], property_name: str) -> Path | None:
        """What CDK notes in the metadata of a resource, when its command line asks for that."""
        metadata = resource.get("Metadata")
        if not isinstance(metadata, Mapping) or metadata.get("aws:asset:property") != property_name:
            return None
        noted = metadata.get("aws:asset:path")
        return (self.directory / noted).resolve() if isinstance(noted, str) else None

    def _at(self, key: str) -> Path | None:
        # An address has the host and the bucket before the key.
        parts = key.split("/")
        endings = ("/".join(parts[start:]) for start in range(len(parts)))
        return next((self.by_key[ending] for ending in endings if ending in self.by_key), None)

    def _is_ours(self, key: str) -> bool:
        return self.prefix is not None and self.prefix in key


def _key(value: Any) -> str | None:
    """The object key that a value ends in, as far as it is written out: intrinsic functions only choose the bucket."""
    if isinstance(value, Mapping):
        named = next((value[name] for name in _KEYS if name in value), None)
        if named is not None:
            return named if isinstance(named, str) else _key(named)
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            return _key_of_function(name, argument)
        return None
    return value.partition("://")[2] if isinstance(value, str) and "://" in value else None


def _key_of_function(name: str, argument: Any) -> str | None:
    if name == "Fn::Join" and isinstance(argument, list) and len(argument) == 2 and isinstance(argument[1], list):
        last = argument[1][-1] if argument[1] else None
        return last.lstrip("/") if isinstance(last, str) else None
    if name == "Fn::Sub":
        text = argument[0] if isinstance(argument, list) and argument else argument
        last = text.rpartition("}")[2] if isinstance(text, str) else ""
        return last.lstrip("/") or None
    return None
