"""API keys and usage plans of REST APIs: who needs a key, how fast it may come, and how often in a period (aws-semantics §8.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from stagefright.services.apis.gateway_responses import GatewayRefusal
from stagefright.services.apis.throttling import Limit


class UsagePlans:
    """Counts what each key has used."""

    def __init__(self) -> None:
        self._used: dict[tuple[str, str, str], int] = {}

    def snapshot(self) -> dict[tuple[str, str, str], int]:
        return dict(self._used)

    def restore(self, state: Mapping[tuple[str, str, str], int]) -> None:
        self._used = dict(state)

    def count(self, plan: Any, key: Any, now: float, name: str) -> None:
        """Count one request against the plan's quota; raises `GatewayRefusal` when it is used up."""
        quota = plan.quota
        if not quota or quota.get("limit") is None:
            return
        period = _period(str(quota.get("period", "DAY")), now)
        counter = (plan.id, key.id, period)
        # The offset is what counts as used already when the plan begins; later periods start at zero.
        begins_at = int(quota.get("offset") or 0) if not any(known[:2] == counter[:2] for known in self._used) else 0
        used = self._used.get(counter, begins_at)
        limit = int(quota["limit"])
        if used >= limit:
            by = f"counted by the {str(quota.get('period', 'DAY')).lower()} ({period})"
            raise GatewayRefusal("QUOTA_EXCEEDED", f"the API key {name} has used its quota of {limit} requests, {by}")
        self._used[counter] = used + 1


def _period(kind: str, now: float) -> str:
    """
    The period that an instant falls into: a day, a week from Monday, or a month, in UTC.

    >>> _period("WEEK", 0), _period("MONTH", 0)
    ('1969-12-29', '1970-01')
    """
    day = datetime.fromtimestamp(now, UTC).date()
    if kind == "MONTH":
        return f"{day:%Y-%m}"
    return str(day - timedelta(days=day.weekday()) if kind == "WEEK" else day)


def find(backend: Any, value: str | None, api_id: str, stage: str, name_of: Callable[[str], str]) -> tuple[Any, Any]:
    """
    The enabled key of this value, and the usage plan that lets it into a stage.

    Raises `GatewayRefusal` if there are none: an API key without a usage plan for the stage opens nothing.
    """
    if not value:
        raise GatewayRefusal("INVALID_API_KEY", "the method needs an API key, and the request has none")
    key = next((key for key in backend.keys.values() if key.value == value), None)
    if key is None:
        raise GatewayRefusal("INVALID_API_KEY", "there is no API key of the value that the request has")
    named = name_of(key.id)
    if not key.enabled:
        raise GatewayRefusal("INVALID_API_KEY", f"the API key {named} is not enabled")
    for plan in backend.usage_plans.values():
        if key.id in backend.usage_plan_keys.get(plan.id, {}) and _stage_of(plan, api_id, stage) is not None:
            return key, plan
    raise GatewayRefusal("INVALID_API_KEY", f"the API key {named} is in no usage plan of the stage {stage}")


def _stage_of(plan: Any, api_id: str, stage: str) -> Mapping[str, Any] | None:
    wanted = (api_id, stage)
    return next((one for one in plan.api_stages if (one.get("apiId"), one.get("stage")) == wanted), None)


def limits(plan: Any, key: Any, api_id: str, stage: str, path: str, method: str) -> list[tuple[tuple[str, ...], Limit]]:
    """The throttles of a plan for one of its keys: that of the plan, and that of the method if it has one."""
    of_method = ((_stage_of(plan, api_id, stage) or {}).get("throttle") or {}).get(f"{path}/{method}")
    found: list[tuple[tuple[str, ...], Limit]] = []
    if of_method:
        found.append((("plan", plan.id, key.id, stage, path, method), limit_of(of_method)))
    if plan.throttle:
        found.append((("plan", plan.id, key.id), limit_of(plan.throttle)))
    return found


def limit_of(settings: Mapping[str, Any]) -> Limit:
    """A plan's throttle; without a burst of its own it takes at once what it takes in a second."""
    rate = float(settings.get("rateLimit") or 0)
    return Limit(rate, float(settings.get("burstLimit", rate)))
