"""
EventBridge Pipes: what its API says and keeps (aws-semantics §6.7). Delivery is `delivery/pipe.py`, polling `delivery/mappings.py`.

moto has pipes in some versions only, and judges nothing of what it is given; so they are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from stagefright.aws_api.errors import ApiError
from stagefright.services.pipe import (
    SOURCE_PARAMETERS,
    Pipe,
    check_choice,
    check_pipe,
    invalid,
    read_polling,
    source_of,
)

if TYPE_CHECKING:
    from stagefright.world import World

Parameters = Mapping[str, Any]
Response = dict[str, Any]

PAGE_SIZE_DEFAULT = 100


class PipeService:
    """The pipes of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pipes: dict[str, Pipe] = {}
        self.on_changed: list[Callable[[Pipe], None]] = []
        self.on_deleted: list[Callable[[Pipe], None]] = []

    def pipes(self) -> list[Pipe]:
        """All pipes, in order of their names."""
        return [self._pipes[name] for name in sorted(self._pipes)]

    # -- operations --------------------------------------------------------------------------------------------------

    def create_pipe(self, params: Parameters) -> Response:
        """Make a pipe; it runs at once unless it is to be stopped."""
        name, now = params["Name"], self._world.clock.now()
        for member in ("Source", "Target"):
            if not params[member].startswith(("arn:", "smk://")):
                raise invalid(f"{member} must be an ARN; {params[member]} was given.")
        if name in self._pipes:
            raise ApiError("ConflictException", f"Pipe {name} already exists.", status=409)
        pipe = Pipe(
            name=name,
            arn=f"arn:aws:pipes:{self._world.region}:{self._world.account}:pipe/{name}",
            source=params["Source"],
            target=params["Target"],
            role_arn=params["RoleArn"],
            created_at=now,
            modified_at=now,
            source_parameters=params.get("SourceParameters") or {},
            tags=dict(params.get("Tags") or {}),
            **_changes(params),
        )
        return self._summary(self._keep(pipe), "CREATING")

    def update_pipe(self, params: Parameters) -> Response:
        """Change what is mentioned; the source itself, and where reading starts, stay."""
        pipe = self._find(params)
        changes = {"modified_at": self._world.clock.now(), "role_arn": params["RoleArn"], **_changes(params)}
        if "Target" in params:
            changes["target"] = params["Target"]
        if "SourceParameters" in params:
            changes["source_parameters"] = _updated_source(pipe, params["SourceParameters"])
        return self._summary(self._keep(replace(pipe, **changes)), "UPDATING")

    def start_pipe(self, params: Parameters) -> Response:
        """Run a pipe that was stopped; it goes on where it stopped."""
        return self._summary(self._run(params, is_running=True), "STARTING")

    def stop_pipe(self, params: Parameters) -> Response:
        """Stop a pipe; what is under way is seen through."""
        return self._summary(self._run(params, is_running=False), "STOPPING")

    def delete_pipe(self, params: Parameters) -> Response:
        """Remove a pipe."""
        pipe = self._find(params)
        del self._pipes[pipe.name]
        for tell in self.on_deleted:
            tell(pipe)
        return self._summary(pipe, "DELETING") | {"DesiredState": "DELETED"}

    def describe_pipe(self, params: Parameters) -> Response:
        """Everything about a pipe."""
        pipe = self._find(params)
        shown = {
            "Description": pipe.description,
            "SourceParameters": dict(pipe.source_parameters),
            "EnrichmentParameters": dict(pipe.enrichment_parameters),
            "TargetParameters": dict(pipe.target_parameters),
            "RoleArn": pipe.role_arn,
            "Tags": dict(pipe.tags),
            "LogConfiguration": pipe.log_configuration,
            "KmsKeyIdentifier": pipe.kms_key,
        }
        return self._listed(pipe) | {key: value for key, value in shown.items() if value}

    def list_pipes(self, params: Parameters) -> Response:
        """Pipes by the beginning of name, source or target, or by state; a page at a time."""
        shown = [self._listed(pipe) for pipe in self.pipes() if _is_wanted(pipe, params)]
        first = int(params.get("NextToken") or 0)
        last = first + (params.get("Limit") or PAGE_SIZE_DEFAULT)
        answer: Response = {"Pipes": shown[first:last]}
        return answer | {"NextToken": str(last)} if last < len(shown) else answer

    def tag_resource(self, params: Parameters) -> Response:
        """Add tags."""
        pipe = self._by_arn(params)
        self._pipes[pipe.name] = replace(pipe, tags={**pipe.tags, **params["tags"]})
        return {}

    def untag_resource(self, params: Parameters) -> Response:
        """Take tags away."""
        pipe = self._by_arn(params)
        kept = {key: value for key, value in pipe.tags.items() if key not in params["tagKeys"]}
        self._pipes[pipe.name] = replace(pipe, tags=kept)
        return {}

    def list_tags_for_resource(self, params: Parameters) -> Response:
        """A pipe's tags."""
        return {"tags": dict(self._by_arn(params).tags)}

    # -- state -------------------------------------------------------------------------------------------------------

    def snapshot(self) -> Any:
        """The pipes, which never change themselves."""
        return dict(self._pipes)

    def restore(self, state: Any) -> None:
        """Go back to a snapshot."""
        self._pipes = dict(state)

    def _keep(self, pipe: Pipe) -> Pipe:
        check_pipe(pipe)
        pipe = replace(pipe, polling=read_polling(pipe, self._world.assumptions))
        self._check_source(pipe)
        self._pipes[pipe.name] = pipe
        if pipe.unserved:
            self._world.journal.write("warning", self._world.name_of(pipe.arn), message=_unserved(pipe))
        for tell in self.on_changed:
            tell(pipe)
        return pipe

    def _check_source(self, pipe: Pipe) -> None:
        """On AWS a pipe whose source does not exist ends as CREATE_FAILED; here it is not made."""
        kind = source_of(pipe.source)
        if kind == "sqs" and self._world.queues.by_arn(pipe.source) is None:
            raise invalid(f"The queue {pipe.source} does not exist.")
        if kind in ("kinesis", "dynamodb") and not self._world.has_stream(pipe.source):
            raise invalid(f"Stream not found: {pipe.source}")

    def _run(self, params: Parameters, *, is_running: bool) -> Pipe:
        pipe = self._find(params)
        if pipe.is_running == is_running:
            state = "running" if is_running else "stopped"
            raise ApiError("ConflictException", f"Pipe {pipe.name} is {state} already.", status=409)
        return self._keep(replace(pipe, is_running=is_running, modified_at=self._world.clock.now()))

    def _find(self, params: Parameters) -> Pipe:
        pipe = self._pipes.get(params["Name"])
        if pipe is None:
            raise ApiError("NotFoundException", f"Pipe {params['Name']} does not exist.", status=404)
        return pipe

    def _by_arn(self, params: Parameters) -> Pipe:
        return self._find({"Name": params["resourceArn"].rpartition("/")[2]})

    def _summary(self, pipe: Pipe, transition: str | None = None) -> Response:
        """The part that every answer has; `transition` is the passing state that AWS shows in the answer to a change."""
        state = "RUNNING" if pipe.is_running else "STOPPED"
        return {
            "Arn": pipe.arn,
            "Name": pipe.name,
            "DesiredState": state,
            "CurrentState": transition or state,
            "CreationTime": datetime.fromtimestamp(pipe.created_at, UTC),
            "LastModifiedTime": datetime.fromtimestamp(pipe.modified_at, UTC),
        }

    def _listed(self, pipe: Pipe) -> Response:
        shown = self._summary(pipe) | {"Source": pipe.source, "Target": pipe.target}
        return shown | {"Enrichment": pipe.enrichment} if pipe.enrichment else shown


