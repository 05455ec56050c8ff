"""What listeners make for the time of a test: queues, subscriptions, rules."""

from __future__ import annotations

from typing import Any

from stagefright.ledger.kinds import Clients, Fate, State
from stagefright.ledger.reading import Entry
from stagefright.ledger.undo.answers import found, owned, tag_mapping

QUEUE_GONE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
TOPIC_GONE = ("NotFound", "NotFoundException")
RULE_GONE = ("ResourceNotFoundException",)

TARGETS_PER_CALL_MAX = 100
"""What RemoveTargets takes at once."""


class Queues:
    """The kind `queue`."""

    def look(self, entry: Entry, account: Clients) -> State:
        """Whether there is a queue of that name, and whose."""
        sqs = account.client("sqs")
        url = _queue_url(sqs, entry.name)
        tags = url and found(lambda: sqs.list_queue_tags(QueueUrl=url), *QUEUE_GONE)
        return State(Fate.AS_BEFORE) if tags is None else owned(entry, tags.get("Tags") or {})

    def undo(self, entry: Entry, account: Clients) -> None:
        """Delete the queue."""
        sqs = account.client("sqs")
        url = _queue_url(sqs, entry.name)
        if url is not None:
            found(lambda: sqs.delete_queue(QueueUrl=url), *QUEUE_GONE)


def _queue_url(sqs: Any, name: str) -> Any:
    answer = found(lambda: sqs.get_queue_url(QueueName=name), *QUEUE_GONE)
    return answer and answer["QueueUrl"]


class Subscriptions:
    """The kind `subscription`: all that lead from a topic to a queue, which is the run's alone."""

    def look(self, entry: Entry, account: Clients) -> State:
        """Whether there is one."""
        return State(Fate.DELETE if _subscriptions(entry, account) else Fate.AS_BEFORE)

    def undo(self, entry: Entry, account: Clients) -> None:
        """Unsubscribe."""
        for arn in _subscriptions(entry, account):
            found(lambda arn=arn: account.client("sns").unsubscribe(SubscriptionArn=arn), *TOPIC_GONE)  # type: ignore[misc]


def _subscriptions(entry: Entry, account: Clients) -> list[str]:
    pages = account.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=entry.name)
    listed = found(lambda: list(pages), *TOPIC_GONE) or []
    return [
        one["SubscriptionArn"]
        for page in listed
        for one in page["Subscriptions"]
        if one["Endpoint"] == entry.detail["endpoint"] and one["SubscriptionArn"].startswith("arn:")
    ]


class Rules:
    """The kind `rule`."""

    def look(self, entry: Entry, account: Clients) -> State:
        """Whether there is a rule of that name on that bus, and whose."""
        events = account.client("events")
        rule = found(lambda: events.describe_rule(**_rule(entry)), *RULE_GONE)
        if rule is None:
            return State(Fate.AS_BEFORE)
        tags = found(lambda: events.list_tags_for_resource(ResourceARN=rule["Arn"])["Tags"], *RULE_GONE)
        return owned(entry, tag_mapping(tags or ()))

    def undo(self, entry: Entry, account: Clients) -> None:
        """Take its targets away, without which it cannot be deleted, and delete it."""
        events = account.client("events")
        bus = {"Rule": entry.name, "EventBusName": _rule(entry)["EventBusName"]}
        pages = events.get_paginator("list_targets_by_rule").paginate(**bus)
        targets = [target["Id"] for page in found(lambda: list(pages), *RULE_GONE) or () for target in page["Targets"]]
        for start in range(0, len(targets), TARGETS_PER_CALL_MAX):
            some = targets[start : start + TARGETS_PER_CALL_MAX]
            found(lambda some=some: events.remove_targets(**bus, Ids=some), *RULE_GONE)  # type: ignore[misc]
        found(lambda: events.delete_rule(**_rule(entry)), *RULE_GONE)


def _rule(entry: Entry) -> dict[str, str]:
    return {"Name": entry.name, "EventBusName": str(entry.detail.get("bus") or "default")}
