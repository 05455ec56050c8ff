"""
SAM: `AWS::Serverless::*` resources become plain CloudFormation, through AWS's own translator.

The translator is imported only when a template was never translated before (`translations.py`), because that takes most of a second.
It runs offline and without touching the environment: it gets the region from us and knows the managed policies itself.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from stagefright.errors import TemplateError
from stagefright.templates.local_paths import SAM_PROPERTIES, LocalPaths
from stagefright.templates.parameters import SsmParameter
from stagefright.templates.resolver import Resolver, Scope
from stagefright.templates.shape import raise_all
from stagefright.templates.translations import kept
from stagefright.virtual.patching import Patches

_FUNCTION = "AWS::Serverless::Function"
_CODE = ("CodeUri", "InlineCode", "ImageUri")


def translate(document: dict[str, Any], scope: Scope, directory: Path) -> dict[str, Any]:
    """The template without SAM resources; `document` is used up."""
    written = list(document["Resources"])
    raise_all(list(_Preparation(document, scope, directory).problems()), scope.file)
    translated = kept(document, _known_parameters(scope), scope.region, lambda: _run(document, scope))
    translated["Resources"] = _in_template_order(translated["Resources"], written)
    paths = LocalPaths(Resolver(scope), directory)
    for resource in translated["Resources"].values():
        properties = resource.get("Properties", {})
        properties.update({name: paths.reveal(value) for name, value in properties.items()})
    return translated


def renamed(document: Mapping[str, Any], translated: Mapping[str, Any]) -> dict[str, str]:
    """
    The logical ids that SAM changed, as written: a layer version gets a hash of its content.

    The content never changes under a stage's feet, so whoever asks for the id in the template means this one.
    """
    layers = [name for name, entry in translated["Resources"].items() if entry["Type"] == "AWS::Lambda::LayerVersion"]
    return {
        name: found
        for name, entry in document["Resources"].items()
        if entry["Type"] == "AWS::Serverless::LayerVersion" and name not in translated["Resources"]
        for found in layers
        if re.fullmatch(rf"{name}[0-9a-f]{{10}}", found)
    }


def _in_template_order(resources: dict[str, Any], written: list[str]) -> dict[str, Any]:
    """Each resource where the template has it, followed by what SAM derived from it; SAM's own order is by hash."""

    def place(logical_id: str) -> tuple[int, int]:
        origins = [origin for origin in written if logical_id.startswith(origin)]
        origin = max(origins, key=len, default=None)
        return (len(written) if origin is None else written.index(origin), derived[logical_id])

    derived = {logical_id: place for place, logical_id in enumerate(resources)}
    return {logical_id: resources[logical_id] for logical_id in sorted(resources, key=place)}


@dataclass(frozen=True)
class _Preparation:
    """Rewrites what the translator would refuse, look up on the network, or make different at every run."""

    document: dict[str, Any]
    scope: Scope
    directory: Path

    def problems(self) -> Iterator[TemplateError]:
        sections = self.document.get("Globals", {})
        for resource in self.document["Resources"].values():
            resource.setdefault("Properties", {})
        for name, section in sections.items():
            self._drop_overridden(f"AWS::Serverless::{name}", section)
            yield from self._rewrite(f"AWS::Serverless::{name}", section, f"Globals.{name}", True)
        for logical_id, resource in self.document["Resources"].items():
            properties = resource["Properties"]
            if resource["Type"] == _FUNCTION and not _has_code(properties, sections.get("Function", {})):
                properties["CodeUri"] = "."
            yield from self._rewrite(resource["Type"], properties, logical_id, self._is_created(resource))

    def _drop_overridden(self, type_name: str, section: dict[str, Any]) -> None:
        """Forget a path that no resource takes, each having its own: `sam build` leaves it as it led from beside the sources."""
        name = SAM_PROPERTIES.get(type_name)
        if name is None or not isinstance(section.get(name), str):
            return
        own = _CODE if type_name == _FUNCTION else (name,)
        properties = [one["Properties"] for one in self.document["Resources"].values() if one["Type"] == type_name]
        if all(any(key in given for key in own) for given in properties):
            del section[name]

    def _is_created(self, resource: Mapping[str, Any]) -> bool:
        condition = resource.get("Condition")
        return not isinstance(condition, str) or Resolver(self.scope).holds(condition)

    def _rewrite(
        self, type_name: str, properties: dict[str, Any], where: str, is_created: bool
    ) -> Iterator[TemplateError]:
        # AlwaysDeploy puts the wall clock into a logical id; a stage deploys afresh anyway.
        properties.pop("AlwaysDeploy", None)
        name = SAM_PROPERTIES.get(type_name)
        paths = LocalPaths(Resolver(self.scope, logical_id=where), self.directory, is_created)
        try:
            if name in properties:
                properties[name] = paths.hide(properties[name], name)
            if type_name == "AWS::Serverless::Application":
                _check_nested(properties, paths)
        except TemplateError as problem:
            yield problem


