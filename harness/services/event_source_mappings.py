"""
Event source mappings: the operations that connect queues and streams to functions (aws-semantics §3.5, §4.1).

The records only; pollers listen to `on_mapping_changed` and read `mappings()`.
"""

from __future__ import annotations

from dataclasses import replace

from stagefright.aws_api.errors import ApiError
from stagefright.services import lambda_limits as limits
from stagefright.services.event_source_mapping import EventSourceMapping, describe_mapping
from stagefright.services.event_source_mapping_settings import (
    check_batching,
    check_filters,
    read_changes,
    read_position,
    read_source,
    refuse_foreign,
)
from stagefright.services.function import LATEST, FunctionVersion
from stagefright.services.function_names import conflict, not_found, refused
from stagefright.services.function_store import FunctionStore, Parameters, Response, page, version_of


class EventSourceMappings(FunctionStore):
    """Operations on event source mappings."""

    def create_event_source_mapping(self, params: Parameters) -> Response:
        """Connect a source to a function; pollers start at once."""
        refuse_foreign(params)
        source, source_arn = read_source(params)
        version, function_arn = self._mapped_function(params["FunctionName"])
        blank = EventSourceMapping(
            uuid="",
            arn="",
            source=source,
            source_arn=source_arn,
            function_arn=function_arn,
            last_modified=self._world.clock.now(),
            batch_size=limits.QUEUE_BATCH_SIZE_DEFAULT if source == "sqs" else limits.STREAM_BATCH_SIZE_DEFAULT,
            tags=dict(params.get("Tags") or {}),
        )
        draft = replace(read_position(blank, params), **read_changes(blank, params))
        self._check_mapping(draft, version)
        self._refuse_duplicate(draft)
        mapping = self._name_mapping(draft)
        self._keep_mapping(mapping)
        self._mapping_changed(mapping)
        return describe_mapping(mapping, "Creating")

    def update_event_source_mapping(self, params: Parameters) -> Response:
        """Change what is mentioned; `Enabled: False` stops the pollers."""
        mapping = self._mapping(params)
        changes = read_changes(mapping, params)
        if params.get("FunctionName"):
            changes["function_arn"] = self._mapped_function(params["FunctionName"])[1]
        updated = replace(mapping, last_modified=self._world.clock.now(), **changes)
        self._check_mapping(updated, self._mapped_function(updated.function_arn)[0])
        if updated.function_arn != mapping.function_arn:
            self._refuse_duplicate(updated)
        self._keep_mapping(updated)
        self._mapping_changed(updated)
        return describe_mapping(updated, "Updating")

    def get_event_source_mapping(self, params: Parameters) -> Response:
        """One mapping."""
        return describe_mapping(self._mapping(params))

    def delete_event_source_mapping(self, params: Parameters) -> Response:
        """Disconnect; pollers stop at once."""
        mapping = self._mapping(params)
        remaining = {uuid: other for uuid, other in self._state.mappings.items() if uuid != mapping.uuid}
        self._state = replace(self._state, mappings=remaining)
        self._mapping_changed(replace(mapping, state="Deleted"))
        return describe_mapping(mapping, "Deleting")

    def list_event_source_mappings(self, params: Parameters) -> Response:
        """The mappings of a source, of a function, or all."""
        source_arn, name = params.get("EventSourceArn"), params.get("FunctionName")
        function_arn = self._mapping_target(name) if name else None
        shown = [
            describe_mapping(mapping)
            for mapping in self._state.mappings.values()
            if source_arn in (None, mapping.source_arn) and function_arn in (None, mapping.function_arn)
        ]
        return page(shown, params, "EventSourceMappings", default_size=100)

    def note_result(self, uuid: str, result: str) -> None:
        """Keep a stream poller's last result (`OK`, `PROBLEM: Function call failed`) for `LastProcessingResult`."""
        mapping = self._state.mappings.get(uuid)
        if mapping is not None and mapping.last_result != result:
            self._keep_mapping(replace(mapping, last_result=result))

    def _mapping(self, params: Parameters) -> EventSourceMapping:
        mapping = self._state.mappings.get(params["UUID"])
        if mapping is None:
            raise not_found("The resource you requested does not exist.")
        return mapping

    def _keep_mapping(self, mapping: EventSourceMapping) -> None:
        self._state = replace(self._state, mappings={**self._state.mappings, mapping.uuid: mapping})

    def _mapping_changed(self, mapping: EventSourceMapping) -> None:
        for hook in self.on_mapping_changed:
            hook(mapping)

    def _name_mapping(self, draft: EventSourceMapping) -> EventSourceMapping:
        uuid = self._uuid("mapping", draft.source_arn, draft.function_arn)
        arn = f"arn:aws:lambda:{self._world.region}:{self._world.account}:event-source-mapping:{uuid}"
        return replace(draft, uuid=uuid, arn=arn)

    def _mapping_target(self, name_or_arn: str) -> str:
        name = self._name({"FunctionName": name_or_arn})
        arn = self._arn(name.name)
        return arn if name.qualifier in (None, LATEST) else f"{arn}:{name.qualifier}"

    def _mapped_function(self, name_or_arn: str) -> tuple[FunctionVersion, str]:
        name = self._name({"FunctionName": name_or_arn})
        function = self._state.functions.get(name.name)
        if function is None:
            raise refused("Function does not exist")
        return version_of(function, name.qualifier), self._mapping_target(name_or_arn)

    def _refuse_duplicate(self, draft: EventSourceMapping) -> None:
        for other in self._state.mappings.values():
            if (other.source_arn, other.function_arn) == (draft.source_arn, draft.function_arn):
                raise conflict(_duplicate_text(other))

    def _check_mapping(self, mapping: EventSourceMapping, version: FunctionVersion) -> None:
        check_batching(mapping)
        check_filters(mapping)
        if mapping.source == "sqs":
            self._check_queue(mapping, version)
        elif not self._world.has_stream(mapping.source_arn):
            raise refused(f"Stream not found: {mapping.source_arn}")

    def _check_queue(self, mapping: EventSourceMapping, version: FunctionVersion) -> None:
        if version.timeout_s > (visibility_s := self._visibility_timeout(mapping.source_arn)):
            raise refused(
                f"Queue visibility timeout: {visibility_s} seconds is less than "
                f"Function timeout: {version.timeout_s} seconds"
            )

    def _visibility_timeout(self, queue_arn: str) -> int:
        queues = self._world.queues
        try:
            url = queues.get_queue_url({"QueueName": queue_arn.rsplit(":", 1)[1]})["QueueUrl"]
            asked = {"QueueUrl": url, "AttributeNames": ["VisibilityTimeout"]}
            return int(queues.get_queue_attributes(asked)["Attributes"]["VisibilityTimeout"])
        except ApiError as refusal:
            raise refused(
                f"Error occurred while ReceiveMessage. SQS Error Code: {refusal.code}. "
                f"SQS Error Message: {refusal.message}"
            ) from refusal


def _duplicate_text(other: EventSourceMapping) -> str:
    function_name = other.function_arn.split(":function:")[1]
    fate = f"Please update or delete the existing mapping with UUID {other.uuid}"
    if other.source == "sqs":
        return (
            f'An event source mapping with SQS arn (" {other.source_arn} ") and function (" {function_name} ") '
            f"already exists. {fate}"
        )
    return (
        f'The event source arn (" {other.source_arn} ") and function (" {function_name} ") '
        f"provided mapping already exists. {fate}"
    )
