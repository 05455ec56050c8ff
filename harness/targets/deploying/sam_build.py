"""What `sam build` left: taken in place of the sources while it is not older than they are, for it holds the packages they need."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path

from stagefright.errors import StagefrightWarning
from stagefright.targets.deploying.zipping import files_of
from stagefright.templates import StackSource, read_project
from stagefright.templates.artifacts import ZIP, Artifact
from stagefright.templates.project import PLAIN, Project

BUILT = Path(".aws-sam") / "build" / "template.yaml"

AT_HAND = frozenset({"boto3", "botocore", "s3transfer", "jmespath", "urllib3", "python-dateutil", "six"})
"""What Lambda's Python runtimes bring along."""

_FUNCTIONS = ("AWS::Serverless::Function", "AWS::Lambda::Function")
_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def built(project: Project) -> Project:
    """The project as `sam build` left it, if that is fresh; else the project itself, with a warning about what will be missing."""
    if project.kind != PLAIN:
        return project
    output = project.path.parent / BUILT
    if not output.is_file():
        _warn_of_packages(project, f"Run `sam build` (or `sam build --template {project.path.name}`) before.")
        return project
    newer = _newer(project, output.stat().st_mtime)
    if newer is None:
        return read_project(output)
    _warn_of_packages(project, f"There is a build, but {newer} is newer than it. Run `sam build` again.")
    return project


def _newer(project: Project, built_at: float) -> Path | None:
    return next((path for path in _sources(project) if path.stat().st_mtime > built_at), None)


def _sources(project: Project) -> Iterator[Path]:
    """The files that a build is made of, as far as they are there."""
    yield project.path
    for artifact in _artifacts(project.stacks):
        if artifact.path.is_dir():
            yield from (path for _, path in files_of(artifact.path))
        elif artifact.path.exists():
            yield artifact.path


def _artifacts(stacks: tuple[StackSource, ...]) -> Iterator[Artifact]:
    for stack in stacks:
        yield from stack.artifacts
        yield from _artifacts(tuple(stack.nested.values()))


def _warn_of_packages(project: Project, hint: str) -> None:
    lacking = {
        artifact.path: names
        for artifact in _artifacts(project.stacks)
        if artifact.type in _FUNCTIONS and artifact.packaging == ZIP and (names := _missing(artifact.path))
    }
    if lacking:
        which = "; ".join(f"{path / 'requirements.txt'} names {', '.join(names)}" for path, names in lacking.items())
        warnings.warn(
            f"Code is deployed as it lies there, without packages that it asks for: {which}. {hint}",
            StagefrightWarning,
            stacklevel=2,
        )


def _missing(directory: Path) -> list[str]:
    """The packages that a directory's requirements name, and that are neither in it nor part of the runtime."""
    file = directory / "requirements.txt"
    if not file.is_file():
        return []
    named = [
        found[1] for line in file.read_text("utf-8", "replace").splitlines() if (found := _REQUIREMENT.match(line))
    ]
    there = {_normal(entry.name.split("-")[0].removesuffix(".py")) for entry in directory.iterdir()}
    return [name for name in named if _normal(name) not in there | {_normal(one) for one in AT_HAND}]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
