"""From a file to a `Template`: read, write out, translate, check, order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import stagefright.templates.intrinsics  # noqa: F401  (fills the resolver's tables)
from stagefright.errors import TemplateError, nearest
from stagefright.templates import for_each
from stagefright.templates.assets import Assets
from stagefright.templates.dynamic import resolve_fully
from stagefright.templates.include import Includer, included_sections
from stagefright.templates.local_paths import PROPERTIES, SOURCE_PROPERTIES, LocalPaths
from stagefright.templates.lookup import Rehearsal
from stagefright.templates.order import deployment_order, find_cycle
from stagefright.templates.parameters import ParameterValue, SsmParameter, parameter_values, pseudo_parameters
from stagefright.templates.references import unknown_references
from stagefright.templates.resolver import Resolver, Scope
from stagefright.templates.sam import renamed, translate
from stagefright.templates.shape import (
    INCLUDE,
    LANGUAGE_EXTENSIONS,
    SAM,
    check_entries,
    check_sections,
    raise_all,
    transforms,
)
from stagefright.templates.short_ids import short_ids
from stagefright.templates.sources import Source, source_of, stale_warning
from stagefright.templates.template import Output, Resource, Template
from stagefright.templates.yaml_loader import read_document


def load_template(
    path: Path,
    *,
    parameters: Mapping[str, str],
    account: str,
    region: str,
    stack_name: str,
    exports: Mapping[str, str] = MappingProxyType({}),
    more_exports: bool = False,
    ssm: Callable[[str], str | None] | None = None,
    assets: Assets | None = None,
) -> Template:
    """
    Read a SAM or CloudFormation template and check it, so that what fails later is not the template's fault.

    `assets` is what the tool that wrote the template put beside it. With `more_exports` other stacks are deployed with this one, and
    `exports` is filled while that goes on: an export that is not there yet is no mistake.

    `ssm` answers parameters of type AWS::SSM::Parameter::Value already now; it is needed only if a condition or a loop
    depends on one. Without it, or if it does not know, the deploying stage's lookup is asked.
    """
    file = str(path)
    pseudo = pseudo_parameters(account, region, stack_name)
    bare = Scope(file, region, pseudo)
    document = included_sections(read_document(path), Includer(Resolver(bare), path.parent))
    check_sections(document, file)
    declared = parameter_values(document.get("Parameters", {}), parameters, file=file)
    scope = replace(
        bare,
        parameters=pseudo | {name: _answered(value, ssm) for name, value in declared.items()},
        mappings=document.get("Mappings", {}),
        conditions=document.get("Conditions", {}),
        exports=exports,
        more_exports=more_exports,
        language_extensions=LANGUAGE_EXTENSIONS in transforms(document),
    )
    return _template(path, document, scope, assets)


def _answered(value: ParameterValue, ssm: Callable[[str], str | None] | None) -> ParameterValue:
    held = ssm(value.name) if isinstance(value, SsmParameter) and ssm else None
    return value.value(held) if isinstance(value, SsmParameter) and held is not None else value


def _template(path: Path, document: dict[str, Any], scope: Scope, assets: Assets | None) -> Template:
    warnings = list(_warnings(document))
    document["Resources"] = {name: one for name, one in document["Resources"].items() if not _is_inventory(one)}
    document, scope = _written_out(document, scope, path.parent)
    check_entries(document, scope.file)
    ids: dict[str, str] = {}
    generated: frozenset[str] = frozenset()
    if SAM in transforms(document):
        written = {"Resources": dict(document["Resources"])}
        document = translate(document, scope, path.parent)
        ids = renamed(written, document)
        generated = frozenset(document["Resources"].keys() - written["Resources"].keys())
        scope = replace(scope, conditions=document.get("Conditions", {}), verdicts={})
    scope = replace(scope, resources=_disabled(document["Resources"], scope))
    _check_names(document, scope)
    localise = _Localisation(scope, path.parent, assets)
    resources = _resources(document["Resources"], scope, localise)
    ids |= short_ids(document["Resources"])
    warnings += localise.warnings
    outputs = _outputs(document.get("Outputs", {}), scope)
    return Template(path, resources, _order(resources, outputs, scope), outputs, warnings, scope, ids, generated)


def _is_inventory(entry: Any) -> bool:
    """What CDK adds to each stack to count its constructs; nothing refers to it."""
    return isinstance(entry, dict) and entry.get("Type") == "AWS::CDK::Metadata"


def _warnings(document: dict[str, Any]) -> Iterator[str]:
    known = {SAM, LANGUAGE_EXTENSIONS, INCLUDE}
    for name in transforms(document):
        if name not in known:
            yield f"the transform {name} runs in an AWS account only; it was not applied."


def _written_out(document: dict[str, Any], scope: Scope, directory: Path) -> tuple[dict[str, Any], Scope]:
    """Included files and loops are written into the template; the conditions first, as the rest may use them."""
    includer = Includer(Resolver(scope), directory)
    sections = ("Mappings", "Conditions", "Resources", "Outputs")
    document = document | {name: includer.include(document[name]) for name in sections if name in document}
    scope = replace(
        scope,
        mappings=document.get("Mappings", {}),
        conditions=document.get("Conditions", {}),
        resources=dict.fromkeys(document["Resources"]),
    )
    scope = replace(scope, conditions=for_each.expand(Resolver(scope), scope.conditions), verdicts={})
    resources = {"Resources": for_each.expand(Resolver(scope), document["Resources"])}
    outputs = {"Outputs": for_each.expand(Resolver(scope), document.get("Outputs", {}))}
    scope = replace(scope, resources=dict.fromkeys(resources["Resources"]))
    return document | {"Conditions": scope.conditions} | resources | outputs, scope


def _disabled(resources: Mapping[str, Any], scope: Scope) -> dict[str, str | None]:
    return {name: None if _holds(entry, scope, name) else entry["Condition"] for name, entry in resources.items()}


def _holds(entry: Mapping[str, Any], scope: Scope, name: str) -> bool:
    condition = entry.get("Condition")
    return condition is None or Resolver(scope, logical_id=name).holds(condition)


def _check_names(document: dict[str, Any], scope: Scope) -> None:
    """Everything that is referred to is there, even where a condition leads past it; every condition can be told."""
    problems = []
    for name, entry in {**document["Resources"], **document.get("Outputs", {})}.items():
        problems += unknown_references(entry, scope, name)
    for name in scope.conditions:
        try:
            Resolver(scope, logical_id=name).holds(name)
        except TemplateError as problem:
            problems.append(problem)
    raise_all(problems, scope.file)


def _resources(entries: Mapping[str, Any], scope: Scope, localise: _Localisation) -> dict[str, Resource]:
    resources, problems = {}, []
    for name, entry in entries.items():
        if scope.resources[name] is None:
            try:
                resources[name] = _resource(name, entry, scope, localise)
            except TemplateError as problem:
                problems.append(problem)
    raise_all(problems, scope.file)
    return resources


def _resource(name: str, entry: Mapping[str, Any], scope: Scope, localise: _Localisation) -> Resource:
    properties = dict(entry.get("Properties", {}))
    local = PROPERTIES.get(entry["Type"], "")
    if local in properties:
        properties[local] = localise(name, entry, local)
    others = {key: value for key, value in entry.items() if key not in {"Type", "Properties", "DependsOn"}}
    return Resource(name, entry["Type"], properties, _depends_on(name, entry, scope), others)


@dataclass
class _Localisation:
    """Puts local content into the properties that name it: assets of a tool, and paths beside the template."""

    scope: Scope
    directory: Path
    assets: Assets | None
    warnings: list[str] = field(default_factory=list)
    sources: dict[Path, Source] = field(default_factory=dict)

    def __call__(self, name: str, entry: Mapping[str, Any], property_name: str) -> Any:
        value = entry["Properties"][property_name]
        resolver = Resolver(self.scope, logical_id=name)
        asset = None if self.assets is None else self.assets.find(value, entry, property_name)
        if self.assets is None or asset is None:
            return LocalPaths(resolver, self.directory).localise(value, property_name)
        if not asset.exists():
            raise resolver.wrong(self.assets.missing(asset, property_name))
        if property_name not in SOURCE_PROPERTIES:
            return {"LocalPath": str(asset)}
        return {"LocalPath": str(asset)} | self._source(asset, self.assets)

    def _source(self, asset: Path, assets: Assets) -> dict[str, str]:
        """Where the asset was made from, if that is known."""
        if asset not in self.sources:
            self.sources[asset] = source = source_of(asset, assets)
            self.warnings += [stale_warning(asset, source, assets)] if source.edited else []
        directory = self.sources[asset].directory
        return {} if directory is None else {"SourcePath": str(directory)}


def _depends_on(name: str, entry: Mapping[str, Any], scope: Scope) -> tuple[str, ...]:
    declared = entry.get("DependsOn", [])
    names = [declared] if isinstance(declared, str) else declared
    for other in names:
        if other not in scope.resources:
            raise Resolver(scope, logical_id=name).wrong(
                f"DependsOn {other}: the template has no resource of that name. {nearest(str(other), scope.resources)}"
            )
    # CloudFormation ignores a DependsOn on a resource that it does not create.
    return tuple(other for other in names if scope.resources[other] is None)


def _outputs(entries: Mapping[str, Any], scope: Scope) -> dict[str, Output]:
    return {name: _output(name, entry) for name, entry in entries.items() if _holds(entry, scope, name)}


def _output(name: str, entry: Mapping[str, Any]) -> Output:
    return Output(name, entry["Value"], entry.get("Export", {}).get("Name"), entry.get("Description"))


def _order(resources: Mapping[str, Resource], outputs: Mapping[str, Output], scope: Scope) -> list[str]:
    """Rehearse the deployment: it finds what depends on what, and the mistakes that are left."""
    problems: list[TemplateError] = []
    dependencies = {
        name: [*resource.depends_on, *_rehearse(resource.properties, scope, name, problems)]
        for name, resource in resources.items()
    }
    for name, output in outputs.items():
        _rehearse([output.value, output.export_name], scope, name, problems)
    raise_all(problems, scope.file)
    cycle = find_cycle(dependencies)
    if cycle:
        raise TemplateError(
            f"the resources need each other: {' -> '.join(cycle)}. "
            "Break the circle, for example with a name of your own in place of a Ref.",
            file=scope.file,
            logical_id=cycle[0],
        )
    return deployment_order(dependencies)


def _rehearse(value: Any, scope: Scope, name: str, problems: list[TemplateError]) -> list[str]:
    rehearsal = Rehearsal()
    try:
        resolve_fully(Resolver(scope, rehearsal, name), value)
    except TemplateError as problem:
        problems.append(problem)
    return list(rehearsal)
