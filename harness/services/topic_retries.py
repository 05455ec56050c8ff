"""
The delivery policies of HTTP/S subscriptions: how often and how far apart SNS tries again (semantics §5.2).

A subscription's policy comes before its topic's, and both before AWS's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stagefright.services.topic_rules import invalid

DELAY_MAX_S = 3_600
RETRIES_MAX = 100
TOTAL_MAX_S = 3_600
"""All waits of a policy together."""

FUNCTIONS = ("linear", "arithmetic", "geometric", "exponential")
"""How the waits grow in the backoff phase."""


@dataclass(frozen=True, slots=True)
class HttpRetryPolicy:
    """
    A `healthyRetryPolicy`; the defaults are AWS's.

    >>> HttpRetryPolicy().backoffs
    3
    >>> HttpRetryPolicy(retries=10, no_delay=1, min_delay=2, max_delay=3).backoffs
    4
    """

    min_delay_s: int = 20
    max_delay_s: int = 20
    retries: int = 3
    no_delay: int = 0
    min_delay: int = 0
    max_delay: int = 0
    function: str = "linear"

    @property
    def backoffs(self) -> int:
        """The retries that the other phases leave."""
        return self.retries - self.no_delay - self.min_delay - self.max_delay

    @classmethod
    def from_settings(cls, given: Mapping[str, Any]) -> HttpRetryPolicy:
        """Read a policy, of which each part may be missing."""
        fields = {
            "minDelayTarget": "min_delay_s",
            "maxDelayTarget": "max_delay_s",
            "numRetries": "retries",
            "numNoDelayRetries": "no_delay",
            "numMinDelayRetries": "min_delay",
            "numMaxDelayRetries": "max_delay",
            "backoffFunction": "function",
        }
        return cls(**{fields[name]: value for name, value in given.items() if name in fields and value is not None})


def policy_of(subscription: str | None, topic: str | None) -> HttpRetryPolicy:
    """The policy in force, from the texts of a subscription's `DeliveryPolicy` and of its topic's."""
    of_topic = _load(topic).get("http") or {}
    own = None if of_topic.get("disableSubscriptionOverrides") else _load(subscription).get("healthyRetryPolicy")
    return HttpRetryPolicy.from_settings(own or of_topic.get("defaultHealthyRetryPolicy") or {})


def check_delivery_policy(text: str | None) -> None:
    """Refuse a subscription's or a topic's `DeliveryPolicy` outside of AWS's limits; AWS's texts are not recorded."""
    given = _load(text, refused=True)
    for settings in (given.get("healthyRetryPolicy"), (given.get("http") or {}).get("defaultHealthyRetryPolicy")):
        if settings:
            _check(HttpRetryPolicy.from_settings(settings))


def _check(policy: HttpRetryPolicy) -> None:
    from stagefright.delivery.backoff import sns_http_waits

    if policy.function not in FUNCTIONS:
        raise _refused(f"backoffFunction must be one of {', '.join(FUNCTIONS)}")
    if not 1 <= policy.max_delay_s <= DELAY_MAX_S:
        raise _refused(f"maxDelayTarget must be between 1 and {DELAY_MAX_S}")
    if not 1 <= policy.min_delay_s <= policy.max_delay_s:
        raise _refused("minDelayTarget must be between 1 and maxDelayTarget")
    if not 0 <= policy.retries <= RETRIES_MAX:
        raise _refused(f"numRetries must be between 0 and {RETRIES_MAX}")
    if min(policy.no_delay, policy.min_delay, policy.max_delay, policy.backoffs) < 0:
        raise _refused("numRetries must be greater than or equal to the total of the other retries")
    if sum(sns_http_waits(policy)) > TOTAL_MAX_S:
        raise _refused(f"the total of all delays must not be greater than {TOTAL_MAX_S} seconds")


def _refused(reason: str) -> Exception:
    return invalid(f"DeliveryPolicy: {reason}")


def _load(text: str | None, *, refused: bool = False) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        if refused:
            raise _refused("failed to parse JSON")
        return {}
    return found
