"""ThrottledConcurrency: every trigger does what it does on AWS when a function is throttled (§1.8, §2.2, §3.7, §4.3)."""

from __future__ import annotations

import itertools

import pytest
from botocore.exceptions import ClientError

from stagefright.chaos import Failure, ThrottledConcurrency
from stagefright.chaos.checks import conserved
from stagefright.errors import UsageError


def test_a_synchronous_caller_is_told(system):
    """§1.3: with the reason that a reserved concurrency has; afterwards the function runs again."""
    system.up(Worker=system.function())

    with system.chaos(Worker=ThrottledConcurrency()), pytest.raises(ClientError) as refused:
        system.client("lambda").invoke(FunctionName=system.stage.ref("Worker"))

    error = refused.value.response
    assert error["Error"]["Code"] == "TooManyRequestsException"
    assert error["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert system.stage.invoke("Worker", 1).payload == 1
    struck = system.strikes("throttled_concurrency", "Worker")
    assert struck
    assert struck[0].detail["harm"]["ids"]


def test_with_none_at_all_an_asynchronous_event_is_given_up_at_once(system):
    """§2.4: as with a reserved concurrency of 0."""
    system.up(Dead=system.queue(), Worker=system.function(), Config=system.invoke_config(failure=system.att("Dead")))

    with system.chaos(Worker=ThrottledConcurrency()):
        system.invoke_later({"n": 1})
        system.settle()

    (record,) = system.bodies("Dead")
    assert record["requestContext"]["condition"] == "ZeroReservedConcurrency"
    assert system.elapsed() == 0
    assert system.invocations() == []


def test_with_some_an_asynchronous_event_waits_for_its_turn(system):
    """§2.2: a throttle is tried again and uses up no attempt."""
    system.up(Worker=system.function("import time\ndef handler(event, context): time.sleep(2)", Timeout=5))

    with system.chaos(Worker=ThrottledConcurrency(concurrency=1)):
        for number in range(3):
            system.invoke_later(number)
        system.settle()

    assert sorted(system.events()) == [0, 1, 2]
    assert [r.detail["attempt"] for r in system.invocations()] == [1, 1, 1]
    starts = system.attempts()
    assert all(later - earlier >= 2 for earlier, later in itertools.pairwise(starts))
    assert {r.detail["reason"] for r in system.records("retry")} == {"Throttled"}


def test_the_messages_of_a_queue_come_back(system):
    """§3.7: their receive counts grow, and in the end they are dead letters; nothing is lost."""
    system.up_with_queue(queue=system.redriving("Dead", 2), mapping={"BatchSize": 1}, Dead=system.queue())

    with system.chaos(Worker=ThrottledConcurrency()):
        system.send("job")
        system.settle()

    assert system.invocations() == []
    assert [m["Body"] for m in system.messages("Dead")] == ["job"]
    assert conserved("Jobs")(system.stage.journal).holds


def test_a_stream_waits(system):
    """§4.3: a throttle is no attempt; when it is over the records are read in order."""
    system.up_with_stream(MaximumRetryAttempts=0)

    with system.chaos(Worker=ThrottledConcurrency()):
        system.put("a", "b")
        system.advance(60)
        assert system.invocations() == []
    system.settle()

    assert [one for batch in system.batches() for one in batch] == ["a", "b"]


def test_it_adds_to_a_reserved_concurrency_of_the_function(system, never_fired):
    """§1.8: what the function has reserved is a limit all the same."""
    system.up(Worker=system.function(ReservedConcurrentExecutions=0))

    with never_fired(), system.chaos(Worker=ThrottledConcurrency(concurrency=5)):
        system.invoke_later()
        system.settle()

    assert system.invocations() == []


def test_so_many_requests_per_second_go_with_it(system):
    """§1.8: ten for each unit of concurrency, as for a reserved one."""
    system.up(Worker=system.function())
    refused = []

    with system.chaos(Worker=ThrottledConcurrency(concurrency=1)):
        lambda_ = system.client("lambda")
        for _ in range(11):
            try:
                lambda_.invoke(FunctionName=system.stage.ref("Worker"), Payload=b"1")
            except ClientError as error:
                refused.append(error.response["Reason"])

    reasons = [r.detail["harm"]["reason"] for r in system.strikes()]
    assert set(reasons) == {"ReservedFunctionInvocationRateLimitExceeded"} == set(refused or reasons)


def test_it_goes_with_faults_of_the_function_itself(system):
    """A list may hold both kinds: one travels in the function's flag, the other stays on the stage."""
    system.up(Worker=system.function())

    with system.chaos(Worker=[Failure("down").at_most(1), ThrottledConcurrency().on_call(2)]):
        assert system.stage.invoke("Worker", 1).error == "Exception"
        system.invoke_later(2)
        system.settle()

    assert [r.detail["fault"] for r in system.strikes()] == ["at_most", "on_call"]


@pytest.mark.parametrize("name", ["Jobs", "News", "Feed"])
def test_only_functions_have_a_concurrency(system, name):
    """The message says where to plan it."""
    system.up(Jobs=system.queue(), News=system.topic(), Feed=system.stream())

    with pytest.raises(UsageError, match="plan it for the consumer"), system.chaos(**{name: ThrottledConcurrency()}):
        pass
