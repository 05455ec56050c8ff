"""
Finds what runs on other machines left in an account, by the tags that a run puts on everything it makes.

A thing counts only with all of a run's tags, and only if it is not part of a stack: a stack hands its tags on to its resources, and is
deleted as a whole. Nor does it if the run's pulse says that it lives, or that somebody keeps what it made. The Resource Groups Tagging API knows what has tags; where it does not answer (emulators have little of it, a role may not
ask it), the services are asked one by one. What has no tags in AWS (items, objects, users) is in the ledgers alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from stagefright.errors import TargetError
from stagefright.ledger.findings import Finding, Lease, failure_of, lease_of
from stagefright.ledger.kinds import Fate, kind_named
from stagefright.ledger.reading import Entry
from stagefright.ledger.sweep import Wish
from stagefright.ledger.undo.answers import found as found_unless
from stagefright.ledger.undo.answers import tag_mapping
from stagefright.ledger.undo.claims import is_good
from stagefright.targets.account import Account
from stagefright.targets.claim import is_claim_name
from stagefright.targets.pulse import living as living_by_pulse
from stagefright.targets.run import RUN_TAG, STAGE_TAG, TAG_PREFIX
from stagefright.targets.stack import NESTED_TYPE
from stagefright.targets.taps.ground import PREFIX
from stagefright.wording import plural

NAME_PREFIX = f"{PREFIX}-"
"""How the names begin of the queues and rules that listeners make."""

STACK_TAG = "aws:cloudformation:stack-id"
"""What AWS tags the resources of a stack with."""

NO_PARAMETER = "InvalidResourceId"
"""How SSM says, of a parameter's tags, that there is no such parameter."""

ORDER = ("subscription", "rule", "queue", "claim", "parameter", "secret", "stack")
"""In which order they are deleted."""


@dataclass(frozen=True)
class Tagged:
    """A thing that has tags."""

    kind: str
    name: str
    tags: Mapping[str, str]
    detail: Mapping[str, Any] = field(default_factory=dict)


def sweep_tagged(
    account: Account,
    wish: Wish,
    *,
    living: Iterable[str],
    known: Iterable[tuple[str, str]],
    pulses: dict[str, float] | None = None,
) -> tuple[list[Finding], list[str]]:
    """
    What dead runs left by the tags, swept if that is wished, and the services that could not be asked.

    `living` are the runs that are known to live; `known` are the things (kind and name) that a ledger has told of already. `pulses` gets
    the runs whose tags have run out and whose pulse has not, and until when they live.
    """
    troubles: list[str] = []
    due = list(_due(account, wish, troubles, living=set(living), known=set(known)))
    try:
        # A sweep that finds nothing past its lease need not ask.
        alive = living_by_pulse(account, wish.now) if due else {}
    except TargetError as refusal:
        return [], [*troubles, f"{refusal} What only tags tell of was left alone ({plural(len(due), 'thing')})."]
    if pulses is not None:
        pulses |= {lease.run: alive[lease.run] for _, lease in due if lease.run in alive}
    return [_treat(account, thing, lease, wish) for thing, lease in due if lease.run not in alive], troubles


def _due(
    account: Account, wish: Wish, troubles: list[str], *, living: set[str], known: set[tuple[str, str]]
) -> Iterator[tuple[Tagged, Lease]]:
    """What has run out by its tags, in the order in which it goes."""
    told = {(_PARAMETERS.get(kind, kind), name) for kind, name in known}
    found = find(account, troubles)
    parts = _parts_of_stacks(account, found, troubles)
    for thing in sorted(found, key=lambda one: (ORDER.index(one.kind), one.name)):
        lease = lease_of(thing.tags, TAG_PREFIX)
        if lease is None or thing.name in parts or (thing.kind, thing.name) in told:
            continue
        if thing.kind == "claim" and is_good(account, thing.name):
            continue
        if _is_due(lease, thing, wish, living):
            yield thing, lease


_PARAMETERS = {"flag": "parameter", "pulse": "parameter"}
"""Kinds of a ledger that are parameters to their tags."""


def _is_due(lease: Lease, thing: Tagged, wish: Wish, living: set[str]) -> bool:
    # Naming a run shortens no lease here: that it is dead, only the lock of its ledger could tell.
    is_over = lease.expires <= wish.now and lease.run not in living
    return is_over and wish.wants(thing.tags[STAGE_TAG], lease.run) and not wish.is_forgetful


