"""A deployed stage under pytest that is kept, or cannot be made; and what the verbs of the command line refuse."""

from __future__ import annotations

import json
import sys

import pytest

from stagefright.fixtures import cli

TEMPLATE = "Resources: {Jobs: {Type: AWS::SQS::Queue}, Notes: {Type: AWS::SNS::Topic}}"

TESTS = """
    import pytest

    @pytest.mark.parametrize("n", range(6))
    def test_it(stage, listen, n):
        notes = listen.sns("Notes")
        stage.client("sns").publish(TopicArn=stage.arn("Notes"), Message=f"from test {n}")
        assert notes.expect(message=f"from test {n}", within="60s").message == f"from test {n}"
"""


@pytest.fixture
def project(pytester, ministack, monkeypatch):
    """A project whose stage lives in MiniStack."""
    pytester.makefile(".yaml", template=TEMPLATE)
    pytester.makepyprojecttoml(
        f"""
        [tool.stagefright]
        target = "aws"
        service = "once"
        endpoint_url = "{ministack.endpoint_url}"
        quiet = "1s"
        [tool.pytest.ini_options]
        """
    )
    pytester.makepyfile(test_it=TESTS)
    monkeypatch.chdir(pytester.path)
    return pytester


@pytest.fixture
def stacks(ministack):
    """The states of the stack of a stage, by name."""

    def stacks():
        found = ministack.client("cloudformation").list_stacks()["StackSummaries"]
        return {one["StackName"]: one["StackStatus"] for one in found if one["StackStatus"] != "DELETE_COMPLETE"}

    return stacks


def run(project, *arguments):
    return project.run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments, timeout=180)


def test_a_stage_can_be_kept(project, stacks):
    """The next run attaches to it, and leaves it alone; `stagefright down` removes it."""
    kept = run(project, "--stage=kept", "--keep-stage", "-k", "it[0]")
    kept.assert_outcomes(passed=1)
    kept.stdout.fnmatch_lines(["*stage kept is kept: its stack stays*"])
    assert stacks()["once-kept"] == "CREATE_COMPLETE"

    again = run(project, "--stage=kept", "-k", "it[0]")
    again.assert_outcomes(passed=1)
    assert "creating the stack" not in again.stdout.str()
    assert "once-kept" in stacks()

    assert cli.main(["down", "--stage", "kept"]) == 0
    assert "once-kept" not in stacks()


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["one process", "workers"])
def test_a_stage_that_a_command_deployed_goes_with_its_run(project, stacks, arguments):
    """Whichever process ran the command: it is tagged, and nothing of it is left."""
    project.makepyfile(
        deploy="""
        import sys, boto3
        boto3.client("cloudformation").create_stack(StackName=sys.argv[1], TemplateBody=open("template.yaml").read())
        """,
        test_tags="""
        def test_tags(stage):
            found = stage.client("cloudformation").describe_stacks(StackName=stage.stack.name)["Stacks"][0]["Tags"]
            assert {"Key": "stagefright:stage", "Value": "made"} in found
        """,
    )
    file = project.path / "pyproject.toml"
    deploy = f"deploy = '{sys.executable} deploy.py {{stack_name}}'"
    file.write_text(file.read_text().replace("[tool.stagefright]", f"[tool.stagefright]\n{deploy}", 1))

    run(project, "--stage=made", "test_tags.py", *arguments).assert_outcomes(passed=1)
    assert "once-made" not in stacks()
    assert list((project.path / ".stagefright" / "ledger").glob("*.jsonl")) == []


def test_a_stack_that_cannot_be_made_ends_the_run_with_its_reason(project):
    """No traceback of ours; the failed resource and its reason are named."""
    bad = {"Resources": {"Fn": {"Type": "AWS::Lambda::Function", "Properties": {"Code": {"ZipFile": "x"}}}}}
    (project.path / "template.yaml").write_text(json.dumps(bad))

    result = run(project, "--stage=bad")

    assert result.ret != 0
    text = result.stdout.str() + result.stderr.str()
    assert "Traceback" not in text
    assert "once-bad" in text


class TestVerbs:
    """`stagefright up`, `status` and `down`."""

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["up", "--stage", "x", "--target", "local"], "A local stage lives in a run of pytest and ends with it"),
            (["up", "--stage", "No!"], "A stage cannot be called 'No!'"),
            (["up", "--stage", "prod"], "protected"),
            (
                ["status", "--stage", "x", "--endpoint-url", "http://127.0.0.1:9"],
                "nothing answers at http://127.0.0.1:9",
            ),
        ],
    )
    @pytest.mark.usefixtures("project")
    def test_what_cannot_be_done_is_said(self, capsys, arguments, message):
        """One line, exit code 2."""
        assert cli.main(arguments) == 2
        assert message in capsys.readouterr().err
