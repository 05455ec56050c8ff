"""A template that was read and found right: its resources in the order of their deployment, and its outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stagefright.templates.dynamic import resolve_fully
from stagefright.templates.lookup import Lookup
from stagefright.templates.resolver import Resolver, Scope


@dataclass(frozen=True)
class Resource:
    """
    One resource, as the template describes it.

    Code that lies on this machine has the form `{"LocalPath": "/absolute/path"}`, in the property that AWS has for code
    in S3.
    """

    logical_id: str
    type: str
    properties: Mapping[str, Any]
    """As written: may contain intrinsics; see `Template.resolve`."""
    depends_on: tuple[str, ...] = ()
    """What `DependsOn` names; references are not listed, but they count for the order."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Whatever else the resource has, such as DeletionPolicy, UpdateReplacePolicy and Metadata; as written."""


@dataclass(frozen=True)
class Output:
    """One output of the stack; its value and its export name are as written and may contain intrinsics."""

    name: str
    value: Any
    export_name: Any = None
    description: str | None = None


@dataclass(frozen=True)
class Template:
    """A template that was found right; its values wait for a stage."""

    path: Path
    resources: dict[str, Resource]
    """Those whose condition holds, loops and SAM written out."""
    order: list[str]
    """The logical ids so that each comes after those it refers to."""
    outputs: dict[str, Output]
    """Those whose condition holds."""
    warnings: list[str]
    """What the user should know although it is no error."""
    scope: Scope = field(repr=False)
    renamed: Mapping[str, str] = field(default_factory=dict)
    """
    Logical ids as people know them, for resources whose own carry a hash: as a SAM template writes them, and those of CDK without it.
    """
    generated: frozenset[str] = frozenset()
    """Logical ids that are not in the template: SAM made them up."""

    def shown(self, logical_id: str) -> str:
        """What people call a resource."""
        return next((known for known, found in self.renamed.items() if found == logical_id), logical_id)

    def written(self, logical_ids: Iterable[str]) -> list[str]:
        """Of these logical ids, those that are in the template."""
        return [*(name for name in logical_ids if name not in self.generated), *self.renamed]

    def resolve(self, value: Any, lookup: Lookup, *, logical_id: str | None = None) -> Any:
        """
        The value without intrinsics and dynamic references; `logical_id` is named if that fails.

        Numbers and booleans come as the template writes them, and parameters are text: like CloudFormation, whoever
        deploys a resource converts them to what the property wants.
        """
        return resolve_fully(Resolver(self.scope, lookup, logical_id), value)
