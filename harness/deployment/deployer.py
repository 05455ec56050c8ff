"""Deploys a template into a world: each resource in its order, with what earlier ones turned out to be."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stagefright.aws_api.errors import ApiError
from stagefright.deployment.notices import ADVICE, warn, warn_of_placeholders
from stagefright.deployment.properties import PROPERTIES, unknown_properties
from stagefright.deployment.resource import MAKERS, Made, Maker
from stagefright.errors import StagefrightError, TemplateError, nearest
from stagefright.templates.references import references

if TYPE_CHECKING:
    from pathlib import Path

    from stagefright.deployment.stacks import Reading
    from stagefright.templates import Resource, StackSource, Template
    from stagefright.world import World

for _room in (
    "apis",
    "events",
    "functions",
    "messaging",
    "notifications",
    "pipes",
    "rest_apis",
    "schedules",
    "storage",
    "users",
):
    importlib.import_module(f"stagefright.deployment.{_room}")


@dataclass(frozen=True, slots=True)
class DeployedResource:
    """A resource of a stage."""

    logical_id: str
    type: str
    made: Made
    inert: bool = False
    name: str = ""
    """What the stage calls it: the logical id, without a hash, after that of the stack that it is nested in."""

    @property
    def physical_id(self) -> str:
        return self.made.physical_id

    @property
    def arn(self) -> str | None:
        return self.made.arn

    def attribute(self, name: str) -> Any:
        """What `Fn::GetAtt` gives."""
        if name in self.made.attributes:
            return self.made.attributes[name]
        if self.inert:
            return f"{self.physical_id}.{name}"
        raise TemplateError(
            f"Fn::GetAtt {self.logical_id}.{name}: {self.type} has no attribute {name!r}. "
            f"{nearest(name, self.made.attributes)}"
        )


@dataclass(slots=True)
class Deployed:
    """What a deployment came to; it also answers the template's questions while it goes on."""

    world: World
    template: Template
    stack_name: str
    resources: dict[str, DeployedResource] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    """What the stage calls a resource, by its logical id, where that is something else."""
    nested: dict[str, Deployed] = field(default_factory=dict)
    """The stacks in this one, by their logical ids."""
    everything: dict[str, DeployedResource] = field(default_factory=dict)
    """The resources of all stacks of the stage, by what it calls them."""
    source: StackSource | None = None
    """What the stack was read from; nested stacks have that of the one around them."""
    reading: Reading | None = None
    """What the templates of nested stacks are read with."""
    above: tuple[Path, ...] = ()
    """The templates that it is nested in."""
    strict: bool = False

    def name_of(self, logical_id: str) -> str:
        """What the stage calls a resource."""
        return self.names.get(logical_id, logical_id)

    @property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs."""
        outputs = self.template.outputs.items()
        return {name: str(self.template.resolve(output.value, self, logical_id=name)) for name, output in outputs}

    # -- the template's questions (templates.Lookup) -----------------------------------------------------------------

    def ref(self, logical_id: str) -> str:
        return self.resources[logical_id].physical_id

    def get_att(self, logical_id: str, attribute: str) -> Any:
        return self.resources[logical_id].attribute(attribute)

    def ssm(self, name: str, version: str | None, secure: bool) -> str:
        from botocore.exceptions import ClientError

        wanted = f"{name}:{version}" if version else name
        try:
            answer = self.world.internal_client("ssm").get_parameter(Name=wanted, WithDecryption=secure)
        except ClientError as refusal:
            raise TemplateError(
                f"The SSM parameter {wanted} is asked for, and the account does not hold it ({_said(refusal)}). If this stack "
                "makes it, add a DependsOn; else say what it holds in the settings: "
                f'[tool.stagefright.ssm_parameters] "{name}" = "...".'
            ) from refusal
        return str(answer["Parameter"]["Value"])

    def secret(self, secret_id: str, json_key: str | None, version_stage: str | None, version_id: str | None) -> str:
        from botocore.exceptions import ClientError

        which = {"VersionStage": version_stage, "VersionId": version_id}
        given = {key: value for key, value in which.items() if value}
        try:
            client = self.world.internal_client("secretsmanager")
            text = str(client.get_secret_value(SecretId=secret_id, **given)["SecretString"])
        except ClientError as refusal:
            raise TemplateError(
                f"The secret {secret_id} is asked for, and the account does not hold it ({_said(refusal)}). If this stack makes "
                f'it, add a DependsOn; else say what it holds in the settings: [tool.stagefright.secrets] "{secret_id}" = "...".'
            ) from refusal
        return text if json_key is None else _key_of_secret(secret_id, text, json_key)


def _said(refusal: Any) -> str:
    return str(refusal.response["Error"]["Code"])


def _key_of_secret(secret_id: str, text: str, json_key: str) -> str:
    import json

    try:
        keys = json.loads(text)
    except ValueError:
        keys = None
    if not isinstance(keys, dict):
        raise TemplateError(
            f"The key {json_key!r} of the secret {secret_id} is asked for, but the secret is not a JSON object."
        )
    if json_key not in keys:
        raise TemplateError(f"The secret {secret_id} has no key {json_key!r}. {nearest(json_key, keys)}")
    return str(keys[json_key])


def deploy(deployed: Deployed) -> Deployed:
    """
    Make every resource of a stack.

    Raises `TemplateError` with file, logical id and AWS's words for what AWS would refuse; if the stack is `strict` also for types
    that the local stage does not have, which otherwise become inert placeholders with a warning.
    """
    world, template = deployed.world, deployed.template
    _refuse_misspelt_types(template)
    for message in template.warnings:
        warn(template.path, None, message)
    if not deployed.strict:
        resources = [template.resources[logical_id] for logical_id in template.order]
        warn_of_placeholders(template.path, [resource for resource in resources if resource.type not in MAKERS])
    for logical_id in template.order:
        resource = template.resources[logical_id]
        before = len(world.journal)
        made = _deploy_one(deployed, resource)
        _refuse_twice(deployed, made)
        deployed.resources[logical_id] = deployed.everything[made.name] = made
        _repeat_warnings(deployed, logical_id, before)
    for name, output in template.outputs.items():
        template.resolve(output.value, deployed, logical_id=name)
    return deployed


def _refuse_twice(deployed: Deployed, made: DeployedResource) -> None:
    """Some services take the same name again and give back what is there; CloudFormation does not."""
    for other in deployed.everything.values():
        if made.made.known_as and (made.type, made.made.known_as) == (other.type, other.made.known_as):
            raise TemplateError(
                f"{made.type} {made.made.known_as[0]!r} exists already: it is {other.name}. Give one of them another name, or none.",
                file=str(deployed.template.path),
                logical_id=made.logical_id,
            )


def _repeat_warnings(deployed: Deployed, logical_id: str, since: int) -> None:
    """What the world noted about a resource while it was made; the journal itself begins after the deployment."""
    for record in deployed.world.journal.since(since):
        if record.kind == "warning":
            warn(deployed.template.path, logical_id, record.detail["message"])


def _deploy_one(deployed: Deployed, resource: Resource) -> DeployedResource:
    make = MAKERS.get(resource.type)
    world = deployed.world
    name = deployed.name_of(resource.logical_id)
    maker = Maker(world, resource.logical_id, deployed.stack_name, shown_as=name, within=deployed)
    if make is None:
        return _placeholder(deployed, resource, maker)
    try:
        properties = deployed.template.resolve(resource.properties, deployed, logical_id=resource.logical_id)
        _check_properties(resource, properties)
        made = make(maker, properties)
    except Exception as error:
        raise _explained(error, deployed, resource) from error
    world.give_name(name, *made.known_as)
    return DeployedResource(resource.logical_id, resource.type, made, name=name)


def _check_properties(resource: Resource, properties: Mapping[str, Any]) -> None:
    """
    Refuse a property that looks like a misspelt one, as CloudFormation does.

    One that resembles nothing may be newer than our list: it is passed over, since the local stage knows no use for it.
    """
    for name in unknown_properties(resource.type, properties):
        known = PROPERTIES[resource.type].split()
        if difflib.get_close_matches(name, known, n=1, cutoff=0.8):
            raise TemplateError(f"{resource.type} has no property {name!r}. {nearest(name, known)}")


def _explained(error: Exception, deployed: Deployed, resource: Resource) -> Exception:
    """What AWS, or its SDK, said of a resource, as an error of the template."""
    from botocore.exceptions import BotoCoreError, ClientError

    where: Mapping[str, Any] = {"file": str(deployed.template.path), "logical_id": resource.logical_id}
    if isinstance(error, TemplateError):
        return error if error.logical_id else type(error)(str(error), **where)
    if isinstance(error, StagefrightError):
        return error
    if isinstance(error, KeyError):
        given = ", ".join(sorted(resource.properties)) or "none"
        return TemplateError(f"{resource.type} needs the property {error}. Given: {given}.", **where)
    hint = _hint(deployed, resource)
    if isinstance(error, ApiError):
        return TemplateError(f"{resource.type} was refused: {_cut(error.message)} ({error.code}){hint}", **where)
    if isinstance(error, ClientError | BotoCoreError):
        return TemplateError(f"{resource.type} was refused: {error}{hint}", **where)
    if isinstance(error, AttributeError | LookupError | TypeError | ValueError):
        fault = " If AWS's reference allows them, this is a fault of Stagefright; please report it."
        return TemplateError(f"{resource.type} cannot be made of these properties: {error!r}.{hint or fault}", **where)
    return error


def _hint(deployed: Deployed, resource: Resource) -> str:
    """That a resource refers to a placeholder, whose values are not those of AWS; else nothing."""
    names = dict.fromkeys(name for _, name in references(resource.properties))
    inert = [
        deployed.resources[name] for name in names if name in deployed.resources and deployed.resources[name].inert
    ]
    named = ", ".join(f"{one.logical_id}, which is a placeholder for {one.type}" for one in inert)
    return f" It refers to {named}." if named else ""


MESSAGE_MAX = 600
"""How much of a refusal is shown: some repeat the whole of what was sent."""


def _cut(message: str) -> str:
    return (
        message if len(message) <= MESSAGE_MAX else f"{message[: MESSAGE_MAX // 2]} ... {message[-MESSAGE_MAX // 6 :]}"
    )


SAM_TYPES = tuple(
    f"AWS::Serverless::{kind}"
    for kind in (
        "Api",
        "Application",
        "Connector",
        "Function",
        "GraphQLApi",
        "HttpApi",
        "LayerVersion",
        "SimpleTable",
        "StateMachine",
    )
)


def _refuse_misspelt_types(template: Template) -> None:
    """A type that is nearly one of ours is a slip of the pen; as a placeholder it would break others in puzzling ways."""
    for logical_id in template.order:
        written = template.resources[logical_id].type
        meant = None if written in MAKERS else _meant(written)
        if meant is not None:
            raise TemplateError(
                f"there is no type {written}. Did you mean {meant}?", file=str(template.path), logical_id=logical_id
            )


def _meant(written: str) -> str | None:
    """The type that was probably meant, or None: it may well be one that the local stage does not have."""
    service, _, kind = written.rpartition("::")
    for known in (*MAKERS, *SAM_TYPES):
        if known.lower() == written.lower():
            return known
    kinds = [known.rpartition("::")[2] for known in (*MAKERS, *SAM_TYPES) if known.rpartition("::")[0] == service]
    if near := difflib.get_close_matches(kind, kinds, n=1, cutoff=0.8):
        return f"{service}::{near[0]}"
    if service in ADVICE:
        return None  # AWS::ApiGateway is not AWS::ApiGatewayV2
    same = [known for known in MAKERS if known.rpartition("::")[2] == kind]
    return next(iter(difflib.get_close_matches(written, same, n=1, cutoff=0.9)), None)


REF_ARNS = {
    "AWS::AppSync::GraphQLApi": "appsync:apis/{}",
    "AWS::Batch::ComputeEnvironment": "batch:compute-environment/{}",
    "AWS::Batch::JobDefinition": "batch:job-definition/{}:1",
    "AWS::Batch::JobQueue": "batch:job-queue/{}",
    "AWS::CertificateManager::Certificate": "acm:certificate/{}",
    "AWS::ECS::Service": "ecs:service/{}",
    "AWS::ECS::TaskDefinition": "ecs:task-definition/{}:1",
    "AWS::ElasticLoadBalancingV2::Listener": "elasticloadbalancing:listener/app/{}/1/1",
    "AWS::ElasticLoadBalancingV2::ListenerRule": "elasticloadbalancing:listener-rule/app/{}/1/1/1",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "elasticloadbalancing:loadbalancer/app/{}/1",
    "AWS::ElasticLoadBalancingV2::TargetGroup": "elasticloadbalancing:targetgroup/{}/1",
    "AWS::MSK::Cluster": "kafka:cluster/{}/1",
    "AWS::StepFunctions::Activity": "states:activity:{}",
    "AWS::StepFunctions::StateMachine": "states:stateMachine:{}",
    "AWS::StepFunctions::StateMachineAlias": "states:stateMachine:{}:alias",
    "AWS::StepFunctions::StateMachineVersion": "states:stateMachine:{}:1",
}
"""Types of placeholders whose `Ref` is an ARN on AWS: its service and its resource, so that what refers to them gets the right shape."""


def _placeholder(deployed: Deployed, resource: Resource, maker: Maker) -> DeployedResource:
    if deployed.strict:
        raise TemplateError(
            f"type {resource.type} is not one that the local stage has, and strict_template is on. {nearest(resource.type, MAKERS)}",
            file=str(deployed.template.path),
            logical_id=resource.logical_id,
        )
    name = maker.name()
    shape = REF_ARNS.get(resource.type)
    if shape is not None:
        service, _, path = shape.partition(":")
        arn = maker.arn(service, path.format(name))
        made = Made(arn, {"Arn": arn, "Name": name})
    else:
        service = resource.type.split("::")[1].lower() if resource.type.count("::") > 1 else "custom"
        made = Made(name, {"Arn": maker.arn(service, name)})
    return DeployedResource(resource.logical_id, resource.type, made, inert=True, name=maker.shown_as)
