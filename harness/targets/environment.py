"""
The variables by which AWS's SDKs find their account, while a deployed stage is here.

A `boto3.client("sqs")` in a test, or in what it calls, has no endpoint and no credentials of its own: on every target it reaches the
stage, and never what the developer's shell or files happen to point at.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from stagefright.targets.account import Account

CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
)
"""Keys in the environment, which SDKs prefer to a profile."""

OTHER_WAYS = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
)
"""What else leads an SDK to an account, or away from an endpoint."""

PREFIXES = ("AWS_ENDPOINT_URL", "AWS_BEARER_TOKEN")
"""Of variables that exist for each service."""

NOWHERE = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "BOTO_CONFIG": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""Files and services that hold credentials: there are none while the stage is in an emulator."""


def wanted_variables(account: Account, environ: Mapping[str, str]) -> dict[str, str | None]:
    """What the environment must say for SDKs to reach the account and no other; None: nothing."""
    if account.is_emulator:
        hidden = [*CREDENTIALS, *OTHER_WAYS, *(name for name in environ if name.startswith(PREFIXES))]
        return {**dict.fromkeys(hidden), **NOWHERE, **account.environment()}
    hidden = [*CREDENTIALS, "AWS_DEFAULT_PROFILE"] if account.profile else []
    return {**dict.fromkeys(hidden), **account.environment()}


def enter(account: Account) -> Callable[[], None]:
    """Set the variables, and give boto3 a new default session; returns what puts back what was there."""
    wanted = wanted_variables(account, os.environ)
    before = {name: os.environ.get(name) for name in wanted}
    _set(wanted)
    leave_session = _forget_default_session()

    def leave() -> None:
        _set(before)
        leave_session()

    return leave


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _forget_default_session() -> Callable[[], None]:
    """boto3's default session has read the environment of the moment when it was made."""
    import boto3

    before = boto3.DEFAULT_SESSION
    boto3.DEFAULT_SESSION = None

    def put_back() -> None:
        boto3.DEFAULT_SESSION = before

    return put_back
