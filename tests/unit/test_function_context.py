"""The handler's context object (aws-semantics §1.7)."""

from __future__ import annotations

import base64
import json

import pytest

from stagefright.aws_api.errors import ApiError
from stagefright.clock import Clock
from stagefright.functions.context import LambdaContext, parse_client_context

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:orders"


def encoded(value):
    """A client context as callers send it."""
    return base64.b64encode(json.dumps(value).encode()).decode()


@pytest.fixture
def clock():
    """Virtual time."""
    return Clock()


@pytest.fixture
def lines():
    """What the handler logged."""
    return []


@pytest.fixture
def make(clock, lines):
    """Builds a context with 3 seconds to go."""

    def build(**changes):
        settings = {
            "request_id": "id-1",
            "function_name": "orders",
            "function_version": "$LATEST",
            "invoked_function_arn": ARN,
            "memory_mb": 128,
            "log_group_name": "/aws/lambda/orders",
            "log_stream_name": "2026/01/01/[$LATEST]abc",
            "deadline": clock.now() + 3,
            "now": clock.now,
            "write": lines.append,
        }
        return LambdaContext(**settings | changes)

    return build


@pytest.mark.rule("1.7/attributes")
@pytest.mark.rule("1.7/memory-is-text")
def test_the_attributes_are_awss(make):
    """§1.7: Every attribute of the runtime client's context, with memory as a str."""
    context = make()

    expected = {
        "aws_request_id": "id-1",
        "function_name": "orders",
        "function_version": "$LATEST",
        "invoked_function_arn": ARN,
        "memory_limit_in_mb": "128",
        "log_group_name": "/aws/lambda/orders",
        "log_stream_name": "2026/01/01/[$LATEST]abc",
        "client_context": None,
        "tenant_id": None,
    }
    assert {name: getattr(context, name) for name in expected} == expected


@pytest.mark.rule("1.7/identity")
def test_the_identity_is_always_an_object(make):
    """§1.7: Without Cognito the identity's ids are None; the identity itself never is."""
    identity = make().identity
    given = make(cognito_identity={"cognitoIdentityId": "i", "cognitoIdentityPoolId": "p"}).identity

    assert (identity.cognito_identity_id, identity.cognito_identity_pool_id) == (None, None)
    assert (given.cognito_identity_id, given.cognito_identity_pool_id) == ("i", "p")


@pytest.mark.rule("1.7/remaining-time")
def test_remaining_time_follows_the_clock_and_stops_at_zero(make, clock):
    """§1.7: Milliseconds to the deadline, never negative."""
    context = make()
    seen = []
    for step in (0, 1, 1.5, 60):
        clock.move_to(clock.now() + step)
        seen.append(context.get_remaining_time_in_millis())

    assert seen == [3000, 2000, 500, 0]


@pytest.mark.rule("1.7/client-context")
def test_the_client_context_is_read(make):
    """§1.7: custom, env and client come as attributes, absent ones as None."""
    context = make(client_context=encoded({"custom": {"a": 1}, "client": {"app_title": "Orders"}})).client_context

    assert (context.custom, context.env) == ({"a": 1}, None)
    assert (context.client.app_title, context.client.installation_id) == ("Orders", None)


@pytest.mark.rule("1.7/log")
def test_log_writes_text(make, lines):
    """§1.7: `log` hands over the text of anything."""
    make().log({"a": 1})

    assert lines == ["{'a': 1}"]


def test_the_representation_names_every_attribute(make):
    """A printed context shows its values, as the runtime client's does."""
    shown = repr(make())

    assert shown.startswith("LambdaContext([aws_request_id=id-1,")
    assert "identity=CognitoIdentity([cognito_identity_id=None,cognito_identity_pool_id=None])" in shown


@pytest.mark.parametrize("text", ["%%%", base64.b64encode(b"[1]").decode(), base64.b64encode(b"{").decode()])
def test_a_client_context_that_is_no_object_is_refused(text):
    """Invoke refuses what is not base64, not JSON or not an object."""
    with pytest.raises(ApiError, match="Client context must be a valid Base64-encoded JSON object"):
        parse_client_context(text)


@pytest.mark.rule("1.1/client-context-size")
def test_a_long_client_context_is_refused():
    """§1.1: 3,583 bytes are the most."""
    with pytest.raises(ApiError, match="at most 3583 bytes; received 3584"):
        parse_client_context("x" * 3584)
