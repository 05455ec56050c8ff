"""Throttle: real retries, real back-off, and AWS's own words."""

from __future__ import annotations

import pytest

from stagefright.chaos import Throttle
from stagefright.errors import FaultNeverFired, UsageError

MODES = [{}, {"mode": "standard"}, {"mode": "legacy"}, {"mode": "adaptive"}]


class TestTwoThrottlesThenSuccess:
    """The retry test that people need: the call succeeds after exactly the attempts and waits that botocore makes."""

    @pytest.mark.parametrize("retries", MODES, ids=lambda retries: retries.get("mode", "default"))
    def test_take_three_attempts(self, system, retries):
        """In each mode; to a service that moto keeps, and to one of ours."""
        with system.chaos(Worker=[Throttle("dynamodb", "PutItem", times=2), Throttle("sqs", "SendMessage", times=2)]):
            put, sent = (ask(config={"retries": retries}) for ask in (system.put, system.send))

        assert (2, 2) == (put["retries"], sent["retries"])
        assert (3, 3) == (put["sent"], sent["sent"])
        assert put["took"] > 0
        assert 1 == system.messages()

    def test_is_in_the_journal(self, system):
        """Attempts and retry mode stand in the record of the call; each strike is a record and a line of its own."""
        with system.chaos(Worker=Throttle("dynamodb", "PutItem", times=2)):
            system.put(config={"retries": {"mode": "legacy"}})

        (call,) = system.calls("PutItem")
        assert (3, "legacy") == (call.detail["attempts"], call.detail["retry_mode"])
        harm = {
            "service": "dynamodb",
            "operation": "PutItem",
            "code": "ProvisionedThroughputExceededException",
            "status": 400,
        }
        assert [("Worker", "throttle", harm)] * 2 == system.strikes()
        assert ["throttle"] * 2 == [line["mode"] for line in system.lines()]
        assert harm.items() <= system.lines()[0].items()

    def test_backs_off_in_virtual_time(self, system):
        """Legacy mode waits 50 ms and 100 ms for DynamoDB, without jitter."""
        with system.chaos(Worker=Throttle("dynamodb", "PutItem", times=2)):
            said = system.put(config={"retries": {"mode": "legacy"}})

        assert pytest.approx(0.05 + 0.1) == said["took"]


class TestRetriesExhausted:
    """A throttle that does not end reaches the handler as botocore's own exception."""

    @pytest.mark.parametrize(
        ("retries", "attempts"),
        [({"mode": "standard"}, 4), ({"mode": "legacy"}, 10), ({"mode": "standard", "total_max_attempts": 2}, 2)],
    )
    def test_after_as_many_attempts_as_the_mode_makes(self, system, retries, attempts):
        """DynamoDB has 4 in standard mode and 10 in legacy mode."""
        with system.chaos(Worker=Throttle("dynamodb", "PutItem")):
            said = system.put(config={"retries": retries})

        assert "ProvisionedThroughputExceededException" == said["error"]
        assert "Rate exceeded" in said["text"]
        assert attempts == len(system.strikes())
        assert (attempts - 1, attempts) == (said["retries"], system.calls("PutItem")[0].detail["attempts"])
        assert "ProvisionedThroughputExceededException" == system.calls("PutItem")[0].detail["error"]
        assert "Item" not in system.stage.client("dynamodb").get_item(TableName="table", Key={"id": {"S": "1"}})

    def test_of_a_service_of_ours(self, system):
        """SQS throttles with its own code, which its client's exceptions know."""
        with system.chaos(Worker=Throttle("sqs", "SendMessage")):
            said = system.send(config={"retries": {"mode": "standard"}})

        assert "RequestThrottled" == said["error"]
        assert 3 == len(system.strikes())
        assert 0 == system.messages()


class TestWhoIsStruck:
    """A fault of one function is nobody else's."""

    def test_not_the_test_nor_another_function(self, system):
        """While the Worker is throttled, the test's calls and those of Other go through at once."""
        with system.chaos(Worker=Throttle("dynamodb")):
            system.stage.client("dynamodb").put_item(TableName="table", Item={"id": {"S": "2"}})
            assert 0 == system.put("Other")["retries"]
            assert "error" in system.put("Worker")

        assert {"Worker"} == {resource for resource, _, _ in system.strikes()}

    def test_a_function_that_is_invoked_meanwhile_is_not(self, system):
        """The Worker waits for Other, which writes while the Worker's faults are in force."""
        item = {"TableName": "table", "Item": {"id": {"S": "1"}}}
        payload = '{"calls": [["dynamodb", "put_item", %s]]}' % str(item).replace("'", '"')
        invoke = ["lambda", "invoke", {"FunctionName": system.stage.ref("Other"), "Payload": payload}]
        with system.chaos(Worker=Throttle("lambda", "Invoke", times=1)):
            said = system.say(calls=[invoke])[0]

        assert 1 == said["retries"]
        assert {"Worker"} == {resource for resource, _, _ in system.strikes()}
        assert 1 == system.calls("PutItem")[0].detail["attempts"]

    def test_threads_of_the_handler_are(self, system):
        """What the handler's own thread would meet, a thread that it started meets too."""
        with system.chaos(Worker=Throttle("dynamodb", "PutItem", times=1)):
            assert 1 == system.put(thread=True)["retries"]

    def test_other_operations_are_not(self, system):
        """A fault names its operation; all of the service are struck only if it names none."""
        get = ["dynamodb", "get_item", {"TableName": "table", "Key": {"id": {"S": "1"}}}]
        with pytest.raises(FaultNeverFired), system.chaos(Worker=Throttle("dynamodb", "PutItem")):
            assert 0 == system.say(calls=[get])[0]["retries"]
        assert [] == system.strikes()


def test_it_heals(system):
    """After the block the call goes straight through, and botocore is as it was."""
    from botocore.endpoint import Endpoint

    before = Endpoint._do_get_response, Endpoint._send
    with system.chaos(Worker=Throttle("dynamodb", "PutItem")):
        system.put()
    after = system.put()

    assert 0 == after["retries"]
    assert before == (Endpoint._do_get_response, Endpoint._send)


def test_other_words_of_the_service():
    """A code may be chosen among those that the operation has; one of another service is refused, and the legal ones named."""
    assert "RequestLimitExceeded" == Throttle("dynamodb", "PutItem", code="RequestLimitExceeded").error_code

    with pytest.raises(
        UsageError, match="dynamodb PutItem cannot answer 'SlowDown'.*ThrottlingException.*even_if_undoc"
    ):
        Throttle("dynamodb", "PutItem", code="SlowDown")
    assert "SlowDown" == Throttle("dynamodb", "PutItem", code="SlowDown", even_if_undocumented=True).error_code
