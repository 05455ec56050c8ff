"""A queue's policy, as AddPermission and RemovePermission write it; the local stage keeps it, and enforces nothing."""

from __future__ import annotations

import json
from typing import Any

from stagefright.aws_api.errors import ApiError
from stagefright.services import queue_limits as limits
from stagefright.services import queue_rules as rules
from stagefright.services.queue import Queue


def add_statement(queue: Queue, label: str, accounts: list[str], actions: list[str]) -> None:
    """Allow accounts some actions; refused if the label is taken or the actions are too many."""
    if len(actions) > limits.POLICY_ACTIONS_MAX:
        raise ApiError(
            "OverLimit",
            f"{len(actions)} Actions were found, maximum allowed is {limits.POLICY_ACTIONS_MAX}.",
        )
    policy = _policy_of(queue)
    if any(statement.get("Sid") == label for statement in policy["Statement"]):
        raise rules.invalid_value("Label", label, "Already exists.")
    policy["Statement"].append(_statement(queue, label, accounts, actions))
    queue.configure({"Policy": json.dumps(policy)})


def remove_statement(queue: Queue, label: str) -> None:
    """Take a statement out; the last one takes the policy along."""
    policy = _policy_of(queue)
    kept = [statement for statement in policy["Statement"] if statement.get("Sid") != label]
    if len(kept) == len(policy["Statement"]):
        raise rules.invalid_value("Label", label, "can't find label.")
    queue.configure({"Policy": json.dumps({**policy, "Statement": kept}) if kept else ""})


def _policy_of(queue: Queue) -> dict[str, Any]:
    empty = {"Version": "2008-10-17", "Id": f"{queue.arn}/SQSDefaultPolicy", "Statement": []}
    return {**empty, **json.loads(queue.attributes.get("Policy", "{}"))}


def _statement(queue: Queue, label: str, accounts: list[str], actions: list[str]) -> dict[str, Any]:
    return {
        "Sid": label,
        "Effect": "Allow",
        "Principal": {"AWS": _one_or_list([f"arn:aws:iam::{account}:root" for account in accounts])},
        "Action": _one_or_list([f"SQS:{action}" for action in actions]),
        "Resource": queue.arn,
    }


def _one_or_list(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values
