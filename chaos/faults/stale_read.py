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

READS = ("GetItem", "Query", "Scan", "BatchGetItem")
"""The operations whose answers can be made stale; their reads are eventually consistent unless they say otherwise."""

SHOWN = 500
"""How many characters of a stale answer the evidence shows."""


@dataclass(frozen=True, eq=False, repr=False)
class StaleRead(SdkFault):
    """
    Answer reads of a table as if the last write of each item had not happened yet, whoever wrote it.

    Only where AWS may do so: a read with `ConsistentRead` is never struck. Nor is one whose answer would be the same. Only a
    local stage knows what an item was before.

    >>> StaleRead("dynamodb", "GetItem", times=1)
    StaleRead(service='dynamodb', operation='GetItem', times=1)
    """

    kind = "stale_read"
    turn = 74
    is_local = True

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """It is one of DynamoDB's reads."""
        wrong = super().problems(settings)
        if settings.get("service", "dynamodb") != "dynamodb" or settings.get("operation", ANY) not in (ANY, *READS):
            asked = f"{settings.get('service')} {settings.get('operation', ANY)}"
            wrong.append(f"{asked} cannot be made stale; dynamodb {', '.join(READS)} can")
        return wrong

    def concerns(self, point: FaultPoint) -> bool:
        """Whether it is a read that AWS may answer from a replica that lags."""
        return super().concerns(point) and isinstance(point, SdkCall) and point.operation in READS

    def decide(self, point: SdkCall) -> Harm | None:
        """Find what the answer would have been."""
        from stagefright.aws_api.lagging_tables import stale_answer, tables_that_may_lag
        from stagefright.tasks import current_actor

        actor = current_actor()
        if actor is None:
            raise RuntimeError("only a local stage knows what an item was before its last write")
        attempt = point.attempt
        tables = tables_that_may_lag(point.operation, json.loads(attempt.request.body))
        answer = stale_answer(actor.kernel.world, attempt.endpoint, attempt.request, tables) if tables else None
        if answer is None:
            return None
        attempt.prepared = answer
        return {"tables": tables, "answer": answer.decode()[:SHOWN]}

    def strike(self, point: SdkCall, harm: Harm) -> Answer:  # noqa: ARG002 (the contract)
        """Answer with that."""
        return Answer(Reply(200, {"content-type": JSON, "x-amzn-requestid": "stale"}, point.attempt.prepared))
