"""The sweep, as users run it: `stagefright sweep` in a process of its own, against an account behind an endpoint."""

from __future__ import annotations

import io
import re
import sys
import time
import zipfile

import pytest

from stagefright.chaos import Failure, merge, parse
from stagefright.chaos.flags import AT_REST, is_at_rest

OLD = "/stagefright/my-feature/Worker"
OTHER = "/stagefright/other/Worker"
HELD = "/stagefright/my-feature/Writer"
OWN = "/shop/failure-lambda"


def flag(owner, *, lease_s):
    return merge([Failure("down")], owner=owner, run=f"run-of-{owner}", expires=time.time() + lease_s)


@pytest.fixture
def leftovers(account):
    """Two flags whose lease ran out, one that is held, and things that are none of ours."""
    account.put(OLD, flag("amy", lease_s=-60))
    account.put(OTHER, flag("bob", lease_s=-60))
    account.put(HELD, flag("carl", lease_s=600))
    account.put("/stagefright/my-feature/Note", "not a flag")
    account.put("/shop/rate", "0.93")
    return account.parameters


@pytest.fixture
def function_with_own_parameter(account):
    """A function that reads its flag with failure-lambda, from a parameter of its own."""
    role = account.client("iam").create_role(RoleName="role", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("index.js", "")
    account.client("lambda").create_function(
        FunctionName="shop",
        Runtime="nodejs20.x",
        Role=role,
        Handler="index.handler",
        Code={"ZipFile": code.getvalue()},
        Environment={"Variables": {"FAILURE_INJECTION_PARAM": OWN}},
    )


@pytest.fixture
def sweep(account, tmp_path, nursery):
    """Run the sweep; gives what it prints."""

    def sweep(*arguments, code=0):
        command = [sys.executable, "-m", "stagefright.fixtures.cli", "sweep", *arguments]
        done = nursery.run(command, cwd=tmp_path, env=account.variables)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    return sweep


def test_says_what_it_would_do_and_does_nothing(sweep, leftovers, account):
    """Without --yes nothing is changed; owner, run and expiry are told."""
    told = sweep()

    assert "2 of 3 flags outlived their lease" in told
    assert re.search(
        rf"  stage my-feature, run run-of-amy of amy, lease until 20\S+Z:\n    would be put to rest  flag {OLD}\n", told
    )
    assert HELD not in told
    assert account.parameters == leftovers


def test_removes_what_ran_out_and_nothing_else(sweep, leftovers, account):
    """A flag that is held, and what is no flag, stay as they are."""
    sweep("--yes")

    assert account.parameters == {name: text for name, text in leftovers.items() if name not in (OLD, OTHER)}
    assert "0 of 1 flags" in sweep("--yes")


def test_of_one_stage(sweep, leftovers, account):
    """The others' leftovers stay."""
    sweep("--yes", "--stage", "my-feature")

    assert set(leftovers) - set(account.parameters) == {OLD}


@pytest.mark.usefixtures("function_with_own_parameter")
def test_a_functions_own_parameter_stays_and_injects_nothing(sweep, account):
    """failure-lambda knows no leases: its parameter gets the value that is off for every reader, 1.x included."""
    account.put(OWN, flag("amy", lease_s=-60))

    assert OWN in sweep("--yes")

    assert account.parameters[OWN] == AT_REST
    assert is_at_rest(AT_REST)
    assert not parse(AT_REST).is_on
    assert '"latency": {"enabled": true, "percentage": 0' in AT_REST


def test_an_account_that_is_not_allowed(sweep, leftovers, account, tmp_path):
    """The setting `accounts` keeps the sweep out of any other account."""
    (tmp_path / "pyproject.toml").write_text('[tool.stagefright]\naccounts = ["999999999999"]\n')

    told = sweep("--yes", code=2)

    assert "the setting `accounts` allows 999999999999" in told
    assert account.parameters == leftovers


def test_an_endpoint_that_nobody_answers(sweep):
    """A message, and no traceback."""
    assert "AWS could not be asked" in sweep("--endpoint-url", "http://127.0.0.1:9", code=2)


def test_an_unknown_profile(sweep):
    """The same."""
    assert "nobody" in sweep("--profile", "nobody", code=2)
