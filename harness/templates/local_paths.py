"""
Local code and definitions: the paths of files that AWS would want to have in S3.

`sam` and `aws cloudformation package` upload what such a path names. Here it stays where it is: a property that names
local content ends as `{"LocalPath": "/absolute/path"}`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from stagefright.errors import TemplateError
from stagefright.templates.lookup import NotStatic
from stagefright.templates.resolver import Resolver
from stagefright.templates.text import content_of

PROPERTIES = {
    "AWS::ApiGateway::RestApi": "BodyS3Location",
    "AWS::ApiGatewayV2::Api": "BodyS3Location",
    "AWS::CloudFormation::Stack": "TemplateURL",
    "AWS::Lambda::Function": "Code",
    "AWS::Lambda::LayerVersion": "Content",
    "AWS::StepFunctions::StateMachine": "DefinitionS3Location",
}
"""The property of each CloudFormation type that may name local content."""

SOURCE_PROPERTIES = frozenset({"Code", "Content"})
"""Those of them that name code, which was made of files of the project."""

SAM_PROPERTIES = {
    "AWS::Serverless::Api": "DefinitionUri",
    "AWS::Serverless::Function": "CodeUri",
    "AWS::Serverless::HttpApi": "DefinitionUri",
    "AWS::Serverless::LayerVersion": "ContentUri",
    "AWS::Serverless::StateMachine": "DefinitionUri",
}
"""The property of each SAM type that may name local content."""

_BUCKET = "stagefright-local-content"
_PREFIX = "path/"
_URLS = ("s3://", "http://", "https://")


@dataclass(frozen=True)
class LocalPaths:
    """Finds local content relative to the template's directory."""

    resolver: Resolver
    directory: Path
    must_exist: bool = True
    """Off for resources that are not created."""

    def hide(self, value: Any, property_name: str) -> Any:
        """
        A placeholder for a local path, in the only form that the SAM translator takes: an S3 address.

        The placeholder holds the path as it is written, so ids that are derived from it are the same on every machine.
        """
        path = self._local(value)
        if path is None:
            return value
        self._existing(path, property_name)
        return f"s3://{_BUCKET}/{_PREFIX}{quote(path)}"

    def reveal(self, value: Any) -> Any:
        """The local path behind a placeholder; any other value as it is."""
        if not isinstance(value, dict) or _BUCKET not in (value.get("S3Bucket"), value.get("Bucket")):
            return value
        key = str(value.get("S3Key", value.get("Key")))
        return self._at(unquote(key.removeprefix(_PREFIX)))

    def localise(self, value: Any, property_name: str) -> Any:
        """A plain path in a CloudFormation property becomes local content; any other value stays."""
        path = self._local(value)
        if path is None:
            return value
        self._existing(path, property_name)
        return self._at(path)

    def _at(self, path: str) -> dict[str, str]:
        return {"LocalPath": str((self.directory / path).resolve())}

    def _local(self, value: Any) -> str | None:
        if isinstance(value, dict) and self.resolver.intrinsic(value):
            value = self._known(value)
        return value if isinstance(value, str) and not value.startswith(_URLS) and "{{" not in value else None

    def _known(self, value: Any) -> Any:
        # What depends on a resource cannot be a path of this machine.
        with suppress(NotStatic):
            return self.resolver.resolve(value)
        return value

    def _existing(self, path: str, property_name: str) -> None:
        if self.must_exist and not (self.directory / path).exists():
            raise self._missing(path, property_name)

    def _missing(self, path: str, property_name: str) -> TemplateError:
        full = self.directory / path
        return self.resolver.wrong(
            f"{property_name} names {path}, which does not exist (looked at {full}). {content_of(full.parent)}"
        )
