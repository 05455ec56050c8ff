"""Runs of pytest on the target `aws`, with workers: one stage for all, deployed once, removed once, and nothing left."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from stagefright.fixtures.deployed import DeployedStages
from stagefright.fixtures.stage import Deployment
from stagefright.ledger import files

TESTS = """
import json, os
from pathlib import Path
import pytest

@pytest.mark.parametrize("n", range(6))
def test_the_stage_is_the_run_s(stage, listen, n):
    heard = listen.sns("News")
    name = heard.resource, stage.stack.id, os.environ["PYTEST_XDIST_WORKER"]
    Path(f"seen-{n}.json").write_text(json.dumps(name))
"""


@pytest.fixture
def project(pytester, account, monkeypatch):
    """A topic, and tests that listen to it; temporary files have a place of their own."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "STAGEFRIGHT_"))]:
        monkeypatch.delenv(name)
    (pytester.path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(pytester.path / "temporary"))
    pytester.makefile(".json", template=json.dumps({"Resources": {"News": {"Type": "AWS::SNS::Topic"}}}))
    settings = f'endpoint_url = "{account.endpoint_url}"\nservice = "shop"\ntemplate = "template.json"'
    pytester.makepyprojecttoml(f"[tool.stagefright]\n{settings}\n")
    pytester.makepyfile(TESTS)
    return pytester


def test_a_stage_that_could_not_be_stood_up_is_not_tried_again_for_each_test(monkeypatch):
    """A deployment takes minutes; the next test is told what the first was."""
    tried = []

    def fail(_self, settings):
        tried.append(settings.target)
        raise ZeroDivisionError

    monkeypatch.setattr(DeployedStages, "open", fail)
    settings = SimpleNamespace(directory=Path("/project"), target="aws")
    deployment = Deployment(SimpleNamespace(settings_of=lambda _: settings, id="run"), print)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            deployment.stage(None)
    assert tried == ["aws"]


def test_workers_share_one_stage_which_the_controller_removes(project, account):
    """The first worker deploys while the other waits; both attach to the same stack, and no process takes it from another."""
    result = project.runpytest_subprocess(
        "--stage=shared", "--stage-target=aws", "-n", "2", "--dist=each", "-p", "no:cacheprovider"
    )

    result.assert_outcomes(passed=12)
    seen = [json.loads(file.read_text()) for file in sorted(project.path.glob("seen-*.json"))]
    assert len(seen) == 6
    assert len({stack for _, stack, _ in seen}) == 1
    cloudformation = account.client("cloudformation")
    # moto keeps what was deleted: one stack was ever made.
    assert [one["StackStatus"] for one in cloudformation.list_stacks()["StackSummaries"]] == ["DELETE_COMPLETE"]
    assert account.client("sqs").list_queues().get("QueueUrls", []) == []
    assert files.ledgers_of(project.path) == []
    assert list((project.path / "temporary").glob("stagefright-*")) == []
