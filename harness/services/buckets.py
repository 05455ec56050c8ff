"""
The notifications of S3: which are configured, and what happens in a bucket on its way to functions, queues, topics and the event bus (semantics §10.2).

Buckets and objects are moto's. A change is noticed when moto has answered the call that made it, and handed over at once: once, and in the
order of the changes. AWS promises neither, so a test that wants duplicates or another order asks for them (`delivery/at_least_once.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any

from stagefright.aws_api.errors import ApiError
from stagefright.delivery import targets
from stagefright.delivery.at_least_once import HandOver
from stagefright.errors import UnsupportedOperation
from stagefright.services import bucket_events, bucket_rules
from stagefright.services.bucket_changes import OPERATIONS, Change, Glance, changes, glance
from stagefright.services.bucket_events import Occurrence, Request
from stagefright.services.bucket_rules import Rule
from stagefright.services.function_access import may_invoke

if TYPE_CHECKING:
    from stagefright.world import World

Parameters = Mapping[str, Any]

_HOST = re.compile(r"(?:.+\.)?s3[.-](?:[a-z0-9-]+\.)?amazonaws\.com")

ERRAND = "s3"
"""Who calls when no `call` record tells: the world itself."""


class BucketService:
    """Notification configurations, and the notifications themselves."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._configurations: dict[str, dict[str, Any]] = {}
        self._events = 0

    # Operations

    def put_bucket_notification_configuration(self, params: Parameters) -> dict[str, Any]:
        """Replace a bucket's configuration, and send a test message to each queue and topic in it."""
        name = params["Bucket"]
        self.configure(
            name, params["NotificationConfiguration"], unchecked=bool(params.get("SkipDestinationValidation"))
        )
        self._send_test_messages(name)
        return {}

    def get_bucket_notification_configuration(self, params: Parameters) -> dict[str, Any]:
        """A bucket's configuration, as it was put."""
        self._bucket(params["Bucket"])
        return deepcopy(self._configurations.get(params["Bucket"], {}))

    def put_bucket_notification(self, _params: Parameters) -> dict[str, Any]:
        """The deprecated form, which takes one destination of each kind."""
        raise _deprecated("Put")

    def get_bucket_notification(self, _params: Parameters) -> dict[str, Any]:
        """The deprecated form."""
        raise _deprecated("Get")

    def configure(self, name: str, configuration: Mapping[str, Any], *, unchecked: bool = False) -> None:
        """
        Set a configuration without test messages, as a deployment does: those of a stack that stands were consumed long ago.

        Raises `ApiError` as S3 does. `unchecked` leaves out whether destinations exist and may be used.
        """
        region = self._bucket(name).region_name
        kept = bucket_rules.checked(configuration, region, lambda n: self._world.chance.uuid("notification", name, n))
        if not unchecked:
            self._check_destinations(name, kept)
        self._configurations[name] = kept

    # What moto did

    def before(self, operation: str, params: Parameters) -> Glance | None:
        """Look at what a call is about; None if it cannot change an object."""
        bucket = self._find(params.get("Bucket", "")) if operation in OPERATIONS else None
        return None if bucket is None else glance(bucket, operation, params)

    def after(
        self, operation: str, params: Parameters, answer: Mapping[str, Any], seen: Glance | None, cause: int | None
    ) -> None:
        """Tell of what a call changed; `seen` is what `before` saw."""
        # Most calls read; their answers, which may be large, are not looked into.
        if (seen is None and operation != "DeleteBucket") or "Error" in answer:
            return
        if operation == "DeleteBucket":
            self._configurations.pop(params["Bucket"], None)
        bucket = self._find(params.get("Bucket", "")) if seen is not None else None
        if bucket is None or seen is None:
            return
        happened = list(changes(bucket, operation, params, answer, seen))
        if happened:
            request = self._request(answer["ResponseMetadata"], cause)
            for change in happened:
                self._notify(bucket, change, request, cause)

    # State of our own; buckets and objects are in moto's

    def snapshot(self) -> Any:
        """A copy of the configurations and the count of events."""
        return deepcopy((self._configurations, self._events))

    def restore(self, state: Any) -> None:
        """Go back to a snapshot."""
        self._configurations, self._events = deepcopy(state)

    # Notifying

    def _notify(self, bucket: Any, change: Change, request: Request, cause: int | None) -> None:
        told = self._occurrence(bucket, change, request)
        event_id = self._world.chance.uuid("s3", bucket.name, told.sequencer)
        facts = {"size": change.size, "etag": change.etag, "version_id": change.version_id}
        event = self._write(
            "event", bucket.name, cause, id=event_id, event_name=change.event, key=change.key,
            **{name: value for name, value in facts.items() if value is not None},
        )  # fmt: skip
        configuration = self._configurations.get(bucket.name, {})
        for rule in bucket_rules.rules_of(configuration):
            if rule.takes(change.event, change.key):
                self._deliver(told, rule, event_id, event)
        if "EventBridgeConfiguration" in configuration:
            self._world.buses.accept(
                None,
                source="aws.s3",
                detail_type=bucket_events.DETAIL_TYPES[change.event],
                detail=bucket_events.detail(told),
                resources=[f"arn:aws:s3:::{bucket.name}"],
                cause=event,
            )

    def _occurrence(self, bucket: Any, change: Change, request: Request) -> Occurrence:
        self._events += 1
        world = self._world
        return Occurrence(
            change,
            request,
            bucket=bucket.name,
            region=bucket.region_name,
            account=world.account,
            owner_id=self._id("A", 13, "bucket owner", world.account),
            time=world.clock.iso(),
            # Of one length, so that it does not matter on which side a reader pads it.
            sequencer=f"{world.clock.now_ms():012X}{self._events:06X}",
        )

    def _deliver(self, told: Occurrence, rule: Rule, event_id: str, event: int) -> None:
        text = json.dumps({"Records": [bucket_events.record(told, rule.id)]}, separators=(",", ":"))
        name_of = self._world.name_of
        source = name_of(told.bucket)
        hand_over = HandOver("bucket", source, event_id, name_of(rule.arn))
        self._world.at_least_once.hand_over(partial(self._deliver_copy, text, source, rule, event_id), hand_over, event)

    def _deliver_copy(self, text: str, source: str, rule: Rule, event_id: str, cause: int) -> None:
        delivery = self._write("delivery", rule.arn, cause, source=source, ids=[event_id], attempt=1, rule=rule.id)
        try:
            self._hand_over(rule.arn, text, delivery)
        except ApiError as refusal:
            self._write("dropped", rule.arn, delivery, reason=str(refusal), ids=[event_id])

    def _hand_over(self, arn: str, text: str, cause: int) -> None:
        if targets.service_of(arn) == "sns":
            self._world.topics.deliver(arn, text, subject=bucket_events.SUBJECT, cause=cause)
        else:
            targets.hand_over(self._world, arn, text, cause=cause)

    def _send_test_messages(self, name: str) -> None:
        cause = self._world.kernel.cause()
        rules = bucket_rules.rules_of(self._configurations[name])
        for arn in dict.fromkeys(rule.arn for rule in rules if targets.service_of(rule.arn) != "lambda"):
            request = self._request({}, cause)
            text = json.dumps(bucket_events.test_message(name, self._world.clock.iso(), request), separators=(",", ":"))
            delivery = self._write("delivery", arn, cause, source=self._world.name_of(name), ids=[], attempt=1)
            try:
                self._hand_over(arn, text, delivery)
            except ApiError as refusal:
                self._write("dropped", arn, delivery, reason=str(refusal), ids=[])

    def _request(self, metadata: dict[str, Any], cause: int | None) -> Request:
        """Who asked, and the ids that S3 gives the request in its answer (moto has made-up ones) and in notifications alike."""
        self._events += 1
        chance, key = self._world.chance, ("s3 request", self._events)
        request = Request(chance.hex(16, *key).upper(), chance.hex(64, *key, "host"), self._principal(cause))
        metadata |= {"RequestId": request.id, "HostId": request.host_id}
        headers = metadata.setdefault("HTTPHeaders", {})
        headers |= {"x-amz-request-id": request.id, "x-amz-id-2": request.host_id}
        return request

    def _principal(self, cause: int | None) -> str:
        """The unique id of a user for the test, and of a role's session for a function."""
        record = self._world.journal[cause] if cause is not None else None
        caller = record.resource if record is not None and record.kind == "call" else ERRAND
        if caller == "test":
            return "AWS:" + self._id("AIDA", 17, "principal", caller)
        return f"AWS:{self._id('AROA', 17, 'principal', caller)}:{caller}"

    def _id(self, prefix: str, length: int, *key: str) -> str:
        return prefix + self._world.chance.hex(length, *key).upper()

    def _write(self, kind: str, arn: str, cause: int | None, /, **detail: Any) -> int:
        return self._world.journal.write(kind, self._world.name_of(arn), cause=cause, **detail).n

    # Destinations

    def _check_destinations(self, name: str, configuration: Mapping[str, Any]) -> None:
        faults = dict(self._faults(name, bucket_rules.rules_of(configuration)))
        if faults:
            raise bucket_rules.refused_destinations(faults)

    def _faults(self, name: str, rules: Iterator[Rule]) -> Iterator[tuple[str, str]]:
        """Why a destination cannot be used. Policies of queues and topics are not looked at, as everywhere in a world."""
        for rule in rules:
            service = targets.service_of(rule.arn)
            if service == "lambda" and not may_invoke(
                self._world, rule.arn, "s3.amazonaws.com", f"arn:aws:s3:::{name}"
            ):
                yield f"{rule.arn}, null", f"Not authorized to invoke function [{rule.arn}]"
            elif service != "lambda" and rule.arn.endswith(".fifo"):
                yield rule.arn, "FIFO destinations are not supported"
            elif service == "sqs" and self._world.queues.by_arn(rule.arn) is None:
                yield rule.arn, "The destination queue does not exist"
            elif service == "sns" and not self._world.topics.exists(rule.arn):
                yield rule.arn, "The destination topic does not exist"

    # moto's state

    def _bucket(self, name: str) -> Any:
        bucket = self._find(name)
        if bucket is None:
            text = "The specified bucket does not exist"
            error = {"Code": "NoSuchBucket", "Message": text, "BucketName": name}
            raise ApiError("NoSuchBucket", text, status=404, Error=error)
        return bucket

    def _find(self, name: str) -> Any:
        """moto's bucket, or None."""
        from moto.s3.models import s3_backends
        from moto.utilities.utils import get_partition

        backend = s3_backends[self._world.account][get_partition(self._world.region)]
        return dict.get(backend.buckets, name)


def _deprecated(verb: str) -> UnsupportedOperation:
    return UnsupportedOperation(
        f"The local stage does not have s3.{verb}BucketNotification, which AWS has deprecated. "
        f"Use {verb.lower()}_bucket_notification_configuration."
    )


def is_bucket_host(host: str) -> bool:
    """
    Whether S3 answers at a host: to presigned URLs, forms and plain HTTP.

    >>> is_bucket_host("photos.s3.eu-west-1.amazonaws.com"), is_bucket_host("s3.amazonaws.com"), is_bucket_host("example.com")
    (True, True, False)
    """
    return _HOST.fullmatch(host) is not None
