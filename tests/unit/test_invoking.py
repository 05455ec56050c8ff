"""What an invocation's answer says."""

from __future__ import annotations

import io

import pytest

from stagefright.invoking import read_invocation


def answer(payload, **more):
    return {"Payload": io.BytesIO(payload), "StatusCode": 200, "ResponseMetadata": {"RequestId": "r-1"}, **more}


@pytest.mark.parametrize(
    ("payload", "error", "message"),
    [
        (b'{"errorType": "KeyError", "errorMessage": "\'a\'"}', "KeyError", "'a'"),
        (b'{"errorMessage": "Task timed out after 3.00 seconds"}', "Unhandled", "Task timed out after 3.00 seconds"),
        (b"no JSON at all", "Unhandled", None),
        (b"", "Unhandled", None),
    ],
    ids=["an error with a type", "a message alone", "text", "nothing"],
)
def test_an_invocation_that_failed_has_an_error(payload, error, message):
    """Whatever its payload looks like: `error is None` means that it did not fail."""
    found = read_invocation(answer(payload, FunctionError="Unhandled"))

    assert (found.error, found.error_message) == (error, message)


def test_one_that_did_not_fail_has_none():
    """Even if it answers with what looks like an error."""
    assert read_invocation(answer(b'{"errorType": "KeyError"}')).error is None
