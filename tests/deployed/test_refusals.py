"""What AWS, or the way to it, refuses ends in one message that names the next step; asked over real HTTP."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

from stagefright.errors import AccountRefused, SettingsError, TargetError, Unreachable, UsageError
from stagefright.fixtures import cli
from stagefright.settings import load_settings
from stagefright.targets import opening
from stagefright.targets.account import Account
from stagefright.targets.refusals import explain

WHO = "123456789012"
NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
IDENTITY = (
    f"<GetCallerIdentityResponse xmlns='{NAMESPACE}'><GetCallerIdentityResult><Arn>arn:aws:iam::{WHO}:user/amy</Arn>"
    f"<UserId>U</UserId><Account>{WHO}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
)
NO_STACK = ("ValidationError", "Stack with id shop-t does not exist", 400)


class Answers(BaseHTTPRequestHandler):
    """Says what it is told to for each operation of the query protocol; to all else, HTTP 200 with nothing."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        action = parse_qs(body).get("Action", ["-"])[0]
        self.server.asked.append(action)
        self.server.keys.append(self.headers.get("Authorization", ""))
        said = self.server.answers.get(action, IDENTITY if action == "GetCallerIdentity" else "")
        if isinstance(said, tuple):
            code, message, status = said
            said = (
                f"<ErrorResponse xmlns='{NAMESPACE}'><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
                "<RequestId>1</RequestId></ErrorResponse>"
            )
        else:
            status = 200
        self.send_response(status)
        self.end_headers()
        self.wfile.write(said.encode())

    do_GET = do_HEAD = do_PUT = do_POST  # noqa: N815 (http.server calls them so)

    def log_message(self, *_):
        pass


@pytest.fixture
def aws(monkeypatch, tmp_path):
    """An AWS of a few sentences, and a user with keys to it and no others."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.answers, server.asked, server.keys = {}, [], []
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    clean(monkeypatch, tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAAMY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    yield server
    server.shutdown()
    server.server_close()


def clean(monkeypatch, tmp_path):
    """Nothing of whoever runs this."""
    import os

    for name in os.environ:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    (tmp_path / "template.yaml").write_text("Resources: {Queue: {Type: AWS::SQS::Queue}}")


def open_stage(tmp_path, **given):
    name = given.pop("name", "t")
    settings = load_settings(tmp_path, name, {"target": "aws", "service": "shop", **given}, {})
    return opening.open_deployed(name, settings)


@pytest.mark.parametrize(
    ("code", "message", "status", "next_step"),
    [
        (
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
            403,
            "aws sts get-caller-identity",
        ),
        (
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match",
            403,
            "The keys that the SDK finds",
        ),
        ("UnrecognizedClientException", "The security token is invalid", 400, "choose another profile"),
        ("ExpiredToken", "The security token included in the request is expired", 403, "aws sso login"),
        ("ExpiredTokenException", "The security token is expired", 400, "have run out"),
        ("RequestExpired", "Request has expired.", 400, "have run out"),
        ("SignatureDoesNotMatch", "Signature expired: 1 is now earlier than 2", 403, "The clock of this machine"),
        ("OptInRequired", "The AWS Access Key Id needs a subscription", 403, "Enable it for the account"),
    ],
)
def test_credentials_that_aws_does_not_take(aws, tmp_path, code, message, status, next_step):
    """What AWS said, and what to do about it; nothing else was asked of it."""
    aws.answers["GetCallerIdentity"] = (code, message, status)
    with pytest.raises(AccountRefused, match=r"Could not ask who owns the credentials") as refused:
        open_stage(tmp_path)
    assert code in str(refused.value)
    assert next_step in str(refused.value)
    assert set(aws.asked) == {"GetCallerIdentity"}


def test_a_missing_permission_is_named_with_its_action_and_resource(aws, tmp_path):
    """So that it can be added to a policy."""
    denial = (
        f"User: arn:aws:iam::{WHO}:user/amy is not authorized to perform: cloudformation:DescribeStacks on resource: "
        f"arn:aws:cloudformation:us-east-1:{WHO}:stack/shop-t/* because no identity-based policy allows the "
        "cloudformation:DescribeStacks action"
    )
    aws.answers["DescribeStacks"] = ("AccessDenied", denial, 403)
    with pytest.raises(AccountRefused) as refused:
        open_stage(tmp_path)
    assert str(refused.value).splitlines()[-1] == (
        f"What is missing is the permission cloudformation:DescribeStacks on arn:aws:cloudformation:us-east-1:{WHO}:stack/shop-t/*; "
        f"no policy allows it to arn:aws:iam::{WHO}:user/amy. Add it to their policy, or choose another profile."
    )


def test_a_missing_permission_in_the_middle_of_a_deployment(aws, tmp_path):
    """The stack was not there and could not be made: the change set is what is missing."""
    aws.answers["DescribeStacks"] = NO_STACK
    aws.answers["CreateChangeSet"] = (
        "AccessDenied",
        "User: amy is not authorized to perform: cloudformation:CreateChangeSet on resource: * with an explicit deny in a service control policy",
        403,
    )
    with pytest.raises(
        AccountRefused, match=r"the permission cloudformation:CreateChangeSet on .*; an explicit deny forbids it"
    ):
        open_stage(tmp_path)
    assert aws.asked[-1] in ("DescribeStacks", "CreateChangeSet", "DeleteStack")


def test_a_denial_without_an_action_names_the_call(aws, tmp_path):
    """S3 and others say no more than that it is forbidden."""
    aws.answers["DescribeStacks"] = ("AccessDenied", "Access Denied", 403)
    with pytest.raises(AccountRefused, match=r"a permission, that of the call DescribeStacks"):
        open_stage(tmp_path)


def test_no_credentials(aws, tmp_path, monkeypatch):
    """A profile, or keys in the environment; or no account at all, on the local target."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(AccountRefused, match=r"there are no AWS credentials\. Name a profile .*--stage-target=local"):
        open_stage(tmp_path)


