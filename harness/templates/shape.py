"""The shape of a template: its sections, its resources, its outputs. All problems at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stagefright.errors import TemplateError, UnknownExport, nearest
from stagefright.templates.text import plural

SAM = "AWS::Serverless-2016-10-31"
LANGUAGE_EXTENSIONS = "AWS::LanguageExtensions"
INCLUDE = "AWS::Include"

_SECTIONS = (
    *("AWSTemplateFormatVersion", "Conditions", "Description", "Globals", "Hooks", "Mappings", "Metadata", "Outputs"),
    *("Parameters", "Resources", "Rules", "Transform"),
)
_MAPPINGS = ("Conditions", "Globals", "Mappings", "Outputs", "Parameters", "Resources")
_ATTRIBUTES = (
    *("Condition", "Connectors", "CreationPolicy", "DeletionPolicy", "DependsOn", "IgnoreGlobals", "Metadata"),
    *("Properties", "Type", "UpdatePolicy", "UpdateReplacePolicy"),
)
_OUTPUT_KEYS = ("Condition", "Description", "Export", "Value")


def check_sections(document: dict[str, Any], file: str) -> None:
    """Refuse a template whose sections are unknown, missing or no mappings."""
    raise_all(list(_section_problems(document, file)), file)


def _section_problems(document: dict[str, Any], file: str) -> Iterator[TemplateError]:
    for name in document:
        if name not in _SECTIONS:
            yield TemplateError(f"{name} is not a section of a template. {nearest(name, _SECTIONS)}", file=file)
    for name in _MAPPINGS:
        if not isinstance(document.get(name, {}), dict):
            yield TemplateError(f"the section {name} must be a mapping; check its indentation.", file=file)
    for name, section in _mapping(document.get("Globals")).items():
        if not isinstance(section, dict):
            yield TemplateError(f"Globals.{name} must be a mapping; check its indentation.", file=file)
    if not document.get("Resources"):
        yield TemplateError(f"a template needs a section Resources; this one has {_list(document)}.", file=file)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(names: Any) -> str:
    return ", ".join(names) or "nothing"


def check_entries(document: dict[str, Any], file: str) -> None:
    """Refuse resources and outputs that CloudFormation would not recognise."""
    raise_all([*_resource_problems(document, file), *_output_problems(document, file)], file)


def _resource_problems(document: dict[str, Any], file: str) -> Iterator[TemplateError]:
    for logical_id, resource in document["Resources"].items():
        for problem in _resource(resource, SAM in transforms(document)):
            yield TemplateError(problem, file=file, logical_id=logical_id)


def _resource(resource: Any, sam: bool) -> Iterator[str]:
    if not isinstance(resource, dict):
        yield "a resource is a mapping with a Type; check its indentation."
        return
    if not isinstance(resource.get("Type"), str):
        yield f"a resource needs a Type, such as AWS::SQS::Queue; this one has {_list(resource)}."
    elif resource["Type"].startswith("AWS::Serverless::") and not sam:
        yield f"the type {resource['Type']} needs the line `Transform: {SAM}` in the template."
    if not isinstance(resource.get("Properties", {}), dict):
        yield "Properties must be a mapping; check its indentation."
    if not isinstance(resource.get("Condition", ""), str):
        yield "Condition must be the name of a condition; quote it if it looks like a boolean."
    if not _names(resource.get("DependsOn", [])):
        yield "DependsOn must be a logical id or a list of them."
    for key in resource:
        if key not in _ATTRIBUTES and not key.startswith("Fn::") and not _is_version(key, resource):
            hint = f"Does it belong under Properties? {nearest(key, _ATTRIBUTES)}"
            yield f"{key} is not an attribute of a resource. {hint}"


def _is_version(key: str, resource: dict[str, Any]) -> bool:
    """The Serverless Framework gives its custom resources one, and CloudFormation has always let it pass."""
    return key == "Version" and str(resource.get("Type")).startswith(
        ("Custom::", "AWS::CloudFormation::CustomResource")
    )


def _names(depends_on: Any) -> bool:
    return all(isinstance(name, str) for name in (depends_on if isinstance(depends_on, list) else [depends_on]))


def _output_problems(document: dict[str, Any], file: str) -> Iterator[TemplateError]:
    for logical_id, output in document.get("Outputs", {}).items():
        for problem in _output(output):
            yield TemplateError(problem, file=file, logical_id=logical_id)


def _output(output: Any) -> Iterator[str]:
    if not isinstance(output, dict) or "Value" not in output:
        yield "an output is a mapping with a Value."
        return
    export = output.get("Export", {"Name": ""})
    if not isinstance(export, dict) or [*export] != ["Name"]:
        yield "Export is a mapping with a Name."
    if not isinstance(output.get("Condition", ""), str):
        yield "Condition must be the name of a condition; quote it if it looks like a boolean."
    for key in output:
        if key not in _OUTPUT_KEYS:
            yield f"{key} is not an attribute of an output. {nearest(key, _OUTPUT_KEYS)}"


def transforms(document: dict[str, Any]) -> list[str]:
    """The names of the template's transforms, in order."""
    declared = document.get("Transform", [])
    several = declared if isinstance(declared, list) else [declared]
    return [str(one.get("Name")) if isinstance(one, dict) else str(one) for one in several]


def raise_all(problems: list[TemplateError], file: str) -> None:
    """Raise one error for all problems, if there are any."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        lines = [str(problem).removeprefix(f"{file}: ").removeprefix(f"{file} ") for problem in problems]
        everything = "\n  ".join([f"{plural(len(problems), 'problem')}:", *lines])
        only_exports = all(isinstance(problem, UnknownExport) for problem in problems)
        raise (UnknownExport if only_exports else TemplateError)(everything, file=file)
