"""
The Serverless Framework's output: what `sls package` writes to `.serverless/`, of versions 3 and 4.

The template that matters is that of the second deployment (`...update-stack.json`); the first only makes the bucket. A function's code is
a zip beside it, which the template names by the key that it would have in that bucket.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from stagefright.errors import TemplateError
from stagefright.templates.assets import Assets
from stagefright.templates.project import SERVERLESS, Project, read_stack
from stagefright.templates.text import content_of

DIRECTORY = ".serverless"
COMMAND = "sls package"
SOURCES = ("serverless.yml", "serverless.yaml", "serverless.json", "serverless.js", "serverless.ts")
TEMPLATE_FILE = "cloudformation-template-update-stack.json"
STATE_FILE = "serverless-state.json"
DEPLOYMENT_BUCKET = "ServerlessDeploymentBucket"


def is_one(path: Path) -> bool:
    """Whether a path is such a directory, or the template in it."""
    if path.is_dir():
        return path.name == DIRECTORY or (path / TEMPLATE_FILE).is_file() or (path / STATE_FILE).is_file()
    return path.name == TEMPLATE_FILE


def read(path: Path) -> Project:
    """The one stack of a service."""
    directory = (path if path.is_dir() else path.parent).resolve()
    file = directory / TEMPLATE_FILE
    if not file.is_file():
        raise TemplateError(
            f"{directory} holds no {TEMPLATE_FILE}: the service was not packaged, or cleaned up after a deployment. "
            f"{content_of(directory)} Run `{COMMAND}`."
        )
    state = _state(directory)
    service = _service(state)
    stack = read_stack(file, name=service or directory.parent.name, assets=_assets(directory, state))
    region = _mapping(state, "service", "provider").get("region")
    return Project(SERVERLESS, directory, (replace(stack, region=region if isinstance(region, str) else None),))


def _state(directory: Path) -> Mapping[str, Any]:
    """What the framework notes of its own doing; a directory without it is read all the same."""
    file = directory / STATE_FILE
    if not file.is_file():
        return {}
    try:
        state = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise TemplateError(f"it is no JSON: {error}. Run `{COMMAND}` again.", file=str(file)) from None
    return state if isinstance(state, dict) else {}


def _service(state: Mapping[str, Any]) -> str | None:
    service = _mapping(state, "service").get("service")
    return service if isinstance(service, str) else None


def _mapping(value: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    for key in keys:
        found = value.get(key)
        value = found if isinstance(found, Mapping) else {}
    return value


def _assets(directory: Path, state: Mapping[str, Any]) -> Assets:
    project = directory.parent
    prefix = _mapping(state, "package").get("artifactDirectoryName")
    # Version 4 left what esbuild made in build/ for a while, and named it as if it lay beside the template.
    built = {path.name: path for path in sorted((directory / "build").glob("*.zip"))}
    by_key = built | {path.name: path for path in sorted(directory.iterdir()) if path.is_file()}
    for artifact in _own_artifacts(state):
        path = project / artifact
        # A state that was written on another machine names paths of that machine.
        if path.is_file():
            by_key.setdefault(path.name, path.resolve())
    known_prefix = prefix if isinstance(prefix, str) else None
    return Assets(directory, COMMAND, by_key, known_prefix, project, mirrors=True)


def _own_artifacts(state: Mapping[str, Any]) -> Iterator[str]:
    """Packages that users made themselves (`package.artifact`): they lie where the user put them."""
    service = _mapping(state, "service")
    entries = [_mapping(service, "package")]
    for section in ("functions", "layers"):
        entries += [_mapping(service, section, name, "package") for name in _mapping(service, section)]
    for entry in entries:
        if isinstance(artifact := entry.get("artifact"), str):
            yield artifact