def _treat(account: Account, thing: Tagged, lease: Lease, wish: Wish) -> Finding:
    stage, fate, is_trouble = thing.tags[STAGE_TAG], "would be deleted", False
    if wish.protects(stage):
        fate = "protected: left alone"
    elif wish.is_for_real:
        entry = Entry(0, thing.kind, thing.name, stage, lease.created or 0.0, detail=thing.detail, run=lease.run)
        try:
            why_not = _not_any_more(account, entry, wish) if thing.kind == "stack" else None
            if why_not is None:
                kind_named(thing.kind).undo(entry, account)
            fate = why_not or "deleted"
        except Exception as error:  # noqa: BLE001 (the others must be deleted all the same)
            fate, is_trouble = failure_of(error), True
    return Finding(
        f"{thing.kind} {thing.name}",
        kind=thing.kind, name=thing.name, stage=stage, head=lease, fate=fate, is_trouble=is_trouble,
    )  # fmt: skip


def _not_any_more(account: Account, entry: Entry, wish: Wish) -> str | None:
    """
    Why a stack that was left over when it was looked for is to be left alone now.

    It goes by its name, and those before it took minutes: somebody may have taken it up, or deployed another of that name.
    """
    state = kind_named(entry.kind).look(entry, account)
    if state.fate is Fate.FOREIGN:
        return f"not this run's{f' ({state.reason})' if state.reason else ''}: left alone"
    return "in use by now: left alone" if entry.run in living_by_pulse(account, wish.now) else None


# -- finding -----------------------------------------------------------------------------------------------------------


def find(account: Account, troubles: list[str]) -> list[Tagged]:
    """Everything with the tag of a run, of a kind that can be undone; each once."""
    found = _asked(account, "stacks", lambda: list(_stacks(account)), troubles)
    listed = None if account.is_emulator else _by_tagging_api(account)
    if listed is None:
        for what, ask in _SERVICES.items():
            found += _asked(account, what, lambda ask=ask: list(ask(account)), troubles)  # type: ignore[misc]
    else:
        found += listed
    return list({(thing.kind, thing.name): thing for thing in found if RUN_TAG in thing.tags}.values())


def _asked(account: Account, what: str, ask: Callable[[], list[Tagged]], troubles: list[str]) -> list[Tagged]:
    """What a service lists; nothing, and a line that says why, if it cannot be asked."""
    try:
        with account.explained(f"search the {what}"):
            return ask()
    except TargetError as refusal:
        troubles.append(str(refusal))
        return []


def _by_tagging_api(account: Account) -> list[Tagged] | None:
    from botocore.exceptions import BotoCoreError, ClientError

    tagging = account.client("resourcegroupstaggingapi")
    try:
        pages = list(tagging.get_paginator("get_resources").paginate(TagFilters=[{"Key": RUN_TAG}]))
    except (BotoCoreError, ClientError):
        return None
    listed = [one for page in pages for one in page["ResourceTagMappingList"]]
    named = (_named(one["ResourceARN"], tag_mapping(one["Tags"])) for one in listed)
    things = [thing for thing in named if thing is not None and STACK_TAG not in thing.tags]
    return [one for thing in things for one in _spelled(account, thing)]


def _named(arn: str, tags: Mapping[str, str]) -> Tagged | None:
    """
    What an ARN is of, if it is of a kind that runs make outside of stacks.

    >>> _named("arn:aws:events:us-east-1:123456789012:rule/shop/stagefright-a", {}).name
    'stagefright-a'
    """
    _, _, service, _, _, path = arn.split(":", 5)
    if service == "sqs" and path.startswith(NAME_PREFIX):
        return Tagged("queue", path, tags)
    if service == "ssm" and path.startswith("parameter/"):
        return _parameter(path.removeprefix("parameter"), tags)
    if service == "secretsmanager" and path.startswith("secret:"):
        # AWS adds six characters of its own to the name.
        return Tagged("secret", path.removeprefix("secret:").rpartition("-")[0], tags)
    if service == "events" and path.startswith("rule/"):
        *bus, name = path.removeprefix("rule/").split("/")
        return Tagged("rule", name, tags, {"bus": "/".join(bus) or "default"}) if name.startswith(NAME_PREFIX) else None
    return None


def _parameter(name: str, tags: Mapping[str, str]) -> Tagged:
    return Tagged("claim" if is_claim_name(name) else "parameter", name, tags)


