"""
Projects: which templates a directory holds, of whatever tool, with the local content that each of them names.

A project is a template (SAM or CloudFormation), the output of the Serverless Framework (`.serverless/`) or a cloud assembly of CDK
(`cdk.out/`). What is read here is as the tool wrote it; a local stage goes on with `load_template`, and whoever deploys to AWS packages
the artifacts and sends the template.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from stagefright.errors import SettingsError, TemplateError, nearest
from stagefright.templates.artifacts import TEMPLATE, ZIP, Artifact, artifacts_of
from stagefright.templates.assets import Assets
from stagefright.templates.include import Includer, included_sections
from stagefright.templates.resolver import Resolver, Scope
from stagefright.templates.shape import INCLUDE
from stagefright.templates.short_ids import short_ids
from stagefright.templates.text import content_of
from stagefright.templates.yaml_loader import read_document

NAMES = ("template.yaml", "template.yml", "template.json")
"""The file names of templates that are looked for, in order."""

PLAIN, SERVERLESS, CDK = "template", "serverless", "cdk"
"""Kinds of projects, by who writes their templates: people, the Serverless Framework, CDK."""

ALL_STACKS = "*"


@dataclass(frozen=True)
class StackSource:
    """One stack of a project: its template as it is written, and the local content that it names."""

    name: str
    """As the project calls it: the artifact's id in a cloud assembly (`Prod/Shop` inside a CDK stage); else the template's directory."""
    file: Path
    template: Mapping[str, Any]
    """The template, read and with included files written in; intrinsic functions in their long form."""
    artifacts: tuple[Artifact, ...]
    """Local content, in the order of the template; nested templates too."""
    nested: Mapping[str, StackSource] = field(default_factory=dict)
    """Nested stacks with a local template, by the logical id of the resource."""
    assets: Assets | None = None
    """What the tool that wrote the template put beside it."""
    depends_on: tuple[str, ...] = ()
    """Names of stacks that must be there before."""
    stack_name: str | None = None
    """The name that the project gives the deployed stack, if it does."""
    also_named: tuple[str, ...] = ()
    """Other names by which people call it."""
    account: str | None = None
    region: str | None = None
    """Where the project wants it, if it says so; then its template may name both."""

    def require_artifacts(self) -> None:
        """Refuse, in one error, all that is named here or in nested templates and does not exist, or cannot be sent as what it is."""
        missing = [*self._missing()]
        if missing:
            raise TemplateError("\n  ".join(missing), file=str(self.file))

    def _missing(self) -> Iterator[str]:
        for artifact in self.artifacts:
            if not artifact.path.exists():
                yield f"{artifact.logical_id}: {self._explained(artifact)}"
            elif artifact.packaging != ZIP and artifact.path.is_dir():
                yield f"{artifact.logical_id}: {artifact.property} names {artifact.path}, which is a directory. {content_of(artifact.path)}"
        for stack in self.nested.values():
            yield from stack._missing()

    def _explained(self, artifact: Artifact) -> str:
        if self.assets is not None:
            return self.assets.missing(artifact.path, artifact.property)
        return f"{artifact.property} names {artifact.path}, which does not exist. {content_of(artifact.path.parent)}"


@dataclass(frozen=True)
class Project:
    """All stacks that a template, or a tool's output, describes."""

    kind: str
    path: Path
    """The template, or the directory that the tool wrote."""
    stacks: tuple[StackSource, ...]
    """Each after those it depends on."""
    asked: str | None = None
    """The name of the one whose template was asked for, if it was not the whole directory."""

    def chosen(self, wanted: str | None) -> tuple[StackSource, ...]:
        """
        The stacks to deploy: those named (several with commas, `*` for all), after all that they depend on.

        Without a name it is the only one; of several, one must be named.
        """
        named = self.named(wanted)
        if not (wanted or self.asked) and len(named) > 1:
            raise SettingsError(
                f"{self.path} holds {len(self.stacks)} stacks: {', '.join(stack.name for stack in self.stacks)}. Say which are to be "
                'stood up, in the settings: [tool.stagefright] stack = "..."; several with commas, "*" for all. '
                "What they depend on comes along."
            )
        needed = self._with_dependencies(named)
        return tuple(stack for stack in self.stacks if stack.name in needed)

    def named(self, wanted: str | None) -> tuple[StackSource, ...]:
        """The stacks of these names, without those that they depend on; without a name all."""
        names = [part.strip() for part in (wanted or self.asked or ALL_STACKS).split(",") if part.strip()]
        named = {stack.name for name in names for stack in self._named(name)}
        return tuple(stack for stack in self.stacks if stack.name in named)

    def _named(self, name: str) -> list[StackSource]:
        found = [
            stack
            for stack in self.stacks
            if any(fnmatchcase(known, name) for known in (stack.name, stack.stack_name or "", *stack.also_named))
        ]
        if not found:
            known = [stack.name for stack in self.stacks]
            raise SettingsError(f"stack: {self.path} has no stack {name!r}. {nearest(name, known)}")
        return found

    def _with_dependencies(self, stacks: Sequence[StackSource]) -> set[str]:
        by_name = {stack.name: stack for stack in self.stacks}
        needed: set[str] = set()
        waiting = [stack.name for stack in stacks]
        while waiting:
            name = waiting.pop()
            if name in by_name and name not in needed:
                needed.add(name)
                waiting += by_name[name].depends_on
        return needed


