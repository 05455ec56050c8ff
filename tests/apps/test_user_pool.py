"""A pool of users on a local stage: made from the template, filled by test data, and empty again for the next test."""

from __future__ import annotations

import textwrap

import pytest

import stagefright
from stagefright.data import Data
from stagefright.errors import UsageError

TEMPLATE = """
    Resources:
      People:
        Type: AWS::Cognito::UserPool
        Properties: {Policies: {PasswordPolicy: {MinimumLength: 8}}, UserPoolTags: {team: shop}}
      Web:
        Type: AWS::Cognito::UserPoolClient
        Properties: {UserPoolId: !Ref People, ExplicitAuthFlows: [ALLOW_ADMIN_USER_PASSWORD_AUTH]}
      Admins:
        Type: AWS::Cognito::UserPoolGroup
        Properties: {UserPoolId: !Ref People, GroupName: admins}
    Outputs:
      Provider: {Value: !GetAtt People.ProviderName}
"""


@pytest.fixture
def stage(tmp_path):
    (tmp_path / "template.yaml").write_text(textwrap.dedent(TEMPLATE))
    with stagefright.open_stage("pool", template=tmp_path / "template.yaml", seed=1) as found:
        yield found


def users(stage):
    return [one["Username"] for one in stage.client("cognito-idp").list_users(UserPoolId=stage.ref("People"))["Users"]]


def test_a_user_signs_in(stage):
    """With the password that the test gave, at once, and in the groups that it named."""
    cognito, pool = stage.client("cognito-idp"), stage.ref("People")
    with Data(stage) as data:
        data.user("People", "amy", password="Secret-2026!", attributes={"email": "amy@example.test"}, groups=["admins"])

        signed_in = cognito.admin_initiate_auth(
            UserPoolId=pool,
            ClientId=stage.ref("Web"),
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": "amy", "PASSWORD": "Secret-2026!"},
        )
        groups = cognito.admin_list_groups_for_user(UserPoolId=pool, Username="amy")["Groups"]

        assert "AccessToken" in signed_in["AuthenticationResult"]
        assert [group["GroupName"] for group in groups] == ["admins"]

    assert users(stage) == []
    assert stage.outputs["Provider"] == f"cognito-idp.us-east-1.amazonaws.com/{pool}"


def test_a_user_that_is_there_gets_its_attributes_back(stage):
    """One at a time, and leaves the groups that it joined."""
    cognito, where = stage.client("cognito-idp"), {"UserPoolId": stage.ref("People"), "Username": "old"}
    email = [{"Name": "email", "Value": "old@example.test"}]
    cognito.admin_create_user(**where, UserAttributes=email, MessageAction="SUPPRESS")
    before = cognito.admin_get_user(**where)["UserAttributes"]
    with Data(stage) as data:
        data.user("People", "old", attributes={"email": "new@example.test", "nickname": "o"}, groups=["admins"])
        assert cognito.admin_get_user(**where)["UserAttributes"] != before
        with pytest.raises(UsageError, match="has a user 'old' already"):
            data.user("People", "old", password="Secret-2026!")

    assert cognito.admin_get_user(**where)["UserAttributes"] == before
    assert cognito.admin_list_groups_for_user(**where)["Groups"] == []


def test_a_reset_empties_the_pool(stage):
    """The next test begins with the pool as it was deployed."""
    Data(stage).user("People", "amy")
    assert users(stage) == ["amy"]
    stage.reset()

    assert users(stage) == []
