"""
The fixtures at work in a project, and what a failing test prints.

Each project runs in a process of its own: pytester's other way drops modules between runs, which the emulator's do not bear.
"""

from __future__ import annotations

PUBLISH = 'stage.client("sns").publish(TopicArn=stage.ref("Feed"), Message=\'{"author": "bob"}\')'


def test_a_rehearsal_from_stimulus_to_dead_letter(project, cold_start):
    """The example of the manual: three attempts on AWS's ladder, and the dead letter with its reason."""
    project.makepyfile(
        f"""
        def test_it(stage, listen, clock, journal):
            began, dead = clock.now(), listen.sqs("Dead")
            {PUBLISH}
            flow = stage.settle()
            assert flow.attempts("Worker").at == [0, 60, 180]
            assert flow.path == ["Feed", "Worker"]
            assert "table is down" in dead.expect().attributes["ErrorMessage"]
            dead.expect_no_more()
            assert clock.now() - began == 180
            assert journal[0].kind == "call"
        """
    )

    project.runpytest_subprocess().assert_outcomes(passed=1)


def test_every_test_begins_with_a_fresh_stage(project):
    """Messages, items, time and journal of one test are gone in the next."""
    project.makepyfile(
        f"""
        import pytest

        @pytest.mark.parametrize("n", [1, 2])
        def test_it(stage, clock, journal, n):
            assert len(journal) == 0
            assert clock.now() == 1767225600
            table, dead = stage.ref("Table"), stage.ref("Dead")
            assert stage.client("dynamodb").scan(TableName=table)["Items"] == []
            assert "Messages" not in stage.client("sqs").receive_message(QueueUrl=dead)
            stage.client("dynamodb").put_item(TableName=table, Item={{"id": {{"S": "x"}}}})
            {PUBLISH}
            stage.settle()
        """
    )

    project.runpytest_subprocess().assert_outcomes(passed=2)


def test_chance_depends_on_the_seed_and_the_test_alone(project):
    """The same test draws the same ids, alone or after others, and others with another seed."""
    project.makepyfile(
        f"""
        import pathlib

        def test_a(stage):
            {PUBLISH}

        def test_b(stage):
            reply = {PUBLISH}
            with pathlib.Path("ids.txt").open("a") as file:
                file.write(reply["MessageId"] + "\\n")
        """
    )
    for arguments in ([], ["-k", "test_b"], ["--chaos-seed=1"]):
        assert project.runpytest_subprocess(*arguments).ret == 0
    together, alone, other = (project.path / "ids.txt").read_text().split()

    assert together == alone
    assert together != other


def test_data_is_there_and_is_taken_away(project):
    """Items, objects, parameters, secrets and messages; what was overwritten comes back."""
    project.makepyfile(
        """
        from stagefright.data import Data

        def test_it(stage, data):
            table, bucket = stage.ref("Table"), stage.ref("Bucket")
            dynamodb, s3, ssm = stage.client("dynamodb"), stage.client("s3"), stage.client("ssm")
            secrets, sqs = stage.client("secretsmanager"), stage.client("sqs")
            data.items("Table", [{"id": "1", "price": 1.5, "tags": {"a"}}, {"id": "2", "deep": {"n": [1, None, True]}}])
            data.object("Bucket", "k", {"n": 1})
            data.parameter("/p", "first", secure=True)
            data.secret("s", {"user": "amy"})
            data.message("Dead", {"n": 1}, attributes={"kind": "x", "n": 3})
            with Data(stage) as inner:
                inner.item("Table", {"id": "1", "price": 2})
                inner.item("Table", {"id": "3"})
                inner.object("Bucket", "k", b"other")
                inner.parameter("/p", "second")
                inner.secret("s", "plain")
                assert ssm.get_parameter(Name="/p")["Parameter"]["Type"] == "SecureString"
            items = {item["id"]["S"]: item for item in dynamodb.scan(TableName=table)["Items"]}
            assert set(items) == {"1", "2"}
            assert items["1"]["price"] == {"N": "1.5"}
            assert items["2"]["deep"] == {"M": {"n": {"L": [{"N": "1"}, {"NULL": True}, {"BOOL": True}]}}}
            assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b'{"n": 1}'
            hidden = ssm.get_parameter(Name="/p", WithDecryption=True)["Parameter"]
            assert (hidden["Value"], hidden["Type"]) == ("first", "SecureString")
            assert secrets.get_secret_value(SecretId="s")["SecretString"] == '{"user": "amy"}'
            received = sqs.receive_message(QueueUrl=stage.ref("Dead"), MessageAttributeNames=["All"])["Messages"][0]
            assert received["Body"] == '{"n": 1}'
            assert received["MessageAttributes"]["n"] == {"DataType": "Number", "StringValue": "3"}
            data.clean_up()
            assert dynamodb.scan(TableName=table)["Items"] == []
            assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
            assert ssm.describe_parameters()["Parameters"] == []
            assert secrets.list_secrets()["SecretList"] == []
        """
    )

    project.runpytest_subprocess().assert_outcomes(passed=1)