def _spelled(account: Account, thing: Tagged) -> list[Tagged]:
    """
    A parameter by its own name: the ARNs of `a` and `/a` are the same, so SSM is asked which there are, and for the tags of each.

    A longer path begins with its slash in any case.
    """
    if thing.kind != "parameter" or thing.name.count("/") > 1:
        return [thing]
    ssm = account.client("ssm")
    equal = {"Key": "Name", "Option": "Equals", "Values": [thing.name, thing.name[1:]]}
    names = [one["Name"] for one in ssm.describe_parameters(ParameterFilters=[equal])["Parameters"]]
    found = ((name, _tags_of_parameter(ssm, name)) for name in names)
    return [_parameter(name, tags) for name, tags in found if tags is not None]


def _tags_of_parameter(ssm: Any, name: str) -> dict[str, str] | None:
    """A parameter's tags; None if there is no such parameter."""
    listed = found_unless(lambda: ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name), NO_PARAMETER)
    return None if listed is None else tag_mapping(listed.get("TagList", ()))


def _stacks(account: Account) -> Iterator[Tagged]:
    for page in account.client("cloudformation").get_paginator("describe_stacks").paginate():
        for stack in page["Stacks"]:
            # A nested stack goes with the one that it is in.
            if stack["StackStatus"] != "DELETE_COMPLETE" and not stack.get("RootId"):
                yield Tagged("stack", stack["StackName"], tag_mapping(stack.get("Tags", ())))


def _queues(account: Account) -> Iterator[Tagged]:
    sqs = account.client("sqs")
    for page in sqs.get_paginator("list_queues").paginate(QueueNamePrefix=NAME_PREFIX):
        for url in page.get("QueueUrls", ()):
            tags = sqs.list_queue_tags(QueueUrl=url).get("Tags") or {}
            yield Tagged("queue", url.rpartition("/")[2], tags)


def _rules(account: Account) -> Iterator[Tagged]:
    events = account.client("events")
    for bus in events.list_event_buses()["EventBuses"]:
        asked: dict[str, str] = {"EventBusName": bus["Name"], "NamePrefix": NAME_PREFIX}
        while True:
            answer = events.list_rules(**asked)
            for rule in answer["Rules"]:
                tags = tag_mapping(events.list_tags_for_resource(ResourceARN=rule["Arn"])["Tags"])
                yield Tagged("rule", rule["Name"], tags, {"bus": bus["Name"]})
            if not answer.get("NextToken"):
                break
            asked["NextToken"] = answer["NextToken"]


def _parameters(account: Account) -> Iterator[Tagged]:
    ssm = account.client("ssm")
    for page in ssm.get_paginator("describe_parameters").paginate():
        for parameter in page["Parameters"]:
            yield _parameter(parameter["Name"], _tags_of_parameter(ssm, parameter["Name"]) or {})


def _secrets(account: Account) -> Iterator[Tagged]:
    for page in account.client("secretsmanager").get_paginator("list_secrets").paginate():
        for secret in page["SecretList"]:
            yield Tagged("secret", secret["Name"], tag_mapping(secret.get("Tags") or ()))


_SERVICES: Mapping[str, Callable[[Account], Iterator[Tagged]]] = {
    "queues": _queues,
    "rules": _rules,
    "parameters": _parameters,
    "secrets": _secrets,
}
"""How each service is asked where the tagging API is not there."""


def _parts_of_stacks(account: Account, found: Iterable[Tagged], troubles: list[str]) -> set[str]:
    """
    The physical ids of what is in the stacks that runs deployed, and in those nested in them.

    An emulator does not tell by a tag of AWS's what is in a stack, nor that a stack is nested.
    """
    parts: set[str] = set()
    for thing in found:
        if thing.kind == "stack":
            _asked(account, f"stack {thing.name}", lambda name=thing.name: _add_parts(account, name, parts), troubles)  # type: ignore[misc]
    return parts


def _add_parts(account: Account, stack: str, parts: set[str]) -> list[Tagged]:
    pages = account.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
    for one in [summary for page in pages for summary in page["StackResourceSummaries"]]:
        physical = str(one.get("PhysicalResourceId", ""))
        parts.update({physical, physical.rpartition("/")[2]})
        if one.get("ResourceType") == NESTED_TYPE and physical.startswith("arn:"):
            parts.add(physical.split("/")[1])
            _add_parts(account, physical, parts)
    return []
