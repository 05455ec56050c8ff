from __future__ import annotations

import pytest

from stagefright.chaos import ConnectTimeout

ONCE_MORE = {"retries": {"mode": "standard", "total_max_attempts": 2}}


@pytest.mark.parametrize(("call", "service"), [("put", "dynamodb"), ("send", "sqs")])
def test_it_takes_the_clients_patience_and_is_retried(system, call, service):
    """As long as the client's `connect_timeout`, in virtual time, each time; nothing reaches the service meanwhile."""
    ask = getattr(system, call)
    with system.chaos(Worker=ConnectTimeout(service, times=1)):
        healed = ask(config={**ONCE_MORE, "connect_timeout": 10})
    assert 1 == healed["retries"]
    assert 10 <= healed["took"] < 12

    with system.chaos(Worker=ConnectTimeout(service)):
        given_up = ask(config={**ONCE_MORE, "connect_timeout": 2})
    assert "ConnectTimeoutError" == given_up["error"]
    assert 4 <= given_up["took"] < 6


def test_it_heals_and_leaves_nothing_behind(system):
    """A message that could not be sent was not sent; after the block the next one is."""
    with system.chaos(Worker=ConnectTimeout("sqs")):
        system.send(config={**ONCE_MORE, "connect_timeout": 5})
    assert 0 == system.messages()
    assert [2, "ConnectTimeoutError"] == [system.calls("SendMessage")[0].detail[key] for key in ("attempts", "error")]

    assert 0 == system.send()["took"]
    assert 1 == system.messages()