def test_data_that_cannot_be_taken_away_is_reported_with_the_rest_done(project):
    """One piece that resists does not keep the others, and the report names it."""
    project.makepyfile(
        """
        def test_it(stage, data):
            data.object("Bucket", "k", "x")
            stage.client("dynamodb").put_item(TableName=stage.ref("Table"), Item={"id": {"S": "1"}})
            data.item("Table", {"id": "1"})
            stage.client("dynamodb").delete_table(TableName=stage.ref("Table"))
        """
    )
    result = project.runpytest_subprocess()

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["*1 of 2 pieces of test data could not be taken away:", "*item {'id': '1'} of Table: *"]
    )


class TestFailures:
    """What a failing test prints."""

    def test_a_miss_ends_in_the_tests_own_line_with_story_logs_and_replay(self, project):
        """Expectation, events, flow, hints; then the logs, and the command that runs the test again."""
        project.makepyfile(
            f"""
            def test_it(stage, listen):
                feed = listen.sns("Feed")
                {PUBLISH}
                feed.expect(message={{"author": "amy"}}, within="30s")
            """
        )
        result = project.runpytest_subprocess("--stage=my-feature", "--chaos-seed=7")

        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(
            [
                '>*feed.expect(message={"author": "amy"}, within="30s")',
                'E*No event on Feed matched message={"author": "amy"} within 30s.',
                "E*Feed has seen 1 event since the listener was armed, nearest first:",
                'E*message={"author": "bob"}',
                'E*message.author: wanted "amy", found "bob"',
                "E*Worker attempt 1: failed after * ms with ValueError: table is down",
                "E*It stopped at Worker.",
                "E*- Worker will be tried again at +60.000s: wait longer (within=...)",
                "*Stagefright: function logs*",
                '*Worker: working on {"author": "bob"}',
                "*Stagefright: run this test again*",
                "pytest test_a_miss*.py::test_it --stage=my-feature --chaos-seed=7",
            ]
        )
        result.stdout.no_fnmatch_line("*listeners.py*")
        result.stdout.no_fnmatch_line("*Stagefright: what happened in the stage*")

    def test_any_failure_shows_what_happened_in_the_stage(self, project):
        """An assertion of the user's own gets the flow beside it."""
        project.makepyfile(
            f"""
            def test_it(stage):
                {PUBLISH}
                assert stage.settle().dead_letters == []
            """
        )
        result = project.runpytest_subprocess()

        result.stdout.fnmatch_lines(
            [
                "*Stagefright: what happened in the stage*",
                "+0.000s     test called sns.Publish",
                "+60.000s * Worker attempt 2: failed *",
                "+180.000s * Dead keeps a dead letter of Worker (RetriesExhausted)",
            ]
        )

    def test_a_mistake_in_a_test_shows_the_tests_line_and_the_message(self, project):
        """Our frames say nothing to a user who misspelt a name."""
        project.makepyfile("def test_it(listen):\n    listen.sns('Fed')")
        result = project.runpytest_subprocess()

        result.stdout.fnmatch_lines([">*listen.sns('Fed')", "E*no AWS::SNS::Topic called 'Fed'. Did you mean Feed?*"])
        result.stdout.no_fnmatch_line("*listeners.py*")

    def test_an_event_that_is_not_json_shows_the_message_alone(self, project):
        """How `json` found out says nothing to a user."""
        project.makepyfile("def test_it(stage):\n    stage.invoke('Worker', {'at': object()})")
        result = project.runpytest_subprocess()

        result.stdout.fnmatch_lines(["E*UsageError: The event for Worker is not JSON: *", "E*Received: {'at': *"])
        for noise in ("*encoder.py*", "*direct cause*", "*During handling*"):
            result.stdout.no_fnmatch_line(noise)

    def test_a_mark_that_is_wrong_or_in_vain_shows_its_message_alone(self, project):
        """There is no line of the test to show, and nothing is hidden that would help."""
        project.makepyfile(
            """
            import pytest
            from stagefright.chaos import Failure

            @pytest.mark.chaos(Wroker=Failure("no power"))
            def test_unknown(stage): pass

            @pytest.mark.chaos(Worker=Failure("no power"))
            def test_in_vain(stage): pass
            """
        )
        result = project.runpytest_subprocess()

        result.assert_outcomes(failed=2)
        result.stdout.fnmatch_lines(
            [
                "E*UnknownResource: *Wroker*",
                "*Did you mean Worker?*",
                "E*FaultNeverFired: Worker=Failure(*",
            ]
        )
        result.stdout.no_fnmatch_line("*traceback entries are hidden*")


def test_a_passing_test_tells_its_story_when_asked(project):
    """`pytest -rP` prints the flow of what went well."""
    project.makepyfile(f"def test_it(stage):\n    {PUBLISH}")

    project.runpytest_subprocess("-rP").stdout.fnmatch_lines(
        ["*Stagefright: what happened in the stage*", "*sns.Publish"]
    )


