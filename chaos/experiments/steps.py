"""The steps, named after the operations of AWS that they call. In YAML: `publish: {topic: Orders, message: {id: 1}}`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

from stagefright.chaos.experiments.kinds import (
    ATTRIBUTES,
    BYTES_OR_JSON,
    JSON,
    MAPPING,
    NAME,
    SPAN,
    SWITCH,
    TEXT,
    Kind,
    as_text,
)
from stagefright.chaos.experiments.step import Scene, Step, answer_setting, setting
from stagefright.chaos.plan import Plan
from stagefright.errors import UsageError, nearest
from stagefright.spans import Span, parse_span

if TYPE_CHECKING:
    from stagefright.stage import Stage

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
METHOD = Kind(f"one of {', '.join(METHODS)}", lambda value: value in METHODS)
SERVICE_NAME = Kind("a service of boto3 and its operation", lambda value: isinstance(value, str) and value != "")
PLAN = Kind("a plan", lambda value: isinstance(value, Plan))
STEPS = Kind("steps", lambda value: isinstance(value, tuple) and all(isinstance(item, Step) for item in value))


@dataclass(frozen=True, repr=False)
class SendMessage(Step):
    """Send a message to a queue."""

    name = "send_message"

    queue: str = setting(NAME)
    body: Any = setting(JSON)
    _: KW_ONLY
    attributes: Mapping[str, Any] | None = setting(ATTRIBUTES, None)
    group_id: str | None = setting(TEXT, None)
    dedup_id: str | None = setting(TEXT, None)

    def take(self, scene: Scene) -> None:
        """Send it."""
        body = scene.resolved(self.body)
        scene.data.message(self.queue, body, attributes=self.attributes, group_id=self.group_id, dedup_id=self.dedup_id)


@dataclass(frozen=True, repr=False)
class Publish(Step):
    """Publish a message to a topic."""

    name = "publish"

    topic: str = setting(NAME)
    message: Any = setting(JSON)
    _: KW_ONLY
    subject: str | None = setting(TEXT, None)
    attributes: Mapping[str, Any] | None = setting(ATTRIBUTES, None)
    group_id: str | None = setting(TEXT, None)
    dedup_id: str | None = setting(TEXT, None)

    def take(self, scene: Scene) -> None:
        """Publish it."""
        given = {
            "Subject": self.subject,
            "MessageGroupId": self.group_id,
            "MessageDeduplicationId": self.dedup_id,
            "MessageAttributes": _attributes(self.attributes),
        }
        scene.stage.client("sns").publish(
            TopicArn=scene.stage.ref(self.topic),
            Message=as_text(scene.resolved(self.message)),
            **{name: value for name, value in given.items() if value is not None},
        )


@dataclass(frozen=True, repr=False)
class PutRecord(Step):
    """Write a record to a stream."""

    name = "put_record"

    stream: str = setting(NAME)
    data: Any = setting(BYTES_OR_JSON)
    _: KW_ONLY
    key: str = setting(TEXT, "1")

    def take(self, scene: Scene) -> None:
        """Write it."""
        data = self.data if isinstance(self.data, bytes) else as_text(scene.resolved(self.data)).encode()
        scene.stage.client("kinesis").put_record(
            StreamName=scene.stage.ref(self.stream), Data=data, PartitionKey=scene.resolved(self.key)
        )


@dataclass(frozen=True, repr=False)
class PutEvent(Step):
    """Put an event on a bus; on the default one unless named."""

    name = "put_event"

    source: str = setting(TEXT)
    detail_type: str = setting(TEXT)
    detail: Mapping[str, Any] = setting(MAPPING)
    _: KW_ONLY
    bus: str | None = setting(NAME, None)

    def take(self, scene: Scene) -> Any:
        """Put it; an entry that is refused is an error, as the reply itself is not."""
        entry = {
            "Source": scene.resolved(self.source),
            "DetailType": scene.resolved(self.detail_type),
            "Detail": as_text(scene.resolved(self.detail)),
        }
        if self.bus is not None:
            entry["EventBusName"] = scene.stage.ref(self.bus)
        reply = scene.stage.client("events").put_events(Entries=[entry])
        if reply["FailedEntryCount"]:
            raise UsageError(f"EventBridge refused the event: {reply['Entries'][0]}")


@dataclass(frozen=True, repr=False)
class PutObject(Step):
    """Put an object into a bucket; it is taken back at the end."""

    name = "put_object"

    bucket: str = setting(NAME)
    key: str = setting(TEXT)
    body: Any = setting(BYTES_OR_JSON)

    def take(self, scene: Scene) -> None:
        """Put it."""
        body = self.body if isinstance(self.body, bytes) else as_text(scene.resolved(self.body))
        scene.data.object(self.bucket, scene.resolved(self.key), body)


@dataclass(frozen=True, repr=False)
class PutItem(Step):
    """Put an item, of plain values, into a table; it is taken back at the end."""

    name = "put_item"

    table: str = setting(NAME)
    item: Mapping[str, Any] = setting(MAPPING)

    def take(self, scene: Scene) -> None:
        """Put it."""
        scene.data.item(self.table, scene.resolved(self.item))


@dataclass(frozen=True, repr=False)
class PutParameter(Step):
    """Set an SSM parameter, by its name or logical id; it gets its old value back at the end."""

    name = "put_parameter"

    parameter: Any = setting(TEXT)
    value: str = setting(TEXT)
    _: KW_ONLY
    secure: bool = setting(SWITCH, default=False)

    def take(self, scene: Scene) -> None:
        """Set it."""
        scene.data.parameter(scene.resolved(self.parameter), scene.resolved(self.value), secure=self.secure)


@dataclass(frozen=True, repr=False)
class Invoke(Step):
    """Invoke a function and wait; it answers with `payload`, and after a failure with `error` and `error_message`."""

    name = "invoke"

    function: str = setting(NAME)
    _: KW_ONLY
    event: Any = setting(JSON, None)
    answers: Mapping[str, Any] | None = answer_setting()

    def take(self, scene: Scene) -> Any:
        """Invoke it."""
        answer = scene.stage.invoke(self.function, scene.resolved(self.event))
        return {"payload": answer.payload, "error": answer.error, "error_message": answer.error_message}


@dataclass(frozen=True, repr=False)
class Request(Step):
    """Ask the stage's API; it answers with `status`, `headers` and `body` (parsed if it is JSON)."""

    name = "request"

    path: Any = setting(TEXT)
    _: KW_ONLY
    method: str = setting(METHOD, "GET")
    api: str | None = setting(NAME, None)
    json: Any = setting(JSON, None)
    headers: Mapping[str, Any] | None = setting(ATTRIBUTES, None)
    answers: Mapping[str, Any] | None = answer_setting()

    def take(self, scene: Scene) -> Any:
        """Ask it."""
        session = scene.stage.http if self.api is None else scene.stage.http.to(self.api)
        headers = {name: str(value) for name, value in (self.headers or {}).items()}
        path, body = scene.resolved(self.path), scene.resolved(self.json)
        reply = session.request(self.method, path, json=body, headers=headers)
        return {"status": reply.status_code, "headers": dict(reply.headers), "body": _body(reply)}


