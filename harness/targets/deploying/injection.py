"""
Injection: the deployed copy of a stack gets the in-function runtime into its Python functions, which then obey their flags with no change to
their code and no layer.

Three things change in each of them: its package has the runtime beside its code, its `Handler` is the runtime's, which finds the function's
own in a variable, and its role may read the one parameter in which its flag lies. That works wherever a function is started by importing its
handler, and so in emulators that know no exec wrapper and no layers.

The template is rewritten before transforms are run, so AWS and emulators get the same. What cannot be done soundly is left alone with the reason:
a function of another runtime, an image, code that is not on this machine, one that reads its flag already.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from stagefright.errors import TemplateError
from stagefright.settings import CHAOS_RUNTIMES
from stagefright.targets.deploying.function_properties import INLINE_MODULE, Function, functions_of, role_of
from stagefright.targets.deploying.zipping import digest_of, names_in, zip_bytes
from stagefright.templates import Artifact, StackSource
from stagefright.templates.artifacts import ZIP
from stagefright.templates.resolver import Resolver, Scope
from stagefright.wording import plural

INJECT, NONE = CHAOS_RUNTIMES

PROVIDER = "stagefright.chaos.carried"
"""
Where the runtime comes from. The harness knows no faults, so it is not imported here as code, but asked for by name, as the entry point of
another package would be.
"""

INLINE_HELPER = "cfnresponse"
"""A module that Lambda adds to code that a template spells out, and to no other."""

READ = "ssm:GetParameter"


class FunctionRuntime(Protocol):
    """What is put into a function, and what the function is told of it."""

    package: str
    """The name of the package that the files make."""
    files: Mapping[str, bytes]
    """By their path in the function's package."""
    handler: str
    """What the function's `Handler` becomes."""
    python_min: tuple[int, int]

    def variables(self, own_handler: Any, given: Mapping[str, Any], stage: str, function: str) -> dict[str, Any]:
        """The variables that the function needs beside those that it has."""
        ...

    def parameter(self, given: Mapping[str, Any], stage: str, function: str) -> str | None:
        """The SSM parameter that it must be allowed to read, if that is for us to see to."""
        ...

    def reader_in(self, given: Mapping[str, Any], *, has_wrappers: bool) -> str | None:
        """What its variables say of a reader of flags that it has; None if nothing does. `has_wrappers`: whether exec wrappers run."""
        ...


def function_runtime() -> FunctionRuntime:
    """The runtime for Python functions."""
    return cast("FunctionRuntime", import_module(PROVIDER).for_functions())


@dataclass
class Injection:
    """Puts the runtime into the functions of one stack and of those that are nested in it."""

    runtime: FunctionRuntime
    stage: str
    stack: str
    scope: Callable[[Mapping[str, Any], Path], Scope]
    """What a template's values can see without a stage."""
    is_emulator: bool
    reached: list[str] = field(default_factory=list)
    """The functions that have it, as they were found."""
    left_alone: dict[str, str] = field(default_factory=dict)
    """The others, with the reason."""
    unpermitted: list[str] = field(default_factory=list)
    """Those that have it, with a role that is not of their template, and that may therefore not be allowed to read the flag."""

    def of(self, source: StackSource, nested: str = "") -> InjectedStack:
        """One stack: which of its functions get the runtime. `nested` is what stands before the names of one that is nested."""
        found: dict[str, Function] = {}
        for function in functions_of(source.template):
            reason = self._reason_against(function, source)
            name = nested + function.logical_id
            if reason is None:
                found[function.logical_id] = function
                self.reached.append(name)
            else:
                self.left_alone[name] = reason
        return InjectedStack(self, found, nested)

    def summary(self) -> str:
        """One line on all of it."""
        why = "; ".join(f"{name}: {reason}" for name, reason in self.left_alone.items())
        told = f"the chaos runtime is put into {plural(len(self.reached), 'function')}"
        return f"{told}, and not into {why}" if why else told

    # -- why not -----------------------------------------------------------------------------------------------------

    def _reason_against(self, function: Function, source: StackSource) -> str | None:
        return (
            self._wrong_runtime(function, source)
            or _wrong_shape(function)
            or self.runtime.reader_in(function.variables, has_wrappers=not self.is_emulator)
            or self._wrong_code(function, code_of(source, function.logical_id))
        )

    def _wrong_runtime(self, function: Function, source: StackSource) -> str | None:
        if function.is_image:
            return "it is a container image"
        runtime = self._text(function.of("Runtime"), source)
        if runtime is None:
            return "its Runtime is not known before it is deployed"
        version = re.fullmatch(r"python(\d+)\.(\d+)", runtime)
        if version is None:
            return f"its runtime is {runtime}, and not Python"
        if (int(version[1]), int(version[2])) < self.runtime.python_min:
            return f"its runtime is {runtime}; Python {'.'.join(map(str, self.runtime.python_min))} is the oldest that will do"
        return None

    def _text(self, value: Any, source: StackSource) -> str | None:
        if value is None or isinstance(value, str):
            return value
        try:
            resolved = Resolver(self.scope(source.template, source.file)).static(value, "the Runtime")
        except TemplateError:
            return None
        return resolved if isinstance(resolved, str) else None

    def _wrong_code(self, function: Function, code: Path | None) -> str | None:
        if code is None:
            return _wrong_inline(function.inline)
        package = self.runtime.package
        if code.exists() and {package, f"{package}.py"} & names_in(code):
            return f"its package has a {package} of its own, which is to read the flag"
        return None


