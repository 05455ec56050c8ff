from __future__ import annotations

import pytest

from stagefright.chaos import ConnectionReset

ONCE_MORE = {"retries": {"mode": "legacy", "total_max_attempts": 2}}


@pytest.mark.parametrize(("after_commit", "messages"), [(False, 1), (True, 2)])
def test_botocore_tries_again(system, after_commit, messages):
    """A message whose connection broke is sent again; if it was taken before, there are two."""
    with system.chaos(Worker=ConnectionReset("sqs", "SendMessage", times=1, after_commit=after_commit)):
        said = system.send(config=ONCE_MORE)

    assert 1 == said["retries"]
    assert messages == system.messages()


def test_it_reaches_the_handler_as_botocores_error_and_heals(system):
    """Without a retry left; after the block all is well."""
    with system.chaos(Worker=ConnectionReset("dynamodb")):
        assert "ConnectionClosedError" == system.put(config={"retries": {"total_max_attempts": 1}})["error"]

    assert 0 == system.put()["retries"]