@dataclass(frozen=True, repr=False)
class GetItem(Step):
    """Read an item of a table; it answers with `item`, which is null if there is none."""

    name = "get_item"

    table: str = setting(NAME)
    key: Mapping[str, Any] = setting(MAPPING)
    _: KW_ONLY
    answers: Mapping[str, Any] | None = answer_setting()

    def take(self, scene: Scene) -> Any:
        """Read it, consistently."""
        from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

        key = {name: TypeSerializer().serialize(value) for name, value in scene.resolved(self.key).items()}
        name = scene.stage.ref(self.table)
        item = scene.stage.client("dynamodb").get_item(TableName=name, Key=key, ConsistentRead=True).get("Item")
        read = TypeDeserializer().deserialize
        return {"item": None if item is None else {name: read(value) for name, value in item.items()}}


@dataclass(frozen=True, repr=False)
class Call(Step):
    """Call any operation of AWS; it answers with the reply, or with `error`, the code, if it is refused."""

    name = "call"

    service: str = setting(SERVICE_NAME)
    operation: str = setting(SERVICE_NAME)
    _: KW_ONLY
    parameters: Mapping[str, Any] | None = setting(MAPPING, None)
    answers: Mapping[str, Any] | None = answer_setting()

    def check(self, stage: Stage) -> Iterator[str]:
        """Refuse what boto3 does not have as well."""
        yield from super().check(stage)
        try:
            known = stage.client(self.service).meta.service_model.operation_names
        except UsageError as error:
            yield f"{self!r}: {error}"
            return
        if self.operation not in known:
            yield f"{self!r}: {self.service} has no operation {self.operation}. {nearest(self.operation, known)}"

    def take(self, scene: Scene) -> Any:
        """Call it; a refusal is an answer only where one is expected."""
        from botocore import xform_name
        from botocore.exceptions import ClientError

        operation = getattr(scene.stage.client(self.service), xform_name(self.operation))
        try:
            reply = operation(**scene.resolved(self.parameters or {}))
        except ClientError as error:
            if "error" not in (self.answers or {}):
                raise
            return {"error": error.response["Error"]["Code"], "message": error.response["Error"].get("Message")}
        return {**reply, "error": None}


