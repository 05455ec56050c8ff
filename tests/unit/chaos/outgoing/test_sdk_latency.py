from __future__ import annotations

import pytest

from stagefright.chaos import SdkLatency, Throttle
from stagefright.errors import UsageError


@pytest.mark.parametrize(("call", "service"), [("put", "dynamodb"), ("send", "sqs")])
def test_the_answer_is_late_and_heals(system, call, service):
    """By exactly so much, in virtual time."""
    ask = getattr(system, call)
    with system.chaos(Worker=SdkLatency(service, delay_ms=250)):
        assert (0.25, 0) == (ask()["took"], system.strikes()[0][2]["latency_ms"] - 250)

    assert 0 == ask()["took"]


def test_a_delay_beyond_the_clients_patience_is_a_read_timeout(system):
    """Of a call that took effect, which botocore repeats."""
    with system.chaos(Worker=SdkLatency("sqs", "SendMessage", delay_ms=9_000, times=1)):
        said = system.send(config={"read_timeout": 5, "retries": {"mode": "standard"}})

    assert 1 == said["retries"]
    assert 5 <= said["took"] < 7
    assert 2 == system.messages()


def test_each_attempt_draws_for_itself(system):
    """From the range, by seed, request and attempt."""
    fault = SdkLatency("dynamodb", min_delay_ms=100, max_delay_ms=200)
    with system.chaos(Worker=[fault, Throttle("dynamodb", times=2)]):
        system.put(config={"retries": {"mode": "legacy"}})

    drawn = [harm["latency_ms"] for _, kind, harm in system.strikes() if kind == "sdk_latency"]
    assert 3 == len(set(drawn))
    assert all(100 <= delay < 200 for delay in drawn)


def test_a_delay_is_needed():
    """As for `Latency`."""
    with pytest.raises(UsageError, match="no delay is given"):
        SdkLatency("dynamodb")
