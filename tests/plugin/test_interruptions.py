"""What becomes of a stage when a run ends before its time, and of its clients outside of it: nothing ever reaches AWS."""

from __future__ import annotations

import pytest

NOTHING_IS_SENT = """
import signal

# A process that was started in the background, as CI may be, ignores SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
import pathlib
import botocore.httpsession

def send(_session, request):
    pathlib.Path(__file__).with_name("sent.txt").write_text(f"{request.method} {request.url}")
    raise AssertionError(f"sent {request.method} {request.url}")

botocore.httpsession.URLLib3Session.send = send
"""

ENDINGS = {
    "ctrl_c": "raise KeyboardInterrupt",
    "exit": "pytest.exit('enough')",
    "quitting_pdb": "raise __import__('bdb').BdbQuit",
}


@pytest.fixture
def guarded(project, monkeypatch):
    """The project, in a process that cannot send anything; real credentials lie about."""
    project.makeconftest(NOTHING_IS_SENT)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREAL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return project


def sent(project):
    """What was sent, if anything."""
    file = project.path / "sent.txt"
    return file.read_text() if file.exists() else None


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_fixtures_are_torn_down_inside_the_stage_when_a_run_is_interrupted(guarded, ending):
    """The stage outlives every fixture, so what they do at the end meets the stage and not AWS."""
    guarded.makepyfile(
        f"""
        import boto3, pathlib, pytest

        @pytest.fixture
        def mine(stage):
            yield
            tables = boto3.client("dynamodb").list_tables()["TableNames"]
            pathlib.Path(__file__).with_name("torn.txt").write_text(tables[0])

        def test_it(stage, data, mine, chaos):
            data.item("Table", {{"id": "1"}})
            data.object("Bucket", "k", "x")
            {ending}

        def test_never_reached(stage):
            assert False
        """
    )
    result = guarded.runpytest_subprocess()

    assert sent(guarded) is None
    assert (guarded.path / "torn.txt").read_text().startswith("test-")
    output = result.stdout.str() + result.stderr.str()
    assert "ClientError" not in output
    assert "NotInWorld" not in output
    assert "INTERNALERROR" not in output
    assert "Traceback" not in output
    if "Quit" not in ending:
        assert result.ret == pytest.ExitCode.INTERRUPTED


def test_ctrl_c_while_a_handler_runs_ends_the_run(guarded):
    """The interrupt comes from outside, in the middle of the stage's work."""
    guarded.makefile(
        ".yaml",
        template="""
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties: {AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: []}}
  Bucket:
    Type: AWS::S3::Bucket
  Slow:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      Role: !GetAtt Role.Arn
      Code:
        ZipFile: |
          def handler(event, context):
              open(event["here"], "w").close()
              n = 0
              while n < 100_000_000:
                  n += 1
""",
    )
    guarded.makepyfile(
        """
        import os, pathlib, signal, threading, time

        HERE = pathlib.Path(__file__).with_name("running.txt")
        MOMENT = threading.Event()

        def press_ctrl_c():
            while not HERE.exists():
                MOMENT.wait(0.05)
            os.kill(os.getpid(), signal.SIGINT)

        # Started outside of the stage, as a person sits there.
        threading.Thread(target=press_ctrl_c, daemon=True).start()

        def test_it(stage, data):
            data.object("Bucket", "k", "x")
            stage.invoke("Slow", {"here": str(HERE)})
        """
    )
    result = guarded.runpytest_subprocess(timeout=60)

    assert sent(guarded) is None
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()


def test_a_client_of_the_stage_refuses_outside_of_it(guarded):
    """Between tests and after the stage is gone; clients that a stage test made with boto3 as much as the stage's own."""
    guarded.makepyfile(
        """
        import boto3, pytest
        from stagefright.errors import NotInWorld

        clients = []

        def test_inside(stage):
            clients.extend([stage.client("dynamodb"), boto3.client("dynamodb"), boto3.client("s3")])
            clients.append(boto3.resource("sqs").meta.client)
            clients.append(stage.client("lambda"))

        def calls():
            dynamodb, default, s3, sqs, functions = clients
            return [dynamodb.list_tables, default.list_tables, s3.list_buckets, sqs.list_queues, functions.list_functions]

        def test_outside():
            for call in calls():
                with pytest.raises(NotInWorld, match="outside of its stage"):
                    call()

        def test_after_the_stage_is_gone(request):
            from stagefright.fixtures.stage import close_stage
            close_stage(request.config)
            test_outside()
        """
    )
    result = guarded.runpytest_subprocess()

    assert sent(guarded) is None
    result.assert_outcomes(passed=3)


def test_other_clients_work_outside_of_the_stage(guarded, cold_start):
    """Only the stage's own credentials are worthless; a request with the user's own is none of our business."""
    guarded.makepyfile(
        """
        import boto3, pytest

        def test_inside(stage): pass

        def test_outside():
            with pytest.raises(AssertionError, match="sent POST https://dynamodb.us-east-1.amazonaws.com/"):
                boto3.client("dynamodb").list_tables()
        """
    )

    guarded.runpytest_subprocess().assert_outcomes(passed=2)


def test_data_has_nothing_to_take_away_from_a_stage_that_was_left(guarded):
    """A stage that was closed or left took its data along."""
    guarded.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("leave", ["step_aside", "close"])
        def test_it(stage, data, leave):
            data.item("Table", {"id": "1"})
            getattr(stage, leave)()
        """
    )
    result = guarded.runpytest_subprocess()

    assert sent(guarded) is None
    result.assert_outcomes(passed=2)
