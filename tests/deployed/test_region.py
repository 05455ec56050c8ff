"""In which region a deployed stage is, when nobody set one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from stagefright.settings import load_settings
from stagefright.targets.region import region_of

APPS = Path(__file__).parents[1] / "apps"


@pytest.fixture
def region(monkeypatch, tmp_path):
    """The region of a project, by the variables and the profile of whoever runs this."""
    config = tmp_path / "config"
    config.write_text("[profile shop]\nregion = eu-north-1\n")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))

    def region(variables=None, app=None, **given):
        project = tmp_path / "project"
        shutil.copytree(APPS / app, project, dirs_exist_ok=True) if app else project.mkdir(exist_ok=True)
        for name, value in (variables or {}).items():
            monkeypatch.setenv(name, value)
        return region_of(load_settings(project, "x", {"target": "aws", **given}, {}))

    return region


@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_environment_says_it(region, variable):
    """As for every other program that asks AWS; a setting wins."""
    assert region() == "us-east-1"
    assert region({variable: "eu-west-3"}) == "eu-west-3"
    assert region(profile="shop") == "eu-west-3"
    assert region(region="eu-west-2") == "eu-west-2"


def test_the_profile_says_it(region):
    """One that is not there says nothing; who asks the account with it is told."""
    assert region(profile="shop") == "eu-north-1"
    assert region(profile="nope") == "us-east-1"


def test_the_project_says_it(region):
    """As on the local target, and before the environment: `sls deploy` would go there too."""
    assert region({"AWS_REGION": "eu-west-3"}, app="sls_orders") == "eu-west-1"


def test_an_emulator_is_not_asked_as_aws_is(region):
    """What is set for AWS is not meant for it."""
    assert region({"AWS_REGION": "eu-west-3"}, profile="shop", endpoint_url="http://127.0.0.1:4566") == "us-east-1"
