"""
CDK's output: the cloud assembly that `cdk synth` writes to `cdk.out/`.

`manifest.json` lists the stacks, what they depend on, and the nested assemblies of CDK's stages; `*.assets.json` says which file or directory
is uploaded under which key. The version of that schema rises with nearly every release, and what is read here has been the same since
version 6: so a manifest is judged by what is in it, and its number only shows up in the message if something is amiss.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stagefright.errors import TemplateError
from stagefright.templates.assets import Assets
from stagefright.templates.order import deployment_order
from stagefright.templates.project import CDK, Project, StackSource, read_stack
from stagefright.templates.text import content_of

DIRECTORY = "cdk.out"
COMMAND = "cdk synth"
SOURCES = ("cdk.json",)
MANIFEST = "manifest.json"

_STACK, _NESTED, _ASSETS = "aws:cloudformation:stack", "cdk:cloud-assembly", "cdk:asset-manifest"


def is_one(path: Path) -> bool:
    """Whether a path is a cloud assembly, or the template of one of its stacks."""
    if path.is_dir():
        return path.name == DIRECTORY or _is_manifest(path / MANIFEST)
    return path.name.endswith(".template.json") and _is_manifest(path.parent / MANIFEST)


def _is_manifest(file: Path) -> bool:
    try:
        manifest = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and {"version", "artifacts"} <= manifest.keys()


def read(path: Path) -> Project:
    """The stacks of an assembly; if the template of one was named, that one is asked for."""
    directory = (path if path.is_dir() else path.parent).resolve()
    sources = list(_Assembly(directory, "", directory.parent).stacks())
    if not sources:
        raise TemplateError(f"{directory / MANIFEST} lists no stacks. Check the app, and run `{COMMAND}` again.")
    by_name = {stack.name: stack for stack in sources}
    known = {name: [one for one in stack.depends_on if one in by_name] for name, stack in by_name.items()}
    project = Project(CDK, directory, tuple(by_name[name] for name in deployment_order(known)))
    if path.is_dir():
        return project
    named = next((stack.name for stack in sources if stack.file == path.resolve()), None)
    if named is None:
        raise TemplateError(
            f"{directory / MANIFEST} does not list it as a stack's. Name the directory instead.", file=str(path)
        )
    return replace(project, asked=named)


def _environment(artifact: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """
    The account and the region that a stack is meant for.

    >>> _environment({"environment": "aws://unknown-account/eu-west-1"})
    (None, 'eu-west-1')
    """
    account, _, region = str(artifact.get("environment", "")).removeprefix("aws://").partition("/")
    return _known(account), _known(region)


def _known(value: str) -> str | None:
    return value if value and not value.startswith("unknown-") else None


@dataclass(frozen=True)
class _Assembly:
    """One directory with a manifest; a CDK stage has one of its own, inside that of the app."""

    directory: Path
    prefix: str
    sources: Path

    def stacks(self) -> Iterator[StackSource]:
        artifacts = self._artifacts()
        paths = self._asset_paths(artifacts)
        for artifact_id, artifact in artifacts.items():
            if artifact.get("type") == _STACK:
                yield self._stack(artifact_id, artifact, artifacts, paths)
            elif artifact.get("type") == _NESTED:
                nested = self.directory / self._text(artifact_id, artifact, "directoryName")
                name = str(artifact["properties"].get("displayName") or artifact_id)
                yield from _Assembly(nested, f"{name}/", self.sources).stacks()

    def _artifacts(self) -> dict[str, dict[str, Any]]:
        file = self.directory / MANIFEST
        if not file.is_file():
            raise TemplateError(
                f"{self.directory} is no cloud assembly: it has no {MANIFEST}. {content_of(self.directory)} Run `{COMMAND}`."
            )
        artifacts = self._json(file).get("artifacts", {})
        if not isinstance(artifacts, dict) or not all(isinstance(one, dict) for one in artifacts.values()):
            raise self._unreadable("its artifacts are no mapping of mappings")
        return artifacts

    def _stack(
        self, artifact_id: str, artifact: Mapping[str, Any], artifacts: Mapping[str, Any], paths: Mapping[str, Path]
    ) -> StackSource:
        file = self.directory / self._text(artifact_id, artifact, "templateFile")
        assets = Assets(self.directory, COMMAND, paths, sources=self.sources)
        # Inside a CDK stage the display name has the path from the app on, and the artifact's id is a mangled form of it.
        display = artifact.get("displayName")
        name = str(display) if self.prefix and display else self.prefix + artifact_id
        if not file.is_file():
            raise TemplateError(f"the template of {name} is not there (looked at {file}). Run `{COMMAND}` again.")
        account, region = _environment(artifact)
        stack_name = artifact["properties"].get("stackName") or artifact_id
        others = tuple(str(one) for one in (display, artifact_id) if one and one != name)
        return replace(
            read_stack(file, name=name, assets=assets),
            depends_on=tuple(self._names_of_dependencies(artifact, artifacts)),
            stack_name=str(stack_name),
            also_named=others,
            account=account,
            region=region,
        )

    def _names_of_dependencies(self, artifact: Mapping[str, Any], artifacts: Mapping[str, Any]) -> Iterator[str]:
        for dependency in artifact.get("dependencies", ()):
            other = artifacts.get(dependency, {})
            if other.get("type") == _STACK:
                display = other.get("displayName")
                yield str(display) if self.prefix and display else self.prefix + dependency

    def _asset_paths(self, artifacts: Mapping[str, Mapping[str, Any]]) -> dict[str, Path]:
        """The local path behind each object key of each asset file."""
        paths: dict[str, Path] = {}
        for artifact_id, artifact in artifacts.items():
            if artifact.get("type") == _ASSETS:
                file = self.directory / self._text(artifact_id, artifact, "file")
                for asset in self._json(file).get("files", {}).values():
                    paths |= self._keys(asset)
        return paths

    def _keys(self, asset: Any) -> dict[str, Path]:
        source = asset.get("source", {}) if isinstance(asset, dict) else {}
        # An asset with an executable is made when it is published, and has no path.
        if not isinstance(source, dict) or "path" not in source:
            return {}
        destinations = asset.get("destinations", {}).values()
        path = (self.directory / source["path"]).resolve()
        return {str(one["objectKey"]): path for one in destinations if "objectKey" in one}

    def _text(self, artifact_id: str, artifact: Mapping[str, Any], key: str) -> str:
        properties = artifact.get("properties")
        value = properties.get(key) if isinstance(properties, dict) else None
        if not isinstance(value, str):
            raise self._unreadable(f"the artifact {artifact_id} has no {key}")
        return value

    def _json(self, file: Path) -> dict[str, Any]:
        try:
            read = json.loads(file.read_text("utf-8"))
        except OSError as error:
            raise TemplateError(f"it cannot be read: {error}. Run `{COMMAND}` again.", file=str(file)) from None
        except ValueError as error:
            raise TemplateError(f"it is no JSON: {error}. Run `{COMMAND}` again.", file=str(file)) from None
        if not isinstance(read, dict):
            raise TemplateError(f"it is no JSON object. Run `{COMMAND}` again.", file=str(file))
        return read

    def _unreadable(self, what: str) -> TemplateError:
        version = self._json(self.directory / MANIFEST).get("version", "none")
        return TemplateError(
            f"{what} (schema version {version}). Run `{COMMAND}` again; if that does not help, this version of the schema is "
            "newer than Stagefright's reading of it: please report it.",
            file=str(self.directory / MANIFEST),
        )
