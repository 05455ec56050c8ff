"""
Stacks: those of a project, and those nested in them, in one world.

They are deployed in the order of their dependencies, as `cdk deploy` and CloudFormation do. What one exports, the later ones import; what is
nested gets its parameters when the stack around it has got so far, and gives it its outputs.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from stagefright.deployment.deployer import Deployed, DeployedResource, deploy
from stagefright.deployment.resource import Made, Maker, Properties, makes
from stagefright.deployment.spellings import Spellings
from stagefright.errors import SettingsError, TemplateError, nearest
from stagefright.settings import Settings
from stagefright.templates import StackSource, Template, find_template, load_template
from stagefright.templates.assets import Assets
from stagefright.templates.imports import output_of
from stagefright.templates.project import resource_names
from stagefright.templates.text import is_scalar, text_of

if TYPE_CHECKING:
    from stagefright.world import World

BOOTSTRAP = "/cdk-bootstrap/"
"""Where `cdk bootstrap` notes its version; each of CDK's stacks has a parameter that asks for it, and nothing ever reads that."""

BOOTSTRAP_VERSION = "30"
STACK_NAME_MAX = 128


@dataclass(frozen=True)
class Reading:
    """What all templates of a stage are read with."""

    account: str
    region: str
    exports: dict[str, str]
    """Grows while stacks are deployed."""
    ssm: Mapping[str, str]
    several: bool
    """Whether stacks may get exports from each other."""

    def template(
        self, file: Path, *, parameters: Mapping[str, str], stack_name: str, assets: Assets | None
    ) -> Template:
        """Read one."""
        return load_template(
            file,
            parameters=parameters,
            account=self.account,
            region=self.region,
            stack_name=stack_name,
            exports=self.exports,
            more_exports=self.several,
            ssm=self.ssm.get,
            assets=assets,
        )


@dataclass(frozen=True)
class PlannedStacks:
    """The stacks that a stage will have, read and found right."""

    stacks: tuple[tuple[StackSource, Template, str], ...]
    """Each with its template and its name, in the order of their deployment."""
    reading: Reading

    @classmethod
    def of(
        cls,
        sources: Sequence[StackSource],
        settings: Settings,
        *,
        stack_name: str,
        parameters: Mapping[str, str] = MappingProxyType({}),
    ) -> PlannedStacks:
        """Read these stacks, with parameters on top of those of the settings; of several, each gets those that it declares."""
        several = len(sources) > 1 or any(source.nested for source in sources)
        ssm = {**_bootstrap_versions(sources), **settings.ssm_parameters}
        reading = Reading(settings.account, settings.region, dict(settings.exports), ssm, several)
        parameters = {**settings.parameters, **parameters}
        if len(sources) > 1:
            _refuse_undeclared(sources, parameters)
        read = []
        for source in sources:
            name = stack_name if len(sources) == 1 else f"{stack_name}-{_plain(source.name)}"
            given = parameters if len(sources) == 1 else _declared(source, parameters)
            template = reading.template(source.file, parameters=given, stack_name=name, assets=source.assets)
            read.append((source, template, name))
        return cls(tuple(read), reading)

    @property
    def ssm_parameters(self) -> Mapping[str, str]:
        """What the account's SSM holds before anything is deployed."""
        return self.reading.ssm

    def deploy(self, world: World, *, strict: bool) -> DeployedStacks:
        """Make all their resources."""
        everything: dict[str, DeployedResource] = {}
        names = resource_names([source for source, _, _ in self.stacks])
        deployed = DeployedStacks([], everything)
        for source, template, name in self.stacks:
            stack = Deployed(
                world,
                template,
                name,
                names=_shown(template) | names[source.name],
                everything=everything,
                source=source,
                reading=self.reading,
                above=(source.file,),
                strict=strict,
            )
            deployed.stacks.append(deploy(stack))
            _export(stack)
        return deployed


def at_home(settings: Settings, sources: Sequence[StackSource]) -> Settings:
    """The settings with the account and the region that the stacks are meant for, unless somebody set others."""
    known = {"account": [one.account for one in sources], "region": [one.region for one in sources]}
    wanted = {name: next(filter(None, reversed(values)), None) for name, values in known.items()}
    changes: dict[str, Any] = {name: value for name, value in wanted.items() if value and name not in settings.origins}
    origins = {**settings.origins, **dict.fromkeys(changes, "the project's output")}
    return replace(settings, **changes, origins=origins)


def _shown(template: Template) -> dict[str, str]:
    """The ids that SAM changed, as they were written."""
    return {logical_id: known for known, logical_id in template.renamed.items()}


def _bootstrap_versions(sources: Sequence[StackSource]) -> dict[str, str]:
    declared = [one for source in sources for one in source.template.get("Parameters", {}).values()]
    names = [str(one.get("Default")) for one in declared if isinstance(one, Mapping)]
    return {name: BOOTSTRAP_VERSION for name in names if name.startswith(BOOTSTRAP)}


