"""When a stage lets other processes in, what it tells them when it does not, and how it closes."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
import time
import timeit
import warnings

import pytest

import stagefright
from stagefright.endpoint import endpoint as endpoint_module
from stagefright.endpoint import gate as gate_module
from stagefright.errors import ConditionNeverHeld, HandlerStuck, NotInWorld, UsageError
from stagefright.tasks import outside_the_world

SEND = """
    import boto3, sys
    boto3.client("sqs").send_message(QueueUrl=sys.argv[1], MessageBody="m")
"""

KEPT_ALIVE = """
    import http.client, json, os, sys, urllib.parse
    url = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL"])
    connection = http.client.HTTPConnection(url.hostname, url.port)
    def ask():
        connection.request("POST", "/", b'{"QueueName": "idle"}', {"X-Amz-Target": "AmazonSQS.GetQueueUrl"})
        answer = connection.getresponse()
        print(answer.status, answer.read().decode(), flush=True)
    ask()
    sys.stdin.readline()
    try:
        ask()
    except (http.client.HTTPException, ConnectionError) as error:
        connection.close()
        print(type(error).__name__, flush=True)
    sys.stdin.readline()
    ask()
"""


def count(stage):
    """How many items the function has written."""
    return stage.client("dynamodb").scan(TableName="items")["Count"]


def until_somebody_knocks(stage):
    """The test is busy until a call of another process waits at the gate."""
    for _ in range(600):
        if stage.world.endpoint()._visits:
            return
        ran_for_real(0.05)
    raise AssertionError("nobody called")


def ran_for_real(seconds):
    """The test runs code of its own: the world knows nothing of it."""
    with outside_the_world():
        time.sleep(seconds)


@pytest.fixture
def interruptible():
    """A process that was started in the background, as CI may be, ignores SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class TestLettingIn:
    """Calls are worked on while the test waits."""

    def test_virtual_waits_let_in_what_has_arrived(self, stage, start):
        """`time.sleep` and `settle` work on calls that came while the test was busy."""
        for wait in (lambda: time.sleep(1), stage.settle, lambda: stage.wait_until(lambda: count(stage) == 3)):
            before = len(stage.journal.of_kind("call", resource="visitor"))
            process = start(SEND.replace('"m"', f'"{before}"'), stage.ref("Jobs"))
            until_somebody_knocks(stage)
            wait()
            process.communicate(timeout=30)

            assert 0 == process.returncode
            assert before + 1 == len(stage.journal.of_kind("call", resource="visitor"))
        assert 3 == count(stage)

    def test_os_system_lets_in(self, stage, monkeypatch):
        """So does the plainest way to run a command."""
        script = f"import urllib.request as u; u.urlopen('{stage.endpoint_url}/files').read()"

        import os

        assert 0 == os.system(f'{sys.executable} -c "{script}"')

    def test_a_child_that_needs_nothing_is_waited_for_as_ever(self, stage):
        """Output, exit status and timeout are the child's."""
        assert stage.endpoint_url
        done = subprocess.run(["sh", "-c", "cat; exit 3"], input="text", capture_output=True, text=True, check=False)

        assert ("text", 3) == (done.stdout, done.returncode)
        with pytest.raises(subprocess.TimeoutExpired):
            subprocess.run(["sleep", "5"], timeout=0.2, check=False)
        with pytest.raises(subprocess.CalledProcessError):
            subprocess.run(["false"], check=True)

    def test_serving_until_a_condition(self, stage, start):
        """`serve` returns what the condition returned."""
        process = start(SEND, stage.ref("Jobs"))

        assert 1 == stage.serve(until=lambda: count(stage), within="30s")
        assert 0 == process.wait(timeout=30)

    def test_serving_in_vain(self, stage):
        """The span is one of real time; the message names the condition."""
        with pytest.raises(
            ConditionNeverHeld, match=r"count.* did not hold within 200ms of real time; it last returned 0"
        ):
            stage.serve(until=lambda: count(stage), within="200ms")

    def test_serving_for_a_span_keeps_pace(self, stage):
        """Virtual time goes along, `pace` times as fast."""
        began = stage.clock.now()

        stage.serve(within="200ms", pace=1000)

        assert 190 < stage.clock.now() - began < 20_000

    def test_serving_without_pace_stands_still(self, stage):
        """With pace 0 only calls that wait move the clock."""
        began = stage.clock.now()

        assert stage.serve(within="100ms", pace=0) is None

        assert pytest.approx(began, abs=0.001) == stage.clock.now()

    def test_a_senseless_pace(self, stage):
        """It is refused by name."""
        with pytest.raises(UsageError, match=r"serve\(pace=-1\)"):
            stage.serve(pace=-1)

    @pytest.mark.usefixtures("interruptible")
    def test_serving_is_interrupted(self, stage):
        """Without a span it serves until Ctrl-C, and the world goes on."""
        import _thread

        with outside_the_world():
            alarm = threading.Timer(0.3, _thread.interrupt_main)
            alarm.start()

        assert stage.serve() is None

        with outside_the_world():
            alarm.join()
        assert stage.invoke("Worker", {"n": 1}).error is None

    def test_deaf_wait_hints_at_serving(self, stage):
        """A wait in virtual time cannot wait for another process; it says what can."""
        assert stage.endpoint_url
        with pytest.raises(ConditionNeverHeld, match=r"use stage.serve\(until=...\)"):
            stage.wait_until(lambda: count(stage))