def test_half_of_the_credentials(aws, tmp_path, monkeypatch):
    """A key without its secret."""
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AccountRefused, match=r"credentials are incomplete: .*AWS_SECRET_ACCESS_KEY\. Give both"):
        open_stage(tmp_path)


def write_config(tmp_path, text):
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(text)


def test_an_unknown_profile(aws, tmp_path):
    """With the nearest of those that there are."""
    write_config(tmp_path, "[profile shop-dev]\nregion = eu-west-1\n[profile shop-prod]\nregion = eu-west-1\n")
    with pytest.raises(
        AccountRefused, match=r"no AWS profile 'shop-deff'\. Did you mean shop-dev\? Known: shop-dev, shop-prod"
    ):
        open_stage(tmp_path, profile="shop-deff")


def test_a_login_that_has_run_out(aws, tmp_path, monkeypatch):
    """AWS IAM Identity Center: the command that logs in again, with the profile."""
    write_config(
        tmp_path,
        "[profile dev]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Developer\nregion = us-east-1\n"
        "[sso-session corp]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = us-east-1\n",
    )
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AccountRefused, match=r"aws sso login --profile dev"):
        open_stage(tmp_path, profile="dev")


def test_a_configuration_that_cannot_be_read(aws, tmp_path):
    """The file is named by botocore's own words."""
    write_config(tmp_path, "this is no configuration\n")
    with pytest.raises(AccountRefused, match=r"the AWS configuration cannot be used: .*config"):
        open_stage(tmp_path)


def test_an_account_that_the_settings_do_not_allow(aws, tmp_path):
    """Refused before anything was looked at, let alone made."""
    with pytest.raises(AccountRefused, match=f"for account {WHO}; the setting `accounts` allows 999999999999 only"):
        open_stage(tmp_path, accounts=["999999999999"])
    assert aws.asked == ["GetCallerIdentity"]


@pytest.mark.parametrize(
    ("given", "what"), [({"name": "prod-2"}, "stage 'prod-2'"), ({"protected": [WHO]}, f"account '{WHO}'")]
)
def test_what_is_protected_is_not_deployed(aws, tmp_path, given, what):
    """A protected stage that is there can be tested, but never made or removed."""
    aws.answers["DescribeStacks"] = NO_STACK
    with pytest.raises(AccountRefused, match=f"Refused to deploy .* the {what} is protected"):
        open_stage(tmp_path, **given)
    assert set(aws.asked) <= {"GetCallerIdentity", "DescribeStacks"}


def test_what_is_protected_is_not_removed(ministack_system):
    """Whoever made it."""
    ministack_system.write("template.yaml", "Resources: {Queue: {Type: AWS::SQS::Queue}}")
    ministack_system.deploy()
    (deployer,) = ministack_system.deployer(protected=[ministack_system.name]).deployers
    with pytest.raises(AccountRefused, match=r"Refused to remove the stage"):
        deployer.remove()
    assert ministack_system.remove() is True