@dataclass(frozen=True, repr=False)
class Wait(Step):
    """Let the stage run for a span of its time."""

    name = "wait"

    span: Span = setting(SPAN)

    def take(self, scene: Scene) -> None:
        """Let it run."""
        span_s = parse_span(self.span)
        if scene.stage.target == "local":
            scene.stage.clock.advance(span_s)
        else:
            # Real time passes by itself; meanwhile the stage is looked at, and its leases are kept alive.
            scene.stage.run_until(lambda: False, span_s)


@dataclass(frozen=True, repr=False)
class Settle(Step):
    """Let the stage run until nothing is due."""

    name = "settle"

    def take(self, scene: Scene) -> None:
        """Let it run."""
        scene.stage.settle()


@dataclass(frozen=True, repr=False)
class Inject(Step):
    """Hold a plan while steps are taken. It heals at the end, and fails if a planned fault never struck."""

    name = "chaos"

    plan: Plan = setting(PLAN)
    steps: Sequence[Step] = setting(STEPS)

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))
        if isinstance(self.plan, Mapping):
            object.__setattr__(self, "plan", Plan.of(**self.plan))
        super().__post_init__()

    def plans(self) -> Iterable[Plan]:
        """This plan, and those inside."""
        yield self.plan
        for step in self.steps:
            yield from step.plans()

    @property
    def proves(self) -> bool:
        """Whether one of its steps does."""
        return any(step.proves for step in self.steps)

    def check(self, stage: Stage) -> Iterator[str]:
        """What its steps name; the plan is checked by chaos itself."""
        for step in self.steps:
            yield from step.check(stage)

    def take(self, scene: Scene) -> None:
        """Hurt, take the steps, heal, and prove."""
        with scene.chaos.inject(self.plan), scene.report.inside():
            for step in self.steps:
                scene.report.perform(step, scene)

    def __repr__(self) -> str:
        return repr(self.plan)


STEP_TYPES: Mapping[str, type[Step]] = {
    step.name: step
    for step in (
        Call,
        GetItem,
        Invoke,
        Publish,
        PutEvent,
        PutItem,
        PutObject,
        PutParameter,
        PutRecord,
        Request,
        SendMessage,
        Settle,
        Wait,
    )
}
"""Every step that has settings of its own, by its key in YAML; `chaos` is read apart."""


def _attributes(attributes: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if attributes is None:
        return None
    return {
        name: {"DataType": "String" if isinstance(value, str) else "Number", "StringValue": str(value)}
        for name, value in attributes.items()
    }


def _body(reply: Any) -> Any:
    try:
        return reply.json()
    except ValueError:
        return reply.text