class TestChaos:
    """The fixture `chaos` and its mark."""

    def test_a_mark_holds_while_the_test_runs(self, project):
        """As the block does; the fault of a test replaces that of its class for the same function."""
        project.makepyfile(
            f"""
            import pytest
            from stagefright.chaos import Failure, Latency

            @pytest.mark.chaos(Worker=Latency(delay_ms=400))
            class TestIt:
                def test_class(self, stage):
                    {PUBLISH}
                    assert stage.settle().attempts("Worker").at == [0, 60.4, 180.8]

                @pytest.mark.chaos(Worker=Failure("no power"))
                def test_method(self, stage):
                    {PUBLISH}
                    assert "no power" in stage.settle().errors[0].message

            def test_after(stage):
                {PUBLISH}
                assert stage.settle().errors[0].message == "table is down"
            """
        )

        project.runpytest_subprocess().assert_outcomes(passed=3)

    def test_a_mark_hurts_deliveries_too(self, project):
        """Also together with the fixture: a duplicate by the one is late by the other."""
        project.makepyfile(
            f"""
            import pytest
            from stagefright.chaos import Delay, Duplicate

            @pytest.mark.chaos(Feed=Duplicate())
            def test_it(stage, chaos, journal):
                began = stage.clock.now()
                with chaos(Feed=Delay(delay_ms=5_000)):
                    {PUBLISH}
                    stage.settle()
                assert len(journal.of_kind("invocation", resource="Worker")) == 2 * 3
                assert journal.of_kind("invocation")[0].at - began == 5

            def test_after(stage, journal):
                {PUBLISH}
                assert stage.settle().attempts("Worker").at == [0, 60, 180]
            """
        )

        project.runpytest_subprocess().assert_outcomes(passed=2)

    def test_the_fixture_hurts_inside_its_block_only(self, project):
        """What happens after the block is not hurt."""
        project.makepyfile(
            f"""
            from stagefright.chaos import Failure

            def test_it(stage, chaos):
                with chaos(Worker=Failure("no power")):
                    {PUBLISH}
                    assert "no power" in stage.settle().errors[0].message
                {PUBLISH}
                assert stage.settle().errors[0].message == "table is down"
            """
        )

        project.runpytest_subprocess().assert_outcomes(passed=1)

    def test_a_mark_that_struck_nothing_fails_the_test(self, project):
        """A test that passes because its fault never fired proves nothing."""
        project.makepyfile(
            """
            import pytest
            from stagefright.chaos import Failure

            @pytest.mark.chaos(Worker=Failure("no power"))
            def test_it(stage): pass

            @pytest.mark.chaos(Worker=Failure("no power"))
            def test_that_uses_no_stage(): pass
            """
        )
        result = project.runpytest_subprocess()

        result.assert_outcomes(failed=2)
        result.stdout.fnmatch_lines(
            ["E*FaultNeverFired: Worker=Failure(*", "E*has the mark `chaos`, and does not use the fixture `stage`*"]
        )


def test_a_run_is_distributed_with_a_world_per_worker(project):
    """Under pytest-xdist each worker stands up its own stage, and the tests draw what they draw alone."""
    project.makepyfile(
        f"""
        import pytest

        @pytest.mark.parametrize("n", range(4))
        def test_it(stage, listen, n):
            dead = listen.sqs("Dead")
            {PUBLISH}
            dead.expect()
        """
    )

    project.runpytest_subprocess("-n2").assert_outcomes(passed=4)


def test_tests_of_several_projects_run_in_one_session(project):
    """Each directory with settings of its own has its own stage; a test gets that of its file."""
    for name in ("one", "two"):
        (project.mkdir(name) / "pyproject.toml").write_text(f'[tool.stagefright]\nservice = "{name}"')
        (project.path / name / "template.yaml").write_text(f"Resources: {{T{name}: {{Type: AWS::SNS::Topic}}}}")
        (project.path / name / f"test_{name}.py").write_text(
            f"def test_a(stage): assert set(stage.resources) == {{'T{name}'}}\n"
            f"def test_b(stage): stage.client('sns').publish(TopicArn=stage.ref('T{name}'), Message='x')\n"
        )

    project.runpytest_subprocess().assert_outcomes(passed=4)


def test_what_a_test_does_to_its_clients_does_not_change_the_stage(project):
    """A stub that a test leaves behind answers the test, and not the stage's own errands."""
    project.makepyfile(
        """
        from botocore.stub import Stubber

        def test_it(stage):
            for service in ("lambda", "kinesis", "s3", "ssm", "secretsmanager"):
                assert stage.client(service) is stage.client(service)
                assert stage.client(service) is not stage.world.internal_client(service)
            Stubber(stage.client("lambda")).activate()
            assert stage.invoke("Worker", {"Records": [{"Sns": {"Message": "x"}}]}).error == "ValueError"
        """
    )

    project.runpytest_subprocess().assert_outcomes(passed=1)
