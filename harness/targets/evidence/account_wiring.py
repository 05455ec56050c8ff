"""
How the resources of a deployed stage are wired, as the account says.

What hands events to whom: event source mappings, subscriptions, rules, pipes, notifications of buckets, integrations of APIs. And what
functions are told of: the resources that their settings name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from stagefright.invoking import FUNCTION_TYPE
from stagefright.targets.evidence.wiring import API_TYPES, DEFAULT_BUS, resource_in
from stagefright.targets.stack import BUS_TYPE, PIPE_TYPE

if TYPE_CHECKING:
    from stagefright.targets.stack import StackResource

Edge = tuple[str, str]
"""A resource, and what it hands events to, by what the stage calls them."""


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
        self._told: dict[str, frozenset[str] | None] = {}

    def sources(self, consumer: str) -> frozenset[str] | None:
        """The resources that it gets events from."""
        if self._found is None and not self._is_unknown:
            self._found = self._read()
        return None if self._found is None else self._found.get(consumer, frozenset())

    def reports_failures(self, function: str, source: str) -> bool | None:
        """Whether an answer to a batch may name items that failed."""
        sources = self.sources(function)
        if sources is None:
            return None
        if source in sources:  # a mapping, or a subscription or a rule, for which an answer is one
            return self._reporting.get((function, source), False)
        # It came through something that lies between.
        return any(reports for (name, _), reports in self._reporting.items() if name == function)

    def told_of(self, function: str) -> frozenset[str] | None:
        """The resources whose names, ARNs or URLs its environment variables hold."""
        if function not in self._told:
            self._told[function] = self._read_settings(function)
        return self._told[function]

    def name_of(self, spelling: str) -> str:
        """The logical id of a name, a URL or an ARN; its last part if the stack has none of it."""
        resources = self._stage.resources.items()
        exact = [name for name, one in resources if spelling in (one.physical_id, one.arn)]
        # A version or an alias of a function, the stream of a table.
        parts = [name for name, one in resources if one.arn and spelling.startswith((f"{one.arn}:", f"{one.arn}/"))]
        return next(iter([*exact, *parts]), None) or self._name(resource_in(spelling))

    def type_of(self, name: str) -> str | None:
        """As the stack says; the default bus is in none."""
        if name == DEFAULT_BUS:
            return BUS_TYPE
        return self._stage.resources[name].type if name in self._stage.resources else None

    # -- reading -------------------------------------------------------------------------------------------------------

    def _read(self) -> Mapping[str, frozenset[str]] | None:
        found: dict[str, set[str]] = {}
        essential = [self._mappings, self._subscriptions, self._rules]
        # Emulators lack some of these, and credentials the right to read them; without them less is known, and nothing is wrong.
        edges = [_read_or_none(read) for read in (*essential, self._apis, self._rest_apis, self._buckets, self._pipes)]
        if None in edges[: len(essential)]:
            self._is_unknown = True
            return None
        for source, consumer in (edge for some in edges for edge in some or ()):
            found.setdefault(consumer, set()).add(source)
        return {consumer: frozenset(sources) for consumer, sources in found.items()}

    def _mappings(self) -> Iterator[Edge]:
        for function, resource in self._of_type(FUNCTION_TYPE):
            pages = self._stage.client("lambda").get_paginator("list_event_source_mappings")
            for page in pages.paginate(FunctionName=resource.physical_id):
                for mapping in page["EventSourceMappings"]:
                    source = self.name_of(mapping.get("EventSourceArn", ""))
                    self._reporting[function, source] = bool(mapping.get("FunctionResponseTypes"))
                    yield source, function

    def _subscriptions(self) -> Iterator[Edge]:
        for topic, resource in self._of_type("AWS::SNS::Topic"):
            pages = self._stage.client("sns").get_paginator("list_subscriptions_by_topic")
            for page in pages.paginate(TopicArn=resource.physical_id):
                for subscription in page["Subscriptions"]:
                    if subscription["Protocol"] in ("lambda", "sqs"):
                        yield topic, self.name_of(subscription["Endpoint"])

    def _rules(self) -> Iterator[Edge]:
        events = self._stage.client("events")
        for _, resource in self._of_type("AWS::Events::Rule"):
            bus, _, rule = resource.physical_id.rpartition("|")
            for one in [bus] if bus else self._buses_with(rule):
                for target in events.list_targets_by_rule(Rule=rule, EventBusName=one)["Targets"]:
                    yield self.name_of(one), self.name_of(target["Arn"])

    def _buses_with(self, rule: str) -> Iterator[str]:
        """A rule whose id does not name a bus is of the default one; not so in some emulators."""
        for bus in (DEFAULT_BUS, *(resource.physical_id for _, resource in self._of_type(BUS_TYPE))):
            found = self._stage.client("events").list_rules(EventBusName=bus, NamePrefix=rule)["Rules"]
            if any(one["Name"] == rule for one in found):
                yield bus

    def _apis(self) -> Iterator[Edge]:
        for api, resource in self._of_type("AWS::ApiGatewayV2::Api"):
            pages = self._stage.client("apigatewayv2").get_paginator("get_integrations")
            for page in pages.paginate(ApiId=resource.physical_id):
                for integration in page["Items"]:
                    yield from self._integrated(api, integration.get("IntegrationUri", ""))
        for url, resource in self._of_type("AWS::Lambda::Url"):
            yield url, self.name_of(resource.physical_id)

    def _rest_apis(self) -> Iterator[Edge]:
        for api, resource in self._of_type("AWS::ApiGateway::RestApi"):
            pages = self._stage.client("apigateway").get_paginator("get_resources")
            for page in pages.paginate(restApiId=resource.physical_id, embed=["methods"]):
                for path in page["items"]:
                    for method in path.get("resourceMethods", {}).values():
                        yield from self._integrated(api, method.get("methodIntegration", {}).get("uri", ""))

    def _integrated(self, api: str, uri: str) -> Iterator[Edge]:
        """An integration names a function by its ARN, or by a path of API Gateway's around it."""
        start = uri.rfind("arn:")
        if ":lambda:" in uri[start:]:
            yield api, self.name_of(uri[start:].partition("/")[0])

    def _buckets(self) -> Iterator[Edge]:
        for bucket, resource in self._of_type("AWS::S3::Bucket"):
            told = self._stage.client("s3").get_bucket_notification_configuration(Bucket=resource.physical_id)
            for kind, arn in (("LambdaFunction", "LambdaFunctionArn"), ("Queue", "QueueArn"), ("Topic", "TopicArn")):
                for one in told.get(f"{kind}Configurations", ()):
                    yield bucket, self.name_of(one[arn])
            if "EventBridgeConfiguration" in told:
                yield bucket, DEFAULT_BUS

    def _pipes(self) -> Iterator[Edge]:
        for pipe, resource in self._of_type(PIPE_TYPE):
            told = self._stage.client("pipes").describe_pipe(Name=resource.physical_id)
            if told.get("Source"):
                yield self.name_of(told["Source"]), pipe
            for part in ("Enrichment", "Target"):
                if told.get(part):
                    yield pipe, self.name_of(told[part])

    def _read_settings(self, function: str) -> frozenset[str] | None:
        from botocore.exceptions import BotoCoreError, ClientError

        if self.type_of(function) != FUNCTION_TYPE:
            return None
        name = self._stage.resources[function].physical_id
        try:
            told = self._stage.client("lambda").get_function_configuration(FunctionName=name)
        except (BotoCoreError, ClientError):
            return None
        values = [str(value) for value in told.get("Environment", {}).get("Variables", {}).values()]
        return frozenset(
            one
            for one, resource in self._stage.resources.items()
            if any(_is_named(resource, value) for value in values)
        )

    def _of_type(self, kind: str) -> Iterator[tuple[str, StackResource]]:
        return ((name, resource) for name, resource in self._stage.resources.items() if resource.type == kind)

    def _name(self, physical: str) -> str:
        """The logical id of a name or an ARN's last part; the name itself if the stack has none of it."""
        for name, resource in self._stage.resources.items():
            if resource_in(resource.physical_id) == physical or resource.physical_id.rpartition("/")[2] == physical:
                return name
        return physical


def _read_or_none(read: Callable[[], Iterator[Edge]]) -> list[Edge] | None:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return list(read())
    except (BotoCoreError, ClientError):
        return None


def _is_named(resource: StackResource, value: str) -> bool:
    """Whether a setting is the name of a resource, its ARN or URL, or a text that holds one of these."""
    if value in (resource.physical_id, resource_in(resource.physical_id)):
        return True
    if resource.type in API_TYPES:
        # On AWS the host names the API, in an emulator the path may.
        return f"{resource.physical_id}.execute-api." in value or f"/execute-api/{resource.physical_id}" in value
    # Within a text a name alone is too little: `orders` stands in many. Nor is the ARN of `orders` that of `orders-dlq`.
    spelled = [re.escape(one) for one in (resource.physical_id, resource.arn) if one and (":" in one or "/" in one)]
    return any(re.search(rf"{one}(?![\w-]|\.\w)", value) for one in spelled)
