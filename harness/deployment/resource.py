"""What the makers of resources share: what they are given, what they give back, and how they register."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stagefright.aws_api import sessions

if TYPE_CHECKING:
    from stagefright.deployment.deployer import Deployed
    from stagefright.world import World

Properties = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Made:
    """A resource that exists: what `Ref` and `Fn::GetAtt` give, and the names by which journals meet it."""

    physical_id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    known_as: tuple[str, ...] = ()

    @property
    def arn(self) -> str | None:
        """Its ARN, if it has one."""
        arn = self.attributes.get("Arn")
        return str(arn) if arn is not None else self.physical_id if self.physical_id.startswith("arn:") else None


@dataclass(frozen=True, slots=True)
class Maker:
    """What a maker function is given besides the properties."""

    world: World
    logical_id: str
    stack_name: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    shown_as: str = ""
    """What journals call the resource: its logical id, without a hash, after that of a nested stack."""
    within: Deployed | None = None
    """The stack that it belongs to."""

    def client(self, service: str) -> Any:
        """A boto3 client of the world."""
        return sessions.deployment_client(self.world.region, service)

    def name(self, *, length_max: int = 64, lower: bool = False) -> str:
        """A physical name as CloudFormation makes them: stack, logical id, and a suffix that is stable for a stage."""
        suffix = self.world.chance.hex(12, "physical name", self.stack_name, self.logical_id).upper()
        room = length_max - len(suffix) - 1
        name = f"{self.stack_name}-{self.logical_id}"[:room].rstrip("-") + f"-{suffix}"
        return name.lower() if lower else name

    def arn(self, service: str, resource: str, *, region: bool = True, account: bool = True) -> str:
        """An ARN in this world's account and region."""
        where = f"{self.world.region if region else ''}:{self.world.account if account else ''}"
        return f"arn:aws:{service}:{where}:{resource}"


Make = Callable[[Maker, Properties], Made]
MAKERS: dict[str, Make] = {}
"""Resource type to the function that makes one."""


def makes(*resource_types: str) -> Callable[[Make], Make]:
    """Register a function as the maker of some resource types."""

    def register(function: Make) -> Make:
        for resource_type in resource_types:
            MAKERS[resource_type] = function
        return function

    return register
