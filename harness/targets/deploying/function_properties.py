"""The functions of a template as it is written: their properties, with what SAM's `Globals` add, before any transform."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SAM, PLAIN = "AWS::Serverless::Function", "AWS::Lambda::Function"
ROLE = "AWS::IAM::Role"

INLINE_MODULE = "index.py"
"""What Lambda calls the Python code that a template spells out."""


@dataclass(frozen=True)
class Function:
    """One function."""

    logical_id: str
    type: str
    properties: Mapping[str, Any]
    shared: Mapping[str, Any]
    """What `Globals` say, for this function."""

    def of(self, name: str) -> Any:
        """A property: the function's own, else that of `Globals`."""
        return self.properties.get(name, self.shared.get(name))

    @property
    def is_image(self) -> bool:
        """Whether its code is a container image."""
        code = self.properties.get("Code")
        has_uri = "ImageUri" in self.properties or (isinstance(code, Mapping) and "ImageUri" in code)
        return has_uri or self.of("PackageType") == "Image"

    @property
    def inline(self) -> Any:
        """Its code, if the template spells it out; None if it does not."""
        if self.type == SAM:
            return self.properties.get("InlineCode")
        code = self.properties.get("Code")
        return code.get("ZipFile") if isinstance(code, Mapping) else None

    def with_package(self, properties: Mapping[str, Any], where: Mapping[str, str]) -> dict[str, Any]:
        """Its properties with a package in the place of the code that the template spelt out."""
        if self.type == PLAIN:
            return {**properties, "Code": {"S3Bucket": where["Bucket"], "S3Key": where["Key"]}}
        left = {name: value for name, value in properties.items() if name != "InlineCode"}
        return {**left, "CodeUri": dict(where)}

    @property
    def own_environment(self) -> Mapping[str, Any]:
        """What it says of its environment itself; SAM adds what `Globals` say, variable by variable."""
        return self.properties.get("Environment") or {}

    @property
    def variables(self) -> Mapping[str, Any]:
        """All of its variables; to be asked for if they are plain."""
        return {**_variables(self.shared.get("Environment")), **_variables(self.own_environment)}

    @property
    def has_plain_variables(self) -> bool:
        """Whether its variables are written out, name by name."""
        return _is_plain(self.shared.get("Environment")) and _is_plain(self.properties.get("Environment"))

    @property
    def has_managed_role(self) -> bool:
        """Whether SAM makes a role for it."""
        return self.type == SAM and self.of("Role") is None

    @property
    def policies(self) -> list[Any]:
        """What SAM puts into that role."""
        found = self.of("Policies")
        return [*found] if isinstance(found, list) else [] if found is None else [found]


def functions_of(document: Mapping[str, Any]) -> Iterator[Function]:
    """The functions of a template, in its order; what is malformed is left to CloudFormation."""
    shared = _mapping(_mapping(document.get("Globals")).get("Function"))
    for logical_id, resource in _mapping(document.get("Resources")).items():
        kind = resource.get("Type") if isinstance(resource, Mapping) else None
        if kind not in (SAM, PLAIN) or not isinstance(resource.get("Properties") or {}, Mapping):
            continue
        ignored = resource.get("IgnoreGlobals", [])
        common = {} if kind == PLAIN or ignored == "*" else {k: v for k, v in shared.items() if k not in ignored}
        yield Function(logical_id, kind, resource.get("Properties") or {}, common)


def role_of(function: Function, document: Mapping[str, Any]) -> str | None:
    """The logical id of a function's role, if the same template makes it."""
    value = function.of("Role")
    argument = value.get("Fn::GetAtt") if isinstance(value, Mapping) else None
    steps = argument.split(".") if isinstance(argument, str) else argument
    if not isinstance(steps, list) or len(steps) != 2 or steps[1] != "Arn":
        return None
    resource = _mapping(document.get("Resources")).get(str(steps[0]))
    return str(steps[0]) if isinstance(resource, Mapping) and resource.get("Type") == ROLE else None


def _variables(environment: Any) -> Mapping[str, Any]:
    return _mapping(_mapping(environment).get("Variables"))


def _is_plain(environment: Any) -> bool:
    """Whether it is no intrinsic function, and its variables are none."""
    if environment is None:
        return True
    if not isinstance(environment, Mapping) or _is_intrinsic(environment):
        return False
    variables = environment.get("Variables")
    return variables is None or (isinstance(variables, Mapping) and not _is_intrinsic(variables))


def _is_intrinsic(value: Mapping[str, Any]) -> bool:
    return any(name.startswith("Fn::") for name in value) or set(value) == {"Ref"}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
