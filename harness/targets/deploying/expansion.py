"""What AWS does with a template and an emulator does not, done before: loops, SAM, and the OpenAPI documents of HTTP APIs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stagefright.targets.deploying.emulated_urls import with_own_urls
from stagefright.targets.deploying.http_api_bodies import written_out
from stagefright.templates import for_each
from stagefright.templates.parameters import parameter_values, pseudo_parameters
from stagefright.templates.resolver import Resolver, Scope
from stagefright.templates.sam import translate
from stagefright.templates.shape import LANGUAGE_EXTENSIONS, SAM, transforms


@dataclass(frozen=True)
class StaticScope:
    """What a template's values can see before it is deployed."""

    account: str
    region: str
    stack_name: str
    parameters: Mapping[str, str]

    def __call__(self, document: Mapping[str, Any], file: Path) -> Scope:
        """That of one template of the stack."""
        declared = document.get("Parameters", {})
        # Those of a nested stack come from the stack above; what is not known here stays a reference.
        known = {name: one for name, one in declared.items() if name in self.parameters or "Default" in one}
        given = {name: value for name, value in self.parameters.items() if name in declared}
        return Scope(
            str(file),
            self.region,
            pseudo_parameters(self.account, self.region, self.stack_name)
            | parameter_values(known, given, file=str(file)),
            mappings=document.get("Mappings", {}),
            conditions=document.get("Conditions", {}),
            resources=dict.fromkeys(document.get("Resources", {})),
            language_extensions=LANGUAGE_EXTENSIONS in transforms(dict(document)),
        )


@dataclass(frozen=True)
class Expansion:
    """Expands the templates of one stack."""

    scope: StaticScope
    inside_url: str
    """Where the emulator answers its own functions."""

    def __call__(self, document: dict[str, Any], file: Path) -> dict[str, Any]:
        """The template in plain CloudFormation."""
        return with_own_urls(written_out(self._expanded(document, file)), self.inside_url)

    def _expanded(self, document: dict[str, Any], file: Path) -> dict[str, Any]:
        wanted = transforms(document)
        if SAM not in wanted:
            return document
        scope = self.scope(document, file)
        if LANGUAGE_EXTENSIONS in wanted:
            document, scope = _without_loops(document, scope)
        expanded = translate(document, scope, file.parent)
        left = [name for name in wanted if name != SAM]
        expanded.pop("Transform", None)
        return {"Transform": left, **expanded} if left else expanded


def _without_loops(document: dict[str, Any], scope: Scope) -> tuple[dict[str, Any], Scope]:
    conditions = for_each.expand(Resolver(scope), scope.conditions)
    scope = replace(scope, conditions=conditions, verdicts={})
    written = {
        name: for_each.expand(Resolver(scope), document[name]) for name in ("Resources", "Outputs") if name in document
    }
    document = document | ({"Conditions": conditions} if conditions else {}) | written
    return document, replace(scope, resources=dict.fromkeys(document["Resources"]))
