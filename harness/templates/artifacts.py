"""
Artifacts: what lies on this machine and has to be in S3 before CloudFormation can deploy a template.

The list is that of `aws cloudformation package` and `sam package`. Nothing is uploaded here: whoever uploads asks an artifact for the
value that its property gets (`located`), and `replaced` writes these values into the template.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stagefright.templates.assets import Assets

ZIP, FILE, TEMPLATE = "zip", "file", "template"
"""How an artifact is uploaded: zipped (unless it is a zip file), as it is, or as a template, after its own artifacts."""

Located = Callable[[str, str, str], Any]
"""From bucket, key and region to the value of a property."""


def _s3_url(bucket: str, key: str, _region: str) -> str:
    return f"s3://{bucket}/{key}"


def _https_url(bucket: str, key: str, region: str) -> str:
    # CloudFormation takes a nested template by an https address only.
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://s3.{region}.{suffix}/{bucket}/{key}"


def _s3_bucket_and_key(bucket: str, key: str, _region: str) -> dict[str, str]:
    return {"S3Bucket": bucket, "S3Key": key}


def _bucket_and_key(bucket: str, key: str, _region: str) -> dict[str, str]:
    return {"Bucket": bucket, "Key": key}


@dataclass(frozen=True, slots=True)
class Uploadable:
    """A property that names content: where it is, how the content travels, and what stands there afterwards."""

    property: str
    packaging: str
    locate: Located


_RESOLVER = tuple(
    Uploadable(name, FILE, _s3_url)
    for name in ("CodeS3Location", "RequestMappingTemplateS3Location", "ResponseMappingTemplateS3Location")
)

UPLOADABLE: Mapping[str, tuple[Uploadable, ...]] = {
    "AWS::ApiGateway::RestApi": (Uploadable("BodyS3Location", FILE, _bucket_and_key),),
    "AWS::ApiGatewayV2::Api": (Uploadable("BodyS3Location", FILE, _bucket_and_key),),
    "AWS::AppSync::FunctionConfiguration": _RESOLVER,
    "AWS::AppSync::GraphQLSchema": (Uploadable("DefinitionS3Location", FILE, _s3_url),),
    "AWS::AppSync::Resolver": _RESOLVER,
    "AWS::CloudFormation::ModuleVersion": (Uploadable("ModulePackage", ZIP, _s3_url),),
    "AWS::CloudFormation::ResourceVersion": (Uploadable("SchemaHandlerPackage", ZIP, _s3_url),),
    "AWS::CloudFormation::Stack": (Uploadable("TemplateURL", TEMPLATE, _https_url),),
    "AWS::CloudFormation::StackSet": (Uploadable("TemplateURL", TEMPLATE, _https_url),),
    "AWS::CodeCommit::Repository": (Uploadable("Code.S3", ZIP, _bucket_and_key),),
    "AWS::ElasticBeanstalk::ApplicationVersion": (Uploadable("SourceBundle", ZIP, _s3_bucket_and_key),),
    "AWS::Glue::Job": (Uploadable("Command.ScriptLocation", FILE, _s3_url),),
    "AWS::Lambda::Function": (Uploadable("Code", ZIP, _s3_bucket_and_key),),
    "AWS::Lambda::LayerVersion": (Uploadable("Content", ZIP, _s3_bucket_and_key),),
    "AWS::Serverless::Api": (Uploadable("DefinitionUri", FILE, _s3_url),),
    "AWS::Serverless::Application": (Uploadable("Location", TEMPLATE, _https_url),),
    "AWS::Serverless::Function": (Uploadable("CodeUri", ZIP, _s3_url),),
    "AWS::Serverless::GraphQLApi": (Uploadable("SchemaUri", FILE, _s3_url),),
    "AWS::Serverless::HttpApi": (Uploadable("DefinitionUri", FILE, _s3_url),),
    "AWS::Serverless::LayerVersion": (Uploadable("ContentUri", ZIP, _s3_url),),
    "AWS::Serverless::StateMachine": (Uploadable("DefinitionUri", FILE, _s3_url),),
    "AWS::StepFunctions::StateMachine": (Uploadable("DefinitionS3Location", FILE, _bucket_and_key),),
}
"""The properties of each type that `aws cloudformation package` uploads."""

_SAM_FUNCTION = "AWS::Serverless::Function"
_SAM_CODE = ("CodeUri", "InlineCode", "ImageUri")


@dataclass(frozen=True, slots=True)
class Artifact:
    """Content of this machine that a property of a template names."""

    logical_id: str
    type: str
    property: str
    """Where it is named; a dot leads into a mapping (`Command.ScriptLocation`)."""
    path: Path
    """Absolute; a directory, a zip file or a plain file."""
    packaging: str
    """`zip`, `file` or `template`."""

    def located(self, bucket: str, key: str, region: str) -> Any:
        """The value of the property once the content lies in a bucket."""
        wanted = next(entry for entry in UPLOADABLE[self.type] if entry.property == self.property)
        return wanted.locate(bucket, key, region)


def artifacts_of(document: Mapping[str, Any], file: Path, assets: Assets | None = None) -> list[Artifact]:
    """
    The artifacts of a template as it is written, whether they are there or not.

    What an intrinsic function gives is not known here; of these only the keys of assets are recognised.
    """
    return list(_artifacts(document, file, assets))


def _artifacts(document: Mapping[str, Any], file: Path, assets: Assets | None) -> Iterator[Artifact]:
    for logical_id, resource in _entries(document.get("Resources")):
        kind = resource.get("Type")
        for wanted in UPLOADABLE.get(kind, ()) if isinstance(kind, str) else ():
            value = _named(resource, wanted, document)
            path = _path(value, resource, wanted, file, assets)
            if path is not None:
                yield Artifact(logical_id, str(kind), wanted.property, path, wanted.packaging)


def _entries(section: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, entry in section.items() if isinstance(section, Mapping) else ():
        if isinstance(entry, Mapping):
            yield name, entry


def _named(resource: Mapping[str, Any], wanted: Uploadable, document: Mapping[str, Any]) -> Any:
    """What a resource's property says, or `Globals`, or what SAM takes without a word: the template's own directory."""
    properties = resource.get("Properties") or {}
    value: Any = properties
    for step in wanted.property.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    if value is not None or not str(resource["Type"]).startswith("AWS::Serverless::"):
        return value
    shared = (document.get("Globals") or {}).get(str(resource["Type"]).rpartition("::")[2]) or {}
    if wanted.property in shared and not any(name in properties for name in _SAM_CODE):
        return shared[wanted.property]
    return "." if resource["Type"] == _SAM_FUNCTION and not _has_code(properties, shared) else None


def _has_code(properties: Mapping[str, Any], shared: Mapping[str, Any]) -> bool:
    image = properties.get("PackageType", shared.get("PackageType")) == "Image"
    return image or any(name in properties for name in _SAM_CODE)


def _path(
    value: Any, resource: Mapping[str, Any], wanted: Uploadable, file: Path, assets: Assets | None
) -> Path | None:
    if assets is not None and value is not None:
        found = assets.find(value, resource, wanted.property)
        if found is not None:
            return found
    if isinstance(value, str) and "://" not in value and "{{" not in value:
        return (file.parent / value).resolve()
    return None


def replaced(document: Mapping[str, Any], values: Mapping[Artifact, Any]) -> dict[str, Any]:
    """The template with these values in the place of their artifacts."""
    written = copy.deepcopy(dict(document))
    for artifact, value in values.items():
        place = written["Resources"][artifact.logical_id].setdefault("Properties", {})
        *steps, last = artifact.property.split(".")
        for step in steps:
            place = place[step]
        place[last] = value
    return written
