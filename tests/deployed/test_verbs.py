"""The verbs `up`, `status` and `down`: a deployed stage that runs of tests attach to and leave."""

from __future__ import annotations

import json
import os

import pytest

from stagefright.fixtures.cli import main
from stagefright.ledger import files

TEMPLATE = {
    "Resources": {"News": {"Type": "AWS::SNS::Topic"}},
    "Outputs": {"NewsArn": {"Value": {"Ref": "News"}}},
}


@pytest.fixture
def verb(account, tmp_path, monkeypatch, capsys):
    """Run a verb in a project whose settings lead to the account; gives what it says."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "STAGEFRIGHT_"))]:
        monkeypatch.delenv(name)
    (tmp_path / "template.json").write_text(json.dumps(TEMPLATE))
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.stagefright]\nendpoint_url = "{account.endpoint_url}"\nservice = "shop"\ntemplate = "template.json"\n'
    )
    monkeypatch.chdir(tmp_path)

    def verb(name, *options, stage="dev", code=0):
        ended = main([name, "--stage", stage, *options])
        said = capsys.readouterr()
        assert ended == code, said
        return said.out + said.err

    return verb


def stacks(account):
    return [one["StackName"] for one in account.client("cloudformation").describe_stacks()["Stacks"]]


def test_up_status_down(verb, account, tmp_path):
    """It stays until it is taken away, and the ledger has nothing left to undo then."""
    assert "there is no stack shop-dev" in verb("status")
    said = verb("up")
    assert "Stage dev is up: stack shop-dev, 1 resource." in said
    assert "NewsArn = arn:aws:sns:" in said
    assert stacks(account) == ["shop-dev"]
    told = verb("status")
    assert "Stage dev (account 123456789012, us-east-1):\n  stack shop-dev is " in told
    assert "_COMPLETE\n    owner " in told
    assert "kept until 20" in told
    assert "The project has another" not in told
    assert "creating" not in verb("up")

    assert "Stage dev is gone." in verb("down")
    assert stacks(account) == []
    assert files.ledgers_of(tmp_path) == []
    assert "There was no stage dev." in verb("down")


def test_what_others_deployed_is_left_alone(verb, account):
    """Without our tags it is somebody's."""
    account.client("cloudformation").create_stack(StackName="shop-dev", TemplateBody=json.dumps(TEMPLATE))
    assert "not deployed by Stagefright" in verb("status")
    assert "It was left alone" in verb("down", code=2)
    told = verb("up", code=2)
    assert (
        "is there, and was not deployed by Stagefright: it has no tag stagefright:stage=dev. It was left as it is."
        in told
    )
    assert "updating" not in told
    assert stacks(account) == ["shop-dev"]


@pytest.mark.parametrize("pattern", ["d*", "123456789012"], ids=["stage", "account"])
def test_what_is_protected_is_neither_deployed_nor_removed(verb, account, tmp_path, pattern):
    """By the name of the stage, or by its account."""
    verb("up")
    with (tmp_path / "pyproject.toml").open("a") as settings:
        settings.write(f'protected = ["{pattern}"]\n')
    assert "is protected" in verb("down", code=2)
    assert stacks(account) == ["shop-dev"]
    assert "is protected" in verb("up", stage="d2", code=2)
    assert stacks(account) == ["shop-dev"]


def test_a_local_stage_has_no_life_of_its_own(verb, tmp_path):
    """Nor has a container of ours."""
    (tmp_path / "pyproject.toml").write_text("[tool.stagefright]\n")
    assert "ends with it" in verb("up", "--target", "local", code=2)
    assert "starts an emulator of its own" in verb("up", "--target", "docker", code=2)


def test_a_lease_that_is_none(verb):
    """What would be swept at once is no stage that stays."""
    assert "--lease 0: a stage is kept for some time" in verb("up", "--lease", "0", code=2)
    assert "soon" in verb("up", "--lease", "soon", code=2)