def _changes(params: Parameters) -> dict[str, Any]:
    """What both a new pipe and an update may set."""
    changes: dict[str, Any] = {}
    for name, member in (
        ("description", "Description"),
        ("enrichment", "Enrichment"),
        ("enrichment_parameters", "EnrichmentParameters"),
        ("target_parameters", "TargetParameters"),
        ("log_configuration", "LogConfiguration"),
        ("kms_key", "KmsKeyIdentifier"),
    ):
        if member in params:
            changes[name] = params[member]
    check_choice("DesiredState", params.get("DesiredState"), ("RUNNING", "STOPPED"))
    if params.get("DesiredState"):
        changes["is_running"] = params["DesiredState"] == "RUNNING"
    return changes


def _updated_source(pipe: Pipe, given: Mapping[str, Any]) -> dict[str, Any]:
    """New settings of the source; where reading starts cannot be changed."""
    updated = {**pipe.source_parameters, **given}
    source = source_of(pipe.source)
    member = SOURCE_PARAMETERS[source] if source else ""
    if member in given:
        before = pipe.source_parameters.get(member) or {}
        fixed = {key: before[key] for key in ("StartingPosition", "StartingPositionTimestamp") if key in before}
        updated[member] = {**given[member], **fixed}
    return updated


def _is_wanted(pipe: Pipe, params: Parameters) -> bool:
    state = "RUNNING" if pipe.is_running else "STOPPED"
    return (
        pipe.name.startswith(params.get("NamePrefix") or "")
        and pipe.source.startswith(params.get("SourcePrefix") or "")
        and pipe.target.startswith(params.get("TargetPrefix") or "")
        and params.get("DesiredState") in (None, state)
        and params.get("CurrentState") in (None, state)
    )


def _unserved(pipe: Pipe) -> str:
    return (
        f"the pipe is kept, but nothing flows through it: the local stage does not have {pipe.unserved}. It has the sources SQS, Kinesis "
        "and DynamoDB streams, functions as enrichment, and the targets Lambda, SQS, SNS, EventBridge buses, Kinesis and CloudWatch Logs."
    )
