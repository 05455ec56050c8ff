"""The targets of a FIS template, as the functions of a stage that an action on them hurts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from stagefright.chaos.faults.fault import FUNCTIONS
from stagefright.chaos.formats.fis_actions import FUNCTION, ROLE, STREAM
from stagefright.errors import ExperimentError, UsageError
from stagefright.wording import shorten

if TYPE_CHECKING:
    from stagefright.stage import Stage

_TYPES = {
    FUNCTION: FUNCTIONS,
    STREAM: ("AWS::Kinesis::Stream",),
    ROLE: ("AWS::IAM::Role",),
}
"""Our resource types for FIS's."""

TARGET_KEYS = ("resourceType", "resourceArns", "resourceTags", "selectionMode", "filters", "parameters")


class Targets:
    """
    Finds what a template's targets are on a stage.

    A template names resources by the ARNs of an account. A stage has its own, so an ARN stands for the resource with the same ARN, or
    the same name, or with this name as its logical id; `names` says it for others.
    """

    def __init__(self, stage: Stage, names: Mapping[str, str]) -> None:
        self._stage = stage
        self._names = names

    def functions(self, target: Mapping[str, Any], wanted: str) -> list[str]:
        """The logical ids of the functions that an action on the target hurts; what cannot be told is refused."""
        unknown = [key for key in target if key not in TARGET_KEYS]
        if unknown:
            raise ExperimentError(f"a target has no {', '.join(unknown)}; it has {', '.join(TARGET_KEYS)}.")
        kind = target.get("resourceType")
        if kind != wanted:
            raise ExperimentError(f"its resourceType is {kind!r}, and the action is for {wanted}.")
        for key in ("filters", "parameters"):
            if target.get(key):
                raise ExperimentError(f"{key} cannot be expressed; name the resources by resourceArns or resourceTags.")
        found = self._selected(self._resources(target, wanted), target.get("selectionMode", "ALL"))
        return self._hurt_by(found, wanted)

    def _resources(self, target: Mapping[str, Any], wanted: str) -> list[str]:
        arns, tags = target.get("resourceArns"), target.get("resourceTags")
        if bool(arns) == bool(tags):
            raise ExperimentError("it needs either resourceArns or resourceTags.")
        if tags:
            return self._tagged(tags, wanted)
        if not isinstance(arns, list) or not all(isinstance(arn, str) for arn in arns):
            raise ExperimentError(f"resourceArns is a list of ARNs; received {shorten(arns)}.")
        return [self._named(arn, wanted) for arn in arns]

    def _candidates(self, wanted: str) -> list[str]:
        return [name for name, resource in self._stage.resources.items() if resource.type in _TYPES[wanted]]

    def _named(self, arn: str, wanted: str) -> str:
        candidates = self._candidates(wanted)
        name = _name_in(arn)
        for logical_id in candidates:
            if self._names.get(arn, self._names.get(name, "")) == logical_id:
                return logical_id
        for logical_id in candidates:
            if arn == self._arn(logical_id) or name in (self._stage.ref(logical_id), logical_id):
                return logical_id
        known = ", ".join(f"{one} ({self._stage.ref(one)})" for one in candidates) or "none"
        raise ExperimentError(
            f"{arn} is no {wanted} of stage {self._stage.name}. It has {known}. Say which it is: names={{{name!r}: LogicalId}}."
        )

    def _arn(self, logical_id: str) -> str | None:
        try:
            return self._stage.arn(logical_id)
        except UsageError:
            return None

    def _tagged(self, tags: Any, wanted: str) -> list[str]:
        if not isinstance(tags, dict) or wanted == ROLE:
            raise ExperimentError("resourceTags is a mapping, for functions and streams.")
        return [one for one in self._candidates(wanted) if tags.items() <= self._tags_of(one, wanted).items()]

    def _tags_of(self, logical_id: str, wanted: str) -> dict[str, str]:
        if wanted == FUNCTION:
            return dict(self._stage.client("lambda").list_tags(Resource=self._stage.arn(logical_id))["Tags"])
        reply = self._stage.client("kinesis").list_tags_for_stream(StreamName=self._stage.ref(logical_id))
        return {tag["Key"]: tag.get("Value", "") for tag in reply["Tags"]}

    def _selected(self, found: list[str], mode: Any) -> list[str]:
        """All of them; FIS draws a sample by chance, which a plan, being the same every time, does not."""
        if mode in ("ALL", "PERCENT(100)", f"COUNT({len(found)})"):
            return found
        raise ExperimentError(f"selectionMode {mode!r} is a draw by chance; a plan names what it hurts, so use ALL.")

    def _hurt_by(self, resources: Iterable[str], wanted: str) -> list[str]:
        """The functions in which a fault of a resource is felt: its callers, if it is none itself."""
        if wanted == FUNCTION:
            return list(resources)
        return list(dict.fromkeys(one for resource in resources for one in self._users_of(resource, wanted)))

    def _users_of(self, logical_id: str, wanted: str) -> Iterator[str]:
        arn, name, found = self._arn(logical_id), self._stage.ref(logical_id), False
        for function in self._candidates(FUNCTION):
            settings = self._stage.client("lambda").get_function_configuration(FunctionName=self._stage.ref(function))
            values = settings.get("Environment", {}).get("Variables", {}).values()
            if settings.get("Role") == arn if wanted == ROLE else (arn in values or name in values):
                found = True
                yield function
        if not found:
            how = "has this role" if wanted == ROLE else "names it in its environment"
            raise ExperimentError(f"no function {how}, so nobody would feel a fault of {logical_id}.")


def _name_in(arn: str) -> str:
    """
    The name at the end of an ARN.

    >>> _name_in("arn:aws:lambda:eu-west-1:1:function:ship"), _name_in("arn:aws:kinesis:eu-west-1:1:stream/posts")
    ('ship', 'posts')
    """
    _, _, last = arn.partition(":function:")
    if last:
        return last
    return arn.rpartition(":")[2].rpartition("/")[2]
