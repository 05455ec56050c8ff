"""What a slip in a test is told by the real stage: at once, and with what was meant."""

from __future__ import annotations


def test_slips_are_told_at_once(project):
    """Names, keys, types and units, each with its message; and what is right next to it passes."""
    project.makepyfile(
        """
        import pytest
        from stagefright.errors import UsageError
        from stagefright.chaos import Latency

        def test_data(data, stage):
            for item in ({}, {"id": 1}):
                with pytest.raises(UsageError, match="Table's key is id; id is (missing|1 and should be text)"):
                    data.item("Table", item)
            for name in ("Tabel", "Bukket"):
                with pytest.raises(UsageError, match="There is no parameter '.*'. Did you mean (Table|Bucket)?"):
                    data.parameter(name, "x")
                with pytest.raises(UsageError, match="There is no secret '.*'. Did you mean (Table|Bucket)?"):
                    data.secret(name, "x")
            with pytest.raises(UsageError, match="The parameter rate is text, not {}"):
                data.parameter("rate", {})
            with pytest.raises(UsageError, match="Table cannot hold at = <object"):
                data.item("Table", {"id": "a", "at": object()})
            with pytest.raises(UsageError, match="Table is an AWS::DynamoDB::Table, and an object is put into an AWS::S3"):
                data.object("Table", "key", "x")
            with pytest.raises(UsageError, match="Table is an AWS::DynamoDB::Table, and a message is sent to an AWS::SQS::Queue"):
                data.message("Table", "x")
            with pytest.raises(UsageError, match="Table is an .*, and a user is made in an AWS::Cognito::UserPool"):
                data.user("Table", "amy")
            with pytest.raises(UsageError, match="Bucket is an .*, and an item is put into an .*The stage has: Table"):
                data.item("Bucket", {"id": "a"})
            data.parameter("rate", 0.1)
            data.parameter("/shop/Tabel", "x")
            assert stage.client("ssm").get_parameter(Name="rate")["Parameter"]["Value"] == "0.1"

        def test_stage(stage, listen):
            with pytest.raises(UsageError, match="boto3 has no service 'dynamo'. Did you mean dynamodb?"):
                stage.client("dynamo")
            with pytest.raises(UsageError, match="flow.. takes an event.*not None"):
                stage.flow(None)
            with pytest.raises(ImportError, match="Worker has no module 'indx'.*Did you mean index.*Known: index"):
                stage.module("Worker", "indx")
            with pytest.raises(UsageError, match="Did you mean Worker"):
                stage.settle().attempts("Workr")
            with pytest.raises(UsageError, match="until=5.: until is a function"):
                stage.serve(until=5)
            before = len(stage.journal)
            with pytest.raises(UsageError, match="Table has no StreamSpecification"):
                listen.dynamodb("Table")
            assert len(stage.journal) == before
            table = stage.ref("Table")
            stage.client("dynamodb").update_table(
                TableName=table, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
            )
            assert listen.dynamodb("Table").events == []
            stage.client("dynamodb").update_table(TableName=table, StreamSpecification={"StreamEnabled": False})
            with pytest.raises(UsageError, match="Table has no StreamSpecification"):
                listen.dynamodb("Table")

        def test_answer(stage):
            shown = repr(stage.invoke("Worker", {}))
            assert "error='KeyError'" in shown and "log=" not in shown

        def test_fault():
            with pytest.raises(UsageError, match=r"by name:\\s+- say Latency.delay_ms=400."):
                Latency(400)
        """
    )

    project.runpytest_subprocess().assert_outcomes(passed=4)


def test_the_clock_lets_the_stage_run(project):
    """Nothing that is due is skipped, so the ladder is AWS's; there is no way to skip it."""
    project.makepyfile(
        """
        import pytest, time

        @pytest.mark.parametrize("way", ["advance", "sleep"])
        def test_it(stage, clock, way):
            began = clock.now()
            stage.client("sns").publish(TopicArn=stage.ref("Feed"), Message="x")
            stage.clock.advance("1h") if way == "advance" else time.sleep(3600)
            assert (clock.now() - began, clock.now_ms(), clock.iso()[11:16]) == (3600, int(clock.now() * 1000), "01:00")
            assert stage.settle().attempts("Worker").at == [0, 60, 180]
            with pytest.raises(AttributeError, match="no 'move_to'.*advance"):
                clock.move_to(0)
        """
    )

    project.runpytest_subprocess().assert_outcomes(passed=2)