class TestWaitingForReal:
    """More than one thing that is real at once."""

    def test_handlers_children_run_side_by_side(self, stage):
        """Threads of a test that wait for children wait together, and one of the children calls the stage."""
        from concurrent.futures import ThreadPoolExecutor

        script = f"import urllib.request as u; u.urlopen('{stage.endpoint_url}/files').read()"
        began = timeit.default_timer()
        with ThreadPoolExecutor(4) as pool:
            waits = [pool.submit(subprocess.run, ["sleep", "2"], check=True) for _ in range(3)]
            waits.append(pool.submit(subprocess.run, [sys.executable, "-c", script], check=True))
            codes = [wait.result().returncode for wait in waits]

        assert [0] * 4 == codes
        assert timeit.default_timer() - began < 5.5

    def test_a_call_meanwhile_does_not_disturb_one_that_takes_long(self, stage, start):
        """A function that sleeps for one caller is asleep while another is served."""
        slow = start(
            "import boto3; print(boto3.client('lambda').invoke(FunctionName='worker', Payload=b'{\"sleep\": 50}')['StatusCode'])"
        )
        quick = start(SEND, stage.ref("Idle"))

        assert 0 == quick.wait(timeout=30)
        assert "200\n" == slow.communicate(timeout=30)[0]
        assert 1 == len(stage.client("sqs").receive_message(QueueUrl=stage.ref("Idle"))["Messages"])

    def test_a_call_that_came_in_during_an_earlier_wait(self, stage, start, monkeypatch):
        """Time moves for it too: the test may wait for the very process that made it."""
        monkeypatch.setattr(gate_module, "GRACE_S", 1.5)
        slow = start(
            "import boto3; print(boto3.client('lambda').invoke(FunctionName='worker', Payload=b'{\"sleep\": 50}')['StatusCode'])"
        )
        until_somebody_knocks(stage)
        subprocess.run(["true"], check=True)
        assert stage.world.endpoint()._visits, "it was over before the second wait"

        assert "200\n" == slow.communicate(timeout=10)[0]

    def test_a_handler_whose_child_never_ends(self, stage):
        """It is stopped like every handler that is stuck, and the stage goes on after the next reset."""
        assert stage.endpoint_url
        stage.world.kernel.real_time_allowance_s = 0.5
        stage.module("Worker").handler = lambda event, context: subprocess.run(["sleep", "4"], check=True)

        with pytest.raises(HandlerStuck):
            stage.invoke("Worker")
        time.sleep(1)
        stage.reset()

        began = stage.clock.now()
        time.sleep(60)
        assert 60 == pytest.approx(stage.clock.now() - began)
        assert stage.invoke("Worker", {"n": 1}).error is None

    @pytest.mark.usefixtures("interruptible")
    def test_a_child_is_interrupted(self, stage):
        """Ctrl-C while a child runs reaches the test, and the child is killed."""
        import _thread

        assert stage.endpoint_url
        with outside_the_world():
            alarm = threading.Timer(0.5, _thread.interrupt_main)
            alarm.start()
        began = timeit.default_timer()

        with pytest.raises(KeyboardInterrupt):
            subprocess.run(["sleep", "20"], check=False)

        with outside_the_world():
            alarm.join()
        assert timeit.default_timer() - began < 10
        assert stage.invoke("Worker", {"n": 1}).error is None


