"""
Resolving: a value that contains intrinsic functions becomes a plain one.

The same resolver serves three times, told apart by its lookup: while a template is read (`Static`), when it is
rehearsed for mistakes and dependencies (`Rehearsal`), and when a stage deploys it (the stage's own).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from stagefright.errors import TemplateError, nearest
from stagefright.templates.lookup import NO_VALUE, Lookup, NotStatic, Static, is_unknown
from stagefright.templates.parameters import ParameterValue, SsmParameter


@dataclass
class Scope:
    """All that a template's values can see without a stage."""

    file: str
    region: str
    parameters: Mapping[str, ParameterValue]
    mappings: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    exports: Mapping[str, str] = field(default_factory=dict)
    more_exports: bool = False
    """Whether other stacks, which are deployed first, may add to them."""
    resources: Mapping[str, str | None] = field(default_factory=dict)
    """Every logical id; with the name of its condition, if that condition does not hold."""
    language_extensions: bool = False
    verdicts: dict[str, bool] = field(default_factory=dict)
    """The conditions that were evaluated so far."""
    evaluating: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Resolver:
    """Resolves values within one scope, on behalf of one resource."""

    scope: Scope
    lookup: Lookup = field(default_factory=Static)
    logical_id: str | None = None

    def resolve(self, value: Any) -> Any:
        """The value without intrinsics; what is `AWS::NoValue` inside it is dropped."""
        if isinstance(value, dict):
            return self._mapping(value)
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not NO_VALUE]
        return value

    def static(self, value: Any, purpose: str) -> Any:
        """Resolve what must be known before anything is deployed."""
        try:
            return replace(self, lookup=Static()).resolve(value)
        except NotStatic as needs:
            raise self.wrong(
                f"{purpose} must be known before deployment, but depends on {needs}. Use a template parameter instead."
            ) from None

    def _mapping(self, value: dict[str, Any]) -> Any:
        name = self.intrinsic(value)
        if name is not None:
            return self._call(name, value[name])
        resolved = ((key, self.resolve(item)) for key, item in value.items())
        return {key: item for key, item in resolved if item is not NO_VALUE}

    def intrinsic(self, value: dict[str, Any]) -> str | None:
        """The name of the intrinsic function that a mapping is, if it is one."""
        name = next((key for key in value if key.startswith("Fn::")), None)
        if name is None:
            return "Ref" if len(value) == 1 and "Ref" in value else None
        if len(value) > 1:
            others = ", ".join(key for key in value if key != name)
            raise self.wrong(f"{name} must be the only key of its mapping, but stands beside: {others}.")
        return name

    def _call(self, name: str, argument: Any) -> Any:
        function = INTRINSICS.get(name)
        if function is None:
            raise self.wrong(f"{name} is not an intrinsic function that can be used here. {nearest(name, INTRINSICS)}")
        return function(self, argument)

    def reference(self, name: str) -> Any:
        """What `Ref` yields: the value of a parameter or the physical id of a resource."""
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self.scope.parameters:
            return self._parameter(self.scope.parameters[name])
        self.require_resource(name, f"Ref {name}", (*self.scope.parameters, *self.scope.resources))
        return self.lookup.ref(name)

    def _parameter(self, value: ParameterValue) -> Any:
        if not isinstance(value, SsmParameter):
            return list(value) if isinstance(value, list) else value
        held = self.lookup.ssm(value.name, None, False)
        return held if is_unknown(held) else value.value(held)

    def attribute(self, logical_id: str, attribute: str) -> Any:
        """What `Fn::GetAtt` yields."""
        self.require_resource(logical_id, f"Fn::GetAtt {logical_id}.{attribute}", self.scope.resources)
        try:
            return self.lookup.get_att(logical_id, attribute)
        except TemplateError as problem:
            raise problem if problem.file else self.wrong(str(problem)) from problem

    def require_resource(self, logical_id: str, asked: str, known: Any) -> None:
        """Refuse a reference to a resource that is not there, or not there under this template's conditions."""
        if logical_id not in self.scope.resources:
            raise self.wrong(f"{asked}: the template has nothing of that name. {nearest(logical_id, known)}")
        condition = self.scope.resources[logical_id]
        if condition is not None:
            raise self.wrong(
                f"{asked}: {logical_id} is not created, because its condition {condition} does not hold. "
                f"Guard the reference with Fn::If {condition}."
            )

    def holds(self, name: str) -> bool:
        """Whether a condition holds; each is evaluated once."""
        scope = self.scope
        if name not in scope.verdicts:
            scope.verdicts[name] = self._evaluate(name)
        return scope.verdicts[name]

    def _evaluate(self, name: str) -> bool:
        evaluating = self.scope.evaluating
        if name not in self.scope.conditions:
            raise self.wrong(f"the condition {name} is not defined. {nearest(name, self.scope.conditions)}")
        if name in evaluating:
            circle = " -> ".join([*evaluating[evaluating.index(name) :], name])
            raise self.wrong(f"the conditions go round in a circle: {circle}.")
        evaluating.append(name)
        try:
            return replace(self, lookup=Static()).condition(self.scope.conditions[name])
        except NotStatic as needs:
            raise self.wrong(f"the condition {name} depends on {needs}, which only a deployment can know.") from None
        finally:
            evaluating.pop()

    def condition(self, value: Any) -> bool:
        """Whether a definition from the section Conditions holds."""
        name = "".join(value) if isinstance(value, dict) else ""
        if name not in CONDITION_FUNCTIONS:
            raise self.wrong(f"a condition is one of {', '.join(CONDITION_FUNCTIONS)}; it got {value!r}.")
        return CONDITION_FUNCTIONS[name](self, value[name])

    def wrong(self, message: str) -> TemplateError:
        """The error to raise, with the place it belongs to."""
        return TemplateError(message, file=self.scope.file, logical_id=self.logical_id)


Intrinsic = Callable[[Resolver, Any], Any]
"""Takes the resolver and its argument as written; gives the resolved value."""

ConditionFunction = Callable[[Resolver, Any], bool]
"""Takes the resolver and its argument as written; says whether it holds."""

# `intrinsics.py` fills these two: the functions are written in terms of the resolver, so it cannot import them.
INTRINSICS: dict[str, Intrinsic] = {}
CONDITION_FUNCTIONS: dict[str, ConditionFunction] = {}