def resource_names(sources: Sequence[StackSource]) -> dict[str, dict[str, str]]:
    """
    What a stage calls the resources of these stacks, on every target: for each stack by name, by logical id.

    It is the logical id, without the hash of CDK, after the stack's name if other stacks have the same. What is nested has the name of its
    nested stack before its own: `nested_names`.
    """
    shown = {source.name: _shown(source) for source in sources}
    counts = Counter(name for names in shown.values() for name in names.values())
    return {
        stack: {logical_id: name if counts[name] == 1 else f"{stack}.{name}" for logical_id, name in names.items()}
        for stack, names in shown.items()
    }


def nested_names(nested: StackSource, name: str) -> dict[str, str]:
    """What a stage calls the resources of a nested stack, which it calls `name`."""
    return {logical_id: f"{name}.{shown}" for logical_id, shown in _shown(nested).items()}


def _shown(source: StackSource) -> dict[str, str]:
    resources = {name: one for name, one in source.template["Resources"].items() if isinstance(one, Mapping)}
    known = {logical_id: short for short, logical_id in short_ids(resources).items()}
    return {logical_id: known.get(logical_id, logical_id) for logical_id in resources}


def find_template(directory: Path) -> Path:
    """What a project is read from: its template.yaml, .yml or .json, or else `.serverless/` or `cdk.out/`."""
    from stagefright.templates import cloud_assembly, serverless_output

    for name in NAMES:
        if (directory / name).is_file():
            return directory / name
    outputs = (serverless_output, cloud_assembly)
    for output in outputs:
        written: Path = directory / output.DIRECTORY
        if written.is_dir():
            return written
    there = sorted(entry.name for entry in directory.iterdir()) if directory.is_dir() else []
    wanted = ", ".join([*NAMES, *(f"{output.DIRECTORY}/" for output in outputs)])
    hints = [f"`{o.COMMAND}` writes {o.DIRECTORY}/." for o in outputs if any(name in there for name in o.SOURCES)]
    raise TemplateError(
        f"no template found: looked for {wanted} in {directory}, which holds: {', '.join(there) or 'nothing'}. "
        f"{' '.join(hints) or 'Name another file in the settings: [tool.stagefright] template.'}"
    )


def read_project(path: Path) -> Project:
    """
    Read a project from its template or from the directory that a tool wrote; pure, and without a world.

    Raises `TemplateError` for what is malformed, missing or stale, with the command that makes it anew.
    """
    from stagefright.templates import cloud_assembly, serverless_output

    if serverless_output.is_one(path):
        return serverless_output.read(path)
    if cloud_assembly.is_one(path):
        return cloud_assembly.read(path)
    if path.is_dir():
        return read_project(find_template(path))
    file = path.resolve()
    return Project(PLAIN, file, (read_stack(file, name=file.parent.name),))


def read_stack(file: Path, *, name: str, assets: Assets | None = None, above: tuple[Path, ...] = ()) -> StackSource:
    """One stack with all that is nested in it; `above` are the templates that it is nested in."""
    file = file.resolve()
    if file in above:
        circle = " -> ".join(path.name for path in (*above[above.index(file) :], file))
        raise TemplateError(f"the nested stacks go round in a circle: {circle}.", file=str(above[-1]))
    document = _written(file)
    artifacts = tuple(artifacts_of(document, file, assets))
    nested = {
        one.logical_id: read_stack(_template_of(one), name=one.logical_id, assets=assets, above=(*above, file))
        for one in artifacts
        if one.packaging == TEMPLATE and not one.type.endswith("StackSet") and one.path.exists()
    }
    return StackSource(name, file, document, artifacts, nested, assets)


def _written(file: Path) -> dict[str, Any]:
    document = read_document(file)
    if INCLUDE not in str(document):
        return document
    includer = Includer(Resolver(Scope(str(file), "", {})), file.parent)
    included = included_sections(document, includer)
    return {name: includer.include(section) for name, section in included.items()}


def _template_of(artifact: Artifact) -> Path:
    """The template that a nested stack or application names; for an application it may be a directory."""
    if not artifact.path.is_dir():
        return artifact.path
    return next(iter(_templates_in(artifact.path)), artifact.path / NAMES[0])


def _templates_in(directory: Path) -> Iterator[Path]:
    return (directory / name for name in NAMES if (directory / name).is_file())