class TestTurningAway:
    """A call is never left hanging."""

    def test_a_test_that_does_not_wait(self, stage, start):
        """After a bounded time the other process is told how to let the world run."""
        stage.world.endpoint().patience_s = 0.5
        process = start(
            """
            import boto3, sys
            from botocore.config import Config
            from botocore.exceptions import ClientError
            client = boto3.client("sqs", config=Config(retries={"total_max_attempts": 1}))
            try:
                client.get_queue_url(QueueName="idle")
            except ClientError as error:
                print(error.response["ResponseMetadata"]["HTTPStatusCode"], error)
            """
        )
        until_somebody_knocks(stage)
        ran_for_real(1.5)

        out, err = process.communicate(timeout=30)

        assert out.startswith("503 An error occurred (ServiceUnavailable) when calling the GetQueueUrl operation"), err
        for part in (
            "has run code of its own for 0.5 s",
            "subprocess.run()",
            "stage.settle()",
            "stage.serve()",
            stage.endpoint_url,
        ):
            assert part in out

    def test_a_world_that_works_is_waited_for(self, stage, start):
        """A handler that computes for longer than the patience lasts is not cut off."""
        stage.world.endpoint().patience_s = 0.3
        stage.module("Worker").handler = lambda event, context: ran_for_real(1.5)

        process = start("import boto3; print(boto3.client('lambda').invoke(FunctionName='worker')['StatusCode'])")
        out, err = process.communicate(timeout=30)

        assert "200\n" == out, err

    def test_between_tests(self, stage, start):
        """After a reset nobody is let in before the test asks for the URL; connections of before are closed."""
        process = start(KEPT_ALIVE, stdin=subprocess.PIPE)
        stage.serve(until=lambda: stage.journal.of_kind("call", resource="visitor"), within="30s")
        ran_for_real(0.3)
        before = stage.endpoint_url
        stage.reset()
        process.stdin.write("\n")
        process.stdin.flush()
        ran_for_real(0.5)
        process.stdin.write("\n")
        process.stdin.flush()

        out, err = process.communicate(timeout=30)

        assert 3 == len(out.splitlines()), (out, err)
        first, second, third = out.splitlines()
        assert first.startswith("200"), err
        assert second in ("RemoteDisconnected", "ConnectionResetError", "BrokenPipeError") or second.startswith("503")
        assert third.startswith("503")
        assert "has not asked for stage.endpoint_url" in third
        assert [] == stage.journal.of_kind("call")
        assert before == stage.endpoint_url

    def test_a_call_of_a_finished_test(self, stage, start):
        """A call that was under way when the test ended is told so, and does not reach the next test."""
        process = start(SEND, stage.ref("Jobs"))
        until_somebody_knocks(stage)
        stage.reset()
        stage.step_aside()

        out, err = process.communicate(timeout=60)
        stage.reset()

        assert "ServiceUnavailable" in err, out
        assert 0 == count(stage)
        assert [] == stage.journal.of_kind("call", resource="visitor")

    def test_an_error_of_the_stage_is_an_answer(self, stage, start, monkeypatch):
        """If a service breaks, the other process learns of it, and the journal too."""

        def broken(params):
            raise KeyError("oops")

        monkeypatch.setattr(stage.world.queues, "get_queue_url", broken)
        process = start(
            """
            import boto3
            from botocore.config import Config
            boto3.client("sqs", config=Config(retries={"total_max_attempts": 1})).get_queue_url(QueueName="idle")
            """
        )

        _, err = process.communicate(timeout=30)

        assert "(InternalFailure)" in err
        assert "KeyError: 'oops'" in err
        assert 1 == len(stage.journal.of_kind("warning", resource="visitor"))


class TestLife:
    """The server comes with the first use and goes with the stage."""

    def test_an_unused_endpoint_costs_nothing(self, stage):
        """No server, no thread, no gate in the kernel."""
        assert stage.world.kernel.gate is None
        assert [] == [thread.name for thread in threading.enumerate() if "endpoint" in thread.name]

    def test_it_is_on_the_loopback_only(self, stage):
        """Nobody else on the network can reach it."""
        assert stage.endpoint_url.startswith("http://127.0.0.1:")
        assert stage.endpoint_url == stage.endpoint_url

    def test_two_stages_have_two_endpoints(self, stage, tmp_path):
        """The stage that is not there cannot be asked for its URL."""
        outer = stage.endpoint_url
        with stagefright.open_stage("inner", template=tmp_path / "template.json") as inner:
            assert outer != inner.endpoint_url
            with pytest.raises(
                NotInWorld, match=r"stage\.endpoint_url was asked for while the stage 'endpoint' is not there"
            ):
                assert stage.endpoint_url
        assert stage.endpoint_url == outer

    def test_it_closes_with_a_connection_open(self, stage, start):
        """The stage goes at once and completely: no thread, no socket is left, and the client sees the end."""
        process = start(KEPT_ALIVE, stdin=subprocess.PIPE)
        stage.serve(until=lambda: stage.journal.of_kind("call", resource="visitor"), within="30s")
        ran_for_real(0.3)
        names = [thread.name for thread in threading.enumerate() if thread.name.startswith("stagefright")]

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            began = timeit.default_timer()
            stage.close()
            took_s = timeit.default_timer() - began
            gc.collect()

        assert any(name.endswith(": endpoint") for name in names), names
        assert any(": connection " in name for name in names), names
        assert took_s < 5
        assert [] == [
            thread.name for thread in threading.enumerate() if "connection" in thread.name or "endpoint" in thread.name
        ]
        out, _ = process.communicate("\n\n", timeout=30)
        assert out.splitlines()[0].startswith("200")
        assert out.splitlines()[1] in ("RemoteDisconnected", "ConnectionResetError", "BrokenPipeError")

    def test_the_world_is_as_deterministic_as_before(self, stage):
        """An endpoint that nobody calls changes nothing that happens."""

        def happenings():
            stage.client("sqs").send_message(QueueUrl=stage.ref("Jobs"), MessageBody="m")
            stage.settle()
            return [(record.at, record.kind, record.resource, record.detail) for record in stage.journal]

        stage.reset(seed="same")
        without = happenings()
        stage.reset(seed="same")
        assert stage.endpoint_url

        assert without == happenings()

    def test_nobody_is_cut_short_by_default(self):
        """The patience is well above what a test computes between two waits."""
        assert endpoint_module.PATIENCE_S >= 5
