"""SDK calls by name, as checks take them: `"dynamodb"` or `"dynamodb.PutItem"`. One that AWS does not have is an error, since it is never made."""

from __future__ import annotations

from stagefright.errors import UsageError


def is_call(name: str) -> bool:
    """Whether a name is that of an SDK call; a queue's may have a dot too (`orders.fifo`), but operations begin with a capital."""
    service, dot, operation = name.partition(".")
    return bool(dot) and service.replace("-", "").isalnum() and operation[:1].isupper()


def refuse_unknown_call(check: str, name: str) -> None:
    """Raise `UsageError` for a service or an operation that boto3 does not know."""
    from stagefright.chaos import legal_errors
    from stagefright.chaos.faults.sdk_fault import ANY

    service, _, operation = name.partition(".")
    problems = legal_errors.problems(service, operation or ANY, None)
    if problems:
        raise UsageError(f"{check}: nobody can ever call {name!r}. {problems[0]}")