def _has_code(properties: Mapping[str, Any], globals_: Mapping[str, Any]) -> bool:
    image = properties.get("PackageType", globals_.get("PackageType")) == "Image"
    return image or any(name in properties for name in _CODE) or "CodeUri" in globals_


def _check_nested(properties: Mapping[str, Any], paths: LocalPaths) -> None:
    location = properties.get("Location")
    if isinstance(location, dict) and "ApplicationId" in location:
        raise paths.resolver.wrong(
            f"the application {location['ApplicationId']} lives in the Serverless Application Repository, "
            "which is not asked from here. Put its template beside yours and name it as the Location."
        )


def _run(document: dict[str, Any], scope: Scope) -> dict[str, Any]:
    from samtranslator.model.exceptions import ExceptionWithMessage

    try:
        with _silence():
            return _translated(document, scope)
    except ExceptionWithMessage as error:
        raise_all([_sam_error(cause, scope) for cause in getattr(error, "causes", [error])], scope.file)
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        # The translator trusts more of a template's shape than it checks.
        raise Resolver(scope).wrong(f"SAM's translator cannot make sense of the template: {error!r}") from error


def _translated(document: dict[str, Any], scope: Scope) -> dict[str, Any]:
    from samtranslator.metrics.metrics import DummyMetricsPublisher, Metrics
    from samtranslator.parser.parser import Parser
    from samtranslator.translator import translator as sam
    from samtranslator.utils.py27hash_fix import to_py27_compatible_template, undo_mark_unicode_str_in_template

    parameters = _known_parameters(scope)
    metrics = Metrics("Stagefright", DummyMetricsPublisher())
    # The order of Python 2.7's dictionaries is part of how SAM derives the ids of API deployments.
    to_py27_compatible_template(document, parameters)
    patches = Patches()
    patches.set(sam, "make_policy_template_for_function_plugin", _policy_templates)
    try:
        translator = sam.Translator({}, Parser(), boto_session=cast("Any", _Region(scope.region)), metrics=metrics)
        translated = translator.translate(document, parameters, passthrough_metadata=True)
    finally:
        patches.restore()
        # Unpublished metrics are complained about when they are collected; ours go nowhere.
        metrics.publish()
    return cast("dict[str, Any]", undo_mark_unicode_str_in_template(translated))


@lru_cache(maxsize=1)
def _policy_templates() -> Any:
    """
    SAM's plugin for its policy templates, which is the same for every template.

    It is made before every translation, and a third of a translation goes into checking that SAM's own file of policy templates is valid.
    """
    from samtranslator.plugins.policies.policy_templates_plugin import PolicyTemplatesForResourcePlugin
    from samtranslator.policy_template_processor.processor import PolicyTemplatesProcessor

    templates = PolicyTemplatesProcessor.get_default_policy_templates_json()
    return PolicyTemplatesForResourcePlugin(PolicyTemplatesProcessor(templates))


@contextmanager
def _silence() -> Iterator[None]:
    """What the translator logs, it also raises; and a user's log is no place for its tracebacks."""
    logger = logging.getLogger("samtranslator")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


@dataclass(frozen=True)
class _Region:
    """All that the translator wants of a boto3 session."""

    region_name: str


def _known_parameters(scope: Scope) -> dict[str, Any]:
    # As on AWS, the translator gets no pseudo parameters: they stay references, and we resolve them.
    return {
        name: value
        for name, value in scope.parameters.items()
        if not isinstance(value, SsmParameter) and not name.startswith("AWS::")
    }


def _sam_error(cause: Any, scope: Scope) -> TemplateError:
    named = re.match(r"Resource with id \[(.+?)\] is invalid\. (.*)", cause.message, re.DOTALL)
    if named:
        return Resolver(scope, logical_id=named[1]).wrong(f"SAM refuses it: {named[2]}")
    return Resolver(scope).wrong(f"SAM refuses the template: {cause.message}")
