"""How the resources of a deployed stage are wired: what hands events to whom, what lies between, and what functions are told of."""

from __future__ import annotations

from typing import Protocol

from stagefright.invoking import FUNCTION_TYPE

DEFAULT_BUS = "default"
"""The event bus that every account has, and no stack names."""

API_TYPES = ("AWS::ApiGateway::RestApi", "AWS::ApiGatewayV2::Api", "AWS::Lambda::Url")
"""What the envelopes of are that do not name their resource."""

ROUTES_MAX = 8
"""How many ways between two resources are looked for: two are too many already."""


class Wiring(Protocol):
    """What hands events to whom."""

    def sources(self, consumer: str) -> frozenset[str] | None:
        """The resources that a function, or a queue, gets events from, by logical id; None if that is not known."""
        ...

    def reports_failures(self, function: str, source: str) -> bool | None:
        """Whether the function's answer to a batch from there may name items that failed; None if that is not known."""
        ...

    def told_of(self, function: str) -> frozenset[str] | None:
        """The resources that the function's settings name; None if they cannot be read."""
        ...

    def name_of(self, spelling: str) -> str:
        """What the stage calls the resource of an ARN, a URL or a name; an unknown one by its last part."""
        ...

    def type_of(self, name: str) -> str | None:
        """The type of a resource; None if it is not known."""
        ...


class Unwired:
    """Nothing is known."""

    def sources(self, consumer: str) -> frozenset[str] | None:  # noqa: ARG002 - of any
        """None."""
        return None

    def reports_failures(self, function: str, source: str) -> bool | None:  # noqa: ARG002 - of any function
        """None."""
        return None

    def told_of(self, function: str) -> frozenset[str] | None:  # noqa: ARG002 - of any function
        """None."""
        return None

    def name_of(self, spelling: str) -> str:
        """Its last part."""
        return resource_in(spelling)

    def type_of(self, name: str) -> str | None:  # noqa: ARG002 - of any
        """None."""
        return None


def routes(wiring: Wiring, source: str, consumer: str) -> list[list[str]] | None:
    """
    What lies on the ways from a resource to a consumer, function by function left out; None if the wiring is not known.

    Of a topic with a queue that a function works off, `[["Queue"]]`; of the queue itself `[[]]`: it hands over directly.
    """
    found: list[list[str]] = []
    waiting: list[list[str]] = [[consumer]]
    while waiting and len(found) < ROUTES_MAX:
        way = waiting.pop()
        sources = wiring.sources(way[0])
        if sources is None:
            return None
        if source in sources:
            found.append(way[:-1])
        waiting += [
            [one, *way]
            for one in sorted(sources)
            if one != source and one not in way and wiring.type_of(one) != FUNCTION_TYPE
        ]
    return found


def upstream(wiring: Wiring, consumer: str) -> set[str]:
    """All resources whose events come to a consumer without a function between, as far as is known."""
    found: set[str] = set()
    waiting = [consumer]
    while waiting:
        fresh = (wiring.sources(waiting.pop()) or frozenset()) - found
        found |= fresh
        waiting += [one for one in sorted(fresh) if wiring.type_of(one) != FUNCTION_TYPE]
    return found


def resource_in(arn: str) -> str:
    """
    The name of what an ARN, a URL or a name stands for.

    >>> resource_in("arn:aws:lambda:us-east-1:123456789012:function:worker:live")
    'worker'
    >>> resource_in("arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-11-21T03:00:00.000")
    'orders'
    >>> resource_in("https://sqs.us-east-1.amazonaws.com/123456789012/orders")
    'orders'
    """
    if "://" in arn:
        return arn.rstrip("/").rpartition("/")[2]
    if not arn.startswith("arn:"):
        return arn
    service, resource = arn.split(":")[2], arn.split(":", 5)[5]
    if service == "lambda":
        return resource.split(":")[1] if ":" in resource else resource
    if "/" in resource and service in ("dynamodb", "kinesis", "events", "pipes"):
        return resource.split("/")[1]
    return resource.rpartition(":")[2]
