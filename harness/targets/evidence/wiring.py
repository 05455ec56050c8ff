"""What hands events to the functions of a deployed stage, as the account says: event source mappings, subscriptions, rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from stagefright.invoking import FUNCTION_TYPE

if TYPE_CHECKING:
    from stagefright.targets.stack import StackResource

DEFAULT_BUS = "default"
"""The event bus that every account has, and no stack names."""


class Wired(Protocol):
    """A deployed stage, as far as its wiring is concerned."""

    @property
    def resources(self) -> Mapping[str, StackResource]:
        """The resources by logical id."""
        ...

    def client(self, service: str) -> Any:
        """A boto3 client."""
        ...


class AccountWiring:
    """Reads the wiring when it is first asked for; a call that the account refuses leaves it unknown."""

    def __init__(self, stage: Wired) -> None:
        self._stage = stage
        self._found: Mapping[str, frozenset[str]] | None = None
        self._is_unknown = False
        self._reporting: dict[tuple[str, str], bool] = {}

    def sources(self, function: str) -> frozenset[str] | None:
        """The resources that a function gets events from, by logical id; None if that cannot be read."""
        if self._found is None and not self._is_unknown:
            self._found = self._read()
        return None if self._found is None else self._found.get(function, frozenset())

    def reports_failures(self, function: str, source: str) -> bool | None:
        """Whether the function's answer to a batch from there may name items that failed; None if that cannot be read."""
        sources = self.sources(function)
        if sources is None:
            return None
        if source in sources:  # a mapping, or a subscription or a rule, for which an answer is one
            return self._reporting.get((function, source), False)
        # It came through something that lies between.
        return any(reports for (name, _), reports in self._reporting.items() if name == function)

    def _read(self) -> Mapping[str, frozenset[str]] | None:
        from botocore.exceptions import BotoCoreError, ClientError

        found: dict[str, set[str]] = {}
        try:
            for source, function in (*self._mappings(), *self._subscriptions(), *self._rules()):
                found.setdefault(function, set()).add(source)
        except (BotoCoreError, ClientError):
            self._is_unknown = True
            return None
        return {function: frozenset(sources) for function, sources in found.items()}

    def _mappings(self) -> Iterator[tuple[str, str]]:
        for function, resource in self._of_type(FUNCTION_TYPE):
            pages = self._stage.client("lambda").get_paginator("list_event_source_mappings")
            for page in pages.paginate(FunctionName=resource.physical_id):
                for mapping in page["EventSourceMappings"]:
                    source = self._name(_resource_in(mapping.get("EventSourceArn", "")))
                    self._reporting[function, source] = bool(mapping.get("FunctionResponseTypes"))
                    yield source, function

    def _subscriptions(self) -> Iterator[tuple[str, str]]:
        for topic, resource in self._of_type("AWS::SNS::Topic"):
            pages = self._stage.client("sns").get_paginator("list_subscriptions_by_topic")
            for page in pages.paginate(TopicArn=resource.physical_id):
                for subscription in page["Subscriptions"]:
                    if subscription["Protocol"] == "lambda":
                        yield topic, self._name(_resource_in(subscription["Endpoint"]))

    def _rules(self) -> Iterator[tuple[str, str]]:
        for _, resource in self._of_type("AWS::Events::Rule"):
            bus, _, rule = resource.physical_id.rpartition("|")
            given = {"EventBusName": bus} if bus else {}
            for target in self._stage.client("events").list_targets_by_rule(Rule=rule, **given)["Targets"]:
                yield self._name(bus) if bus else DEFAULT_BUS, self._name(_resource_in(target["Arn"]))

    def _of_type(self, kind: str) -> Iterator[tuple[str, StackResource]]:
        return ((name, resource) for name, resource in self._stage.resources.items() if resource.type == kind)

    def _name(self, physical: str) -> str:
        """The logical id of a name or an ARN's last part; the name itself if the stack has none of it."""
        for name, resource in self._stage.resources.items():
            if _resource_in(resource.physical_id) == physical or resource.physical_id.rpartition("/")[2] == physical:
                return name
        return physical


def _resource_in(arn: str) -> str:
    """
    The name of what an ARN, or a name, stands for.

    >>> _resource_in("arn:aws:lambda:us-east-1:123456789012:function:worker:live")
    'worker'
    >>> _resource_in("arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-11-21T03:00:00.000")
    'orders'
    """
    if not arn.startswith("arn:"):
        return arn
    service, resource = arn.split(":")[2], arn.split(":", 5)[5]
    if service == "lambda":
        return resource.split(":")[1] if ":" in resource else resource
    if "/" in resource and service in ("dynamodb", "kinesis", "events"):
        return resource.split("/")[1]
    return resource.rpartition(":")[2]
