"""An SDK's own patience, in virtual time: it gives up on an answer, while what it asked for goes on."""

from __future__ import annotations

import pytest
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError

ONCE = {"total_max_attempts": 1}

SLOW = """
    import time

    def handler(event, context):
        time.sleep(70)
        return "at last"
"""


def patient_for(system, service, seconds, retries=ONCE):
    """A client of the test with a read timeout of its own."""
    import boto3

    return boto3.client(service, config=Config(read_timeout=seconds, retries=retries))


class TestReadTimeout:
    """`read_timeout` of botocore's Config, 60 seconds unless set."""

    def test_the_caller_gives_up_and_the_function_does_not(self, system):
        """After 15 s the caller has its error; the function ends at its own time."""
        system.up(Worker=system.function(SLOW, Timeout=100))

        with pytest.raises(ReadTimeoutError):
            patient_for(system, "lambda", 15).invoke(FunctionName=system.stage.ref("Worker"))

        assert system.stage.clock.now() - system.began == 15
        system.settle()
        assert [record.detail["payload"] for record in system.stage.journal.of_kind("outcome")] == ["at last"]

    def test_by_default_a_slow_function_is_invoked_again_and_again(self, system):
        """botocore retries a read timeout, so a function of 70 s runs as often as its retry mode has attempts."""
        system.up(Worker=system.function(SLOW, Timeout=100))

        with pytest.raises(ReadTimeoutError):
            patient_for(system, "lambda", 60, {"mode": "standard", "total_max_attempts": 3}).invoke(
                FunctionName=system.stage.ref("Worker")
            )
        system.settle()

        assert len(system.invocations()) == 3

    def test_the_journal_names_it(self, system):
        """The `call` record says what the caller saw."""
        system.up(Worker=system.function(SLOW, Timeout=100))

        with pytest.raises(ReadTimeoutError):
            patient_for(system, "lambda", 15).invoke(FunctionName=system.stage.ref("Worker"))

        errors = [record.detail.get("error") for record in system.stage.journal.of_kind("call")]
        assert errors[-1] == "ReadTimeoutError"

    def test_a_long_poll_may_be_longer_than_its_client_waits(self, system):
        """A wait of 20 s with a read timeout of 5 s never gets its empty answer."""
        system.up(Jobs=system.queue())

        with pytest.raises(ReadTimeoutError):
            patient_for(system, "sqs", 5).receive_message(QueueUrl=system.stage.ref("Jobs"), WaitTimeSeconds=20)

    def test_an_answer_in_time_is_an_answer(self, system):
        """Exactly at the end of the patience it is too late; a moment before it is not."""
        system.up(Worker=system.function(SLOW, Timeout=100))

        answer = patient_for(system, "lambda", 71).invoke(FunctionName=system.stage.ref("Worker"))

        assert answer["Payload"].read() == b'"at last"'