class TestEmulators:
    """An emulator is another program on this machine, or none."""

    def test_nothing_answers(self, tmp_path, monkeypatch):
        """Is it running, and is that its port?"""
        clean(monkeypatch, tmp_path)
        with pytest.raises(Unreachable, match=r"nothing answers at http://127\.0\.0\.1:9 .*Is the emulator running"):
            open_stage(tmp_path, endpoint_url="http://127.0.0.1:9")

    def test_a_stranger_answers(self, aws, tmp_path):
        """Another program has the port."""
        aws.answers["GetCallerIdentity"] = "<!doctype html><title>It works!</title>"
        with pytest.raises(
            Unreachable, match=r"does not speak AWS's protocols .*Another program may have that port"
        ) as caught:
            open_stage(tmp_path, endpoint_url=aws.url)
        assert "It works!" not in str(caught.value)

    def test_a_url_that_is_none(self, tmp_path):
        """The scheme is often forgotten."""
        with pytest.raises(UsageError, match=r"received 'localhost:4566'. Did you mean http://localhost:4566"):
            open_stage(tmp_path, endpoint_url="localhost:4566")

    def test_real_credentials_are_not_shown_to_it(self, aws, tmp_path):
        """Whatever the environment holds."""
        aws.answers["DescribeStacks"] = ("AccessDenied", "no", 403)
        with pytest.raises(TargetError):
            open_stage(tmp_path, endpoint_url=aws.url)
        assert aws.keys != []
        assert not any("AKIAAMY" in shown for shown in aws.keys)
        assert all("Credential=test/" in shown for shown in aws.keys)

    def test_its_account_needs_no_leave(self, aws, tmp_path):
        """The list of accounts is about AWS's; that of an emulator is made up."""
        aws.answers["DescribeStacks"] = ("AccessDenied", "no", 403)
        with pytest.raises(AccountRefused, match=r"DescribeStacks"):
            open_stage(tmp_path, endpoint_url=aws.url, accounts=["999999999999"])


def test_an_unknown_region():
    """What cannot be reached because it does not exist."""
    from botocore.exceptions import EndpointConnectionError

    error = EndpointConnectionError(endpoint_url="https://sts.eu-west-9.amazonaws.com/")
    said = str(explain(error, Account(region="eu-west-9"), "look"))
    assert "AWS has no region 'eu-west-9'" in said
    assert re.search("Did you mean eu-west-[123]", said)
    assert "AWS cannot be reached in eu-west-1" in str(explain(error, Account(region="eu-west-1"), "look"))


def test_a_stack_name_that_cloudformation_does_not_take(aws, tmp_path):
    """The setting that decides, and a name that would do."""
    with pytest.raises(SettingsError, match=r"no stack name '7up-t'.*Try 'up-t'"):
        open_stage(tmp_path, service="7up")
    with pytest.raises(SettingsError, match=r"unknown placeholder {stag}. Did you mean stage"):
        open_stage(tmp_path, stack_name="x-{stag}")


class TestVerbs:
    """What the verbs of the command line say of the same refusals: one message, exit code 2, no traceback."""

    @pytest.fixture
    def verb(self, aws, tmp_path, monkeypatch, capsys):
        (tmp_path / "pyproject.toml").write_text('[tool.stagefright]\nservice = "shop"\n')
        monkeypatch.chdir(tmp_path)

        def verb(name):
            asked = [] if name == "sweep" else ["--stage", "t"]
            assert cli.main([name, *asked]) == 2
            said = capsys.readouterr().err
            assert said.startswith("stagefright: ")
            assert said.count("stagefright: ") == 1
            return said

        return verb

    @pytest.mark.parametrize("name", ["up", "down", "status", "sweep"])
    @pytest.mark.parametrize(
        ("code", "next_step"),
        [
            ("InvalidClientTokenId", "check them with `aws sts get-caller-identity`"),
            ("ExpiredToken", "The credentials were temporary and have run out. Get new ones: `aws sso login`"),
        ],
    )
    def test_credentials(self, aws, verb, name, code, next_step):
        """Wrong ones, and a token that has expired."""
        aws.answers["GetCallerIdentity"] = (code, "The security token included in the request is not right", 403)
        said = verb(name)
        assert f"AWS answers {code}" in said
        assert next_step in said

    @pytest.mark.parametrize("name", ["up", "down", "status"])
    def test_a_missing_permission(self, aws, verb, name):
        """The action is named."""
        denial = f"User: arn:aws:iam::{WHO}:user/amy is not authorized to perform: cloudformation:DescribeStacks on resource: x"
        aws.answers["DescribeStacks"] = ("AccessDenied", denial, 403)
        assert "What is missing is the permission cloudformation:DescribeStacks on x" in verb(name)

    @pytest.mark.parametrize("name", ["up", "down", "status", "sweep"])
    def test_no_credentials(self, aws, verb, name, monkeypatch):
        """Where they are looked for."""
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        assert "there are no AWS credentials. Name a profile" in verb(name)
