"""StaleRead: an eventually consistent read has not heard of the last write yet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stagefright.chaos.faults.fault import Harm
from stagefright.chaos.faults.points import Answer, FaultPoint
from stagefright.chaos.faults.sdk_call import SdkCall
from stagefright.chaos.faults.sdk_fault import ANY, SdkFault
from stagefright.chaos.faults.sdk_reply import JSON, Reply

READS = ("GetItem",)
"""The operations whose answers can be made stale; their reads are eventually consistent unless they say otherwise."""


@dataclass(frozen=True, repr=False)
class StaleRead(SdkFault):
    """
    Answer reads of an item as it was before its last write, whoever wrote it.

    Only where AWS may do so: a read with `ConsistentRead` is never struck, nor one of an item that was never written. Only
    a local stage knows what an item was before.

    >>> StaleRead("dynamodb", "GetItem", times=1)
    StaleRead(service='dynamodb', operation='GetItem', times=1)
    """

    kind = "stale_read"
    turn = 74
    is_local = True

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """It is DynamoDB's `GetItem`."""
        wrong = super().problems(settings)
        if settings.get("service", "dynamodb") != "dynamodb" or settings.get("operation", ANY) not in (ANY, *READS):
            asked = f"{settings.get('service')} {settings.get('operation', ANY)}"
            wrong.append(f"{asked} cannot be made stale; dynamodb {', '.join(READS)} can")
        return wrong

    def concerns(self, point: FaultPoint) -> bool:
        """Whether it is a read that AWS may answer from a replica that lags."""
        return super().concerns(point) and isinstance(point, SdkCall) and _is_eventual(point)

    def decide(self, point: SdkCall) -> Harm | None:
        """Find what the item was."""
        from stagefright.tasks import current_actor

        actor = current_actor()
        if actor is None:
            raise RuntimeError("only a local stage knows what an item was before its last write")
        asked = _asked(point)
        known, item = actor.kernel.world.table_pasts.before_last_write(asked["TableName"], asked["Key"])
        return {"table": asked["TableName"], "key": asked["Key"], "item": item} if known else None

    def strike(self, point: SdkCall, harm: Harm) -> Answer:
        """Answer with that, projected as was asked."""
        item, wanted = harm["item"], _asked(point).get("ProjectionExpression")
        if item is not None and wanted:
            names = _asked(point).get("ExpressionAttributeNames", {})
            kept = {names.get(name.strip(), name.strip()) for name in wanted.split(",")}
            item = {name: value for name, value in item.items() if name in kept}
        body = json.dumps({} if item is None else {"Item": item}).encode()
        return Answer(Reply(200, {"content-type": JSON, "x-amzn-requestid": "stale"}, body))


def _asked(point: SdkCall) -> Mapping[str, Any]:
    body: Mapping[str, Any] = json.loads(point.attempt.request.body)
    return body


def _is_eventual(point: SdkCall) -> bool:
    if point.operation not in READS or _asked(point).get("ConsistentRead"):
        return False
    # A part of a document or list is more than this fault can project.
    wanted = _asked(point).get("ProjectionExpression") or ""
    return not set(wanted) & set(".[")