def _wrong_shape(function: Function) -> str | None:
    handler = function.of("Handler")
    if not handler or (isinstance(handler, str) and "." not in handler.strip(".")):
        return "its Handler is not of the form module.function"
    return None if function.has_plain_variables else "its variables are not written out in the template"


def _wrong_inline(code: Any) -> str | None:
    if not isinstance(code, str):
        return "its code is not on this machine"
    if INLINE_HELPER in code:
        return f"its code is in the template and uses {INLINE_HELPER}, which Lambda gives to such code only"
    return None


def code_of(source: StackSource, logical_id: str) -> Path | None:
    """Where the code of a function lies on this machine."""
    found = (one.path for one in source.artifacts if one.logical_id == logical_id and one.packaging == ZIP)
    return next(found, None)


# -- what is written ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class InjectedStack:
    """One template with its functions that get the runtime."""

    injection: Injection
    functions: Mapping[str, Function]
    nested: str

    def packs(self, artifact: Artifact) -> bool:
        """Whether an artifact is the package of such a function."""
        return artifact.packaging == ZIP and artifact.logical_id in self.functions

    def package(self, path: Path) -> tuple[str, Callable[[], bytes]]:
        """A function's package with the runtime in it: its digest, and what makes its bytes."""
        files = self.injection.runtime.files
        return _digest(digest_of(path), files), lambda: zip_bytes(path, files)

    def inline_package(self, code: str) -> tuple[str, Callable[[], bytes]]:
        """The same for code that the template spells out."""
        files = {INLINE_MODULE: code.encode(), **self.injection.runtime.files}
        return _digest(INLINE_MODULE, files), lambda: zip_bytes(None, files)

    def into(
        self, document: dict[str, Any], put: Callable[[str, Callable[[], bytes]], dict[str, str]]
    ) -> dict[str, Any]:
        """
        The template, packaged already, with these functions rewritten.

        `put` brings the package of inline code into the bucket, by its digest, and gives bucket and key.
        """
        resources = dict(document["Resources"])
        for logical_id, function in self.functions.items():
            properties = {**(resources[logical_id].get("Properties") or {}), **self._configuration(function)}
            if function.inline is not None:
                properties = function.with_package(properties, put(*self.inline_package(function.inline)))
            resources[logical_id] = {**resources[logical_id], "Properties": properties}
        return {**document, "Resources": {**resources, **self._permissions(document)}}

    def _configuration(self, function: Function) -> dict[str, Any]:
        runtime, stage, name = self.injection.runtime, self.injection.stage, self._name(function)
        variables = runtime.variables(function.of("Handler"), function.variables, stage, name)
        environment = copy.deepcopy(dict(function.own_environment))
        found: dict[str, Any] = {
            "Handler": runtime.handler,
            "Environment": {**environment, "Variables": {**(environment.get("Variables") or {}), **variables}},
        }
        flag = self._flag(function)
        if function.has_managed_role and flag:
            found["Policies"] = [*function.policies, {"Statement": [_reading([flag])]}]
        return found

    def _permissions(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The right to read their flags, for roles that the template makes; a stranger's role is not changed."""
        flags: dict[str, list[Any]] = {}
        for function in self.functions.values():
            flag, role = self._flag(function), role_of(function, document)
            if flag is None or function.has_managed_role:
                continue
            if role is None:
                self.injection.unpermitted.append(self.nested + function.logical_id)
            else:
                flags.setdefault(role, []).append(flag)
        return {f"{role}ChaosFlags": _policy(role, document, found) for role, found in flags.items()}

    def _flag(self, function: Function) -> dict[str, Any] | None:
        """The ARN of the parameter that a function must be allowed to read, if that is for us to see to."""
        name = self.injection.runtime.parameter(function.variables, self.injection.stage, self._name(function))
        if name is None:
            return None
        return {"Fn::Sub": f"arn:${{AWS::Partition}}:ssm:${{AWS::Region}}:${{AWS::AccountId}}:parameter{name}"}

    def _name(self, function: Function) -> str:
        # Several stacks of an account may be copies of one stage, so the stack is part of the name.
        return f"{self.injection.stack}/{self.nested}{function.logical_id}"


def _reading(flags: list[Any]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": READ, "Resource": flags}


def _policy(role: str, document: Mapping[str, Any], flags: list[Any]) -> dict[str, Any]:
    """A role's right to read flags, as a resource that is there if the role is."""
    condition = document["Resources"][role].get("Condition")
    properties = {
        "PolicyName": "read-chaos-flags",
        "PolicyDocument": {"Version": "2012-10-17", "Statement": [_reading(flags)]},
        "Roles": [{"Ref": role}],
    }
    return {"Type": "AWS::IAM::Policy", **({"Condition": condition} if condition else {}), "Properties": properties}


def _digest(code: str, files: Mapping[str, bytes]) -> str:
    total = hashlib.sha256(code.encode())
    for name, content in sorted(files.items()):
        total.update(f"{name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def lines_of(injection: Injection) -> Iterator[str]:
    """What whoever deploys should be told."""
    if injection.reached or injection.left_alone:
        yield injection.summary()
    if injection.unpermitted and not injection.is_emulator:
        yield (
            f"the roles of {', '.join(injection.unpermitted)} are not made by the template; unless they allow {READ} on the stage's flags, "
            "no fault strikes there"
        )