def _declared(source: StackSource, parameters: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in parameters.items() if name in source.template.get("Parameters", {})}


def _refuse_undeclared(sources: Sequence[StackSource], parameters: Mapping[str, str]) -> None:
    known = {name for source in sources for name in source.template.get("Parameters", {})}
    for name in parameters:
        if name not in known:
            stacks = ", ".join(source.name for source in sources)
            raise SettingsError(f"parameters: none of the stacks {stacks} declares {name}. {nearest(name, known)}")


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")


def _export(stack: Deployed) -> None:
    """From now on other stacks can import what this one exports."""
    assert stack.reading is not None
    exports, template = stack.reading.exports, stack.template
    called = {stack.stack_name, (stack.source.stack_name if stack.source else None) or stack.stack_name}
    for name, value in stack.outputs.items():
        exports.update((output_of(known, name), value) for known in called)
        export = template.outputs[name].export_name
        if export is not None:
            exports[str(template.resolve(export, stack, logical_id=name))] = value


@dataclass
class DeployedStacks:
    """What a deployment came to: the stacks of a stage, with those nested in them."""

    stacks: list[Deployed]
    """In the order of their deployment, without those that are nested."""
    resources: dict[str, DeployedResource]
    """All resources, by what the stage calls them."""
    _spellings: Spellings | None = field(default=None, init=False, repr=False)

    @property
    def template(self) -> Template:
        """The template of the stack that needs all others."""
        return self.stacks[-1].template

    @property
    def outputs(self) -> dict[str, str]:
        """The outputs of all stacks; one that several have is called `Stack.Output`."""
        found = [(stack.source.name if stack.source else "", stack.outputs) for stack in self.stacks]
        names = [name for _, outputs in found for name in outputs]
        return {
            name if names.count(name) == 1 else f"{stack}.{name}": value
            for stack, outputs in found
            for name, value in outputs.items()
        }

    def resource(self, name: str) -> DeployedResource:
        """A resource by its name, its logical id or its path of constructs; the error lists those that were meant."""
        return self.resources.get(name) or self.resources[self._all_spellings.meant(name)]

    def get_att(self, name: str, attribute: str) -> Any:
        """What `Fn::GetAtt` gives for a resource."""
        return self.resource(name).attribute(attribute)

    def name_of(self, spelling: str) -> str:
        """What the stage calls the resource that is meant; a name that it does not know as it is."""
        if spelling in self.resources or spelling not in self._all_spellings.meanings:
            return spelling
        return self._all_spellings.meant(spelling)

    @property
    def _all_spellings(self) -> Spellings:
        if self._spellings is None:
            self._spellings = Spellings.of(self.stacks)
        return self._spellings


@makes("AWS::CloudFormation::Stack")
def nested_stack(maker: Maker, properties: Properties) -> Made:
    """A stack inside a stack: its resources are called `Nested.Inner`."""
    outer, world = maker.within, maker.world
    assert outer is not None
    assert outer.reading is not None
    file = _template_of(properties)
    if file in outer.above:
        circle = " -> ".join(path.name for path in (*outer.above[outer.above.index(file) :], file))
        raise TemplateError(f"the nested stacks go round in a circle: {circle}.")
    name = maker.name(length_max=STACK_NAME_MAX)
    assets = outer.source.assets if outer.source else None
    template = outer.reading.template(file, parameters=_parameters(properties), stack_name=name, assets=assets)
    inner = Deployed(
        world,
        template,
        name,
        names={one: f"{maker.shown_as}.{template.shown(one)}" for one in template.resources},
        everything=outer.everything,
        source=outer.source,
        reading=outer.reading,
        above=(*outer.above, file),
        strict=outer.strict,
    )
    outer.nested[maker.logical_id] = inner
    deploy(inner)
    _export(inner)
    arn = maker.arn("cloudformation", f"stack/{name}/{uuid.UUID(world.chance.hex(32, 'stack', name))}")
    return Made(arn, {f"Outputs.{output}": value for output, value in inner.outputs.items()}, (arn,))


def _template_of(properties: Properties) -> Path:
    location = properties.get("TemplateURL")
    if not isinstance(location, Mapping) or "LocalPath" not in location:
        raise TemplateError(
            f"TemplateURL is {location!r}, which is not on this machine, and a local stage fetches nothing. Put a copy of that template "
            "beside this one and name its path; `sam package` and `aws cloudformation package` turn a path into an address."
        )
    path = Path(location["LocalPath"])
    return (find_template(path) if path.is_dir() else path).resolve()


def _parameters(properties: Properties) -> dict[str, str]:
    given = properties.get("Parameters") or {}
    for name, value in given.items():
        if not is_scalar(value):
            raise TemplateError(
                f"Parameters.{name} must be text, and it is {value!r}. For a list, use Fn::Join with a comma."
            )
    return {name: text_of(value) for name, value in given.items()}
