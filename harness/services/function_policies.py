"""A function's resource policy: who else may invoke it. Kept and shown; a local world does not enforce it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from stagefright.services.function import Function
from stagefright.services.function_names import conflict, invalid, not_found
from stagefright.services.function_store import FunctionStore, Parameters, Response, check_revision, version_of

ACTION_PATTERN = r"(lambda:[*]|lambda:[a-zA-Z]+|[*])"
STATEMENT_ID_PATTERN = r"([a-zA-Z0-9-_]+)"
CONDITIONS = (
    ("SourceArn", "ArnLike", "AWS:SourceArn"),
    ("SourceAccount", "StringEquals", "AWS:SourceAccount"),
    ("PrincipalOrgID", "StringEquals", "aws:PrincipalOrgID"),
    ("FunctionUrlAuthType", "StringEquals", "lambda:FunctionUrlAuthType"),
    ("InvokedViaFunctionUrl", "Bool", "lambda:InvokedViaFunctionUrl"),
    ("EventSourceToken", "StringEquals", "lambda:EventSourceToken"),
)
"""Parameter, condition operator and condition key."""


class FunctionPolicies(FunctionStore):
    """Operations on resource policies."""

    def add_permission(self, params: Parameters) -> Response:
        """Add a statement to the policy of a function, version or alias."""
        function, qualifier = self._policy_owner(params)
        sid = params["StatementId"]
        if not re.fullmatch(STATEMENT_ID_PATTERN, sid):
            constraint = f"Member must satisfy regular expression pattern: {STATEMENT_ID_PATTERN}"
            raise invalid(sid, "statementId", constraint)
        if not re.fullmatch(ACTION_PATTERN, params["Action"]):
            constraint = f"Member must satisfy regular expression pattern: {ACTION_PATTERN}"
            raise invalid(params["Action"], "action", constraint)
        self._check_policy_revision(function, params)
        present = function.statements.get(qualifier, ())
        if any(statement["Sid"] == sid for statement in present):
            raise conflict(
                f"The statement id ({sid}) provided already exists. Please provide a new statement id, "
                "or remove the existing statement."
            )
        statement = _statement(f"{function.arn}:{qualifier}" if qualifier else function.arn, params)
        self._keep_statements(function, qualifier, (*present, statement))
        return {"Statement": _compact(statement)}

    def remove_permission(self, params: Parameters) -> Response:
        """Remove a statement; with the last one the policy goes."""
        function, qualifier = self._policy_owner(params)
        present = function.statements.get(qualifier, ())
        if not present:
            raise not_found("No policy is associated with the given resource.")
        remaining = tuple(statement for statement in present if statement["Sid"] != params["StatementId"])
        if len(remaining) == len(present):
            raise not_found(f"Statement {params['StatementId']} is not found in resource policy.")
        self._check_policy_revision(function, params)
        self._keep_statements(function, qualifier, remaining)
        return {}

    def get_policy(self, params: Parameters) -> Response:
        """The policy of a function, version or alias, as JSON text."""
        function, qualifier = self._policy_owner(params)
        statements = function.statements.get(qualifier)
        if not statements:
            raise not_found("The resource you requested does not exist.")
        policy = {"Version": "2012-10-17", "Id": "default", "Statement": list(statements)}
        return {"Policy": _compact(policy), "RevisionId": function.latest.revision_id}

    def _policy_owner(self, params: Parameters) -> tuple[Function, str]:
        function, qualifier = self._locate(params)
        version_of(function, qualifier)
        return function, qualifier or ""

    def _check_policy_revision(self, function: Function, params: Parameters) -> None:
        check_revision(params.get("RevisionId"), function.latest.revision_id, call="GetPolicy")

    def _keep_statements(self, function: Function, qualifier: str, statements: tuple[Mapping[str, Any], ...]) -> None:
        kept = {name: present for name, present in function.statements.items() if name != qualifier}
        if statements:
            kept[qualifier] = statements
        self._keep(self._touch(replace(function, statements=kept)))


def _statement(resource: str, params: Parameters) -> dict[str, Any]:
    statement: dict[str, Any] = {
        "Sid": params["StatementId"],
        "Effect": "Allow",
        "Principal": _principal(params["Principal"]),
        "Action": params["Action"],
        "Resource": resource,
    }
    condition: dict[str, dict[str, Any]] = {}
    for parameter, operator, key in CONDITIONS:
        if params.get(parameter) is not None:
            value = params[parameter]
            condition.setdefault(operator, {})[key] = str(value).lower() if isinstance(value, bool) else value
    return {**statement, "Condition": condition} if condition else statement


def _principal(principal: str) -> Any:
    """
    A principal as IAM writes it.

    >>> _principal("sns.amazonaws.com"), _principal("123456789012"), _principal("*")
    ({'Service': 'sns.amazonaws.com'}, {'AWS': 'arn:aws:iam::123456789012:root'}, '*')
    """
    if principal == "*":
        return principal
    if re.fullmatch(r"\d{12}", principal):
        return {"AWS": f"arn:aws:iam::{principal}:root"}
    return {"AWS": principal} if principal.startswith("arn:") else {"Service": principal}


def _compact(document: Mapping[str, Any]) -> str:
    return json.dumps(document, separators=(",", ":"))
