"""What is worked out once for all sessions, clients and calls is exactly what botocore, moto and Python work out each time."""

from __future__ import annotations

import importlib
import importlib.machinery
import os
from functools import partial
from types import MethodType

import pytest

KEYS = {"region_name": "us-east-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}


def user_agents(make_client):
    """What clients with all sorts of settings say that they are, each asked twice."""
    from botocore.config import Config

    settings = [
        {},
        {"user_agent_extra": "extra/1 (a b)"},
        {"user_agent_extra": "extra/2"},
        {"user_agent": "only/1"},
        {"user_agent_appid": "my app#1"},
        {"retries": {"mode": "standard"}},
        {"retries": {"mode": "adaptive"}},
    ]
    clients = [make_client("sqs", config=Config(**one), **KEYS) for one in settings]
    return [words(client._user_agent_creator.to_string()) for client in clients for _ in range(2)]


def words(user_agent):
    """The parts of a user agent; the features stand in the order of a set, which two equal sets need not share."""
    return [part if not part.startswith("m/") else features_of(user_agent) for part in user_agent.split(" ")]


def features_of(user_agent):
    """The letters of the features that a user agent tells of."""
    return set(user_agent.split(" m/")[1].split(" ")[0].split(","))


def test_user_agents_are_botocores(systems):
    """Every setting that a user agent tells of is told of in a world, and only there where it was made."""
    import boto3

    outside = user_agents(boto3.Session().client)
    systems.open()

    assert outside == user_agents(boto3.Session().client)


def test_a_feature_that_a_call_uses_is_told_of(systems):
    """The request carries what only this call did."""
    from botocore.useragent import _USERAGENT_FEATURE_MAPPINGS

    stage = systems.open()
    s3, seen = stage.client("s3"), []
    s3.create_bucket(Bucket="papers")
    s3.meta.events.register("before-send.s3", lambda request, **_: seen.append(request.headers["User-Agent"]))
    s3.put_object(Bucket="papers", Key="a", Body=b"a", ChecksumAlgorithm="SHA256")
    s3.list_objects_v2(Bucket="papers")
    with_checksum, without = [features_of(agent.decode()) for agent in seen]

    assert _USERAGENT_FEATURE_MAPPINGS["FLEXIBLE_CHECKSUMS_REQ_SHA256"] in with_checksum - without


def test_a_clients_handlers_are_its_own(systems):
    """Its session's handlers are copied to it; what is registered or taken back afterwards is not seen by others."""
    import boto3

    stage = systems.open()
    session = boto3._get_default_session()
    one, other, heard = session.client("sqs"), session.client("sqs"), []
    handler = lambda **_: heard.append("one")  # noqa: E731
    one.meta.events.register("before-call.sqs", handler)
    session.events.register("before-call.sqs", lambda **_: heard.append("session"))
    other.list_queues()
    assert [] == heard

    one.list_queues()
    session.client("sqs").list_queues()
    one.meta.events.unregister("before-call.sqs", handler)
    one.list_queues()
    stage.client("sqs").list_queues()
    assert ["one", "session"] == heard[:2]


def test_handlers_keep_their_places(systems):
    """First, in between and last, after a copy too."""
    import boto3

    systems.open()
    session, heard = boto3.Session(**KEYS), []
    events = session.events
    events.register_last("before-call.sqs", lambda **_: heard.append("last"))
    events.register("before-call.sqs", lambda **_: heard.append("between"))
    events.register_first("before-call.sqs", lambda **_: heard.append("first"))
    session.client("sqs").list_queues()

    assert ["first", "between", "last"] == heard


@pytest.mark.parametrize(
    ("service", "settings", "host"),
    [
        ("s3", {"region_name": "eu-central-1"}, "https://s3.eu-central-1.amazonaws.com"),
        ("s3", {"region_name": "us-gov-west-1"}, "https://s3.us-gov-west-1.amazonaws.com"),
        ("sqs", {"region_name": "cn-north-1"}, "https://sqs.cn-north-1.amazonaws.com.cn"),
        ("sqs", {"region_name": "eu-west-1"}, "https://sqs.eu-west-1.amazonaws.com"),
    ],
)
def test_clients_with_the_same_rules_have_their_own_endpoints(systems, service, settings, host):
    """The rules of a service are read once; what they come to depends on the client."""
    import boto3

    systems.open()
    for _ in range(2):
        client = boto3.Session().client(service, **{**KEYS, **settings})
        assert host == client.meta.endpoint_url
        assert (
            client._ruleset_resolver._provider.ruleset
            is boto3.Session().client(service, **KEYS)._ruleset_resolver._provider.ruleset
        )


@pytest.mark.parametrize("service", ["dynamodb", "s3", "kinesis", "sns", "ssm", "events", "iam"])
def test_moto_finds_the_methods_that_it_has(systems, service):
    """A name is a method exactly if it is on the list that moto would make."""
    from moto.core import responses
    from moto.core.base_backend import BaseBackend
    from moto.core.utils import method_names_from_class

    kinds = vars(importlib.import_module(f"moto.{service}.responses")).values()
    owners = [kind for kind in kinds if isinstance(kind, type) and not issubclass(kind, BaseBackend)]
    systems.open()
    for owner in owners:
        listed, looked_up = method_names_from_class(owner), responses.method_names_from_class(owner)
        assert listed == [name for name in dir(owner) if name in looked_up]
        assert listed == list(looked_up)
        assert "no_such_operation" not in looked_up


def test_handlers_of_all_sorts_are_asked_as_botocore_asks_them(systems):
    """A method may be that of anything that can be called."""
    from botocore import hooks

    def plain(event): ...

    def taking(event, **given): ...

    handlers = [plain, taking, *(MethodType(one, 7) for one in (plain, taking, partial(plain), partial(taking)))]
    outside = [bool(hooks.accepts_kwargs(one)) for one in handlers]
    systems.open()

    assert outside == [bool(hooks.accepts_kwargs(one)) for one in handlers]
    assert outside.count(True) == 3


def test_everything_is_put_back(systems):
    """Outside of worlds botocore and moto are as they came."""
    from botocore import auth, endpoint_provider, hooks, useragent
    from moto.core import request, responses

    places = [
        (endpoint_provider, "RuleSet"),
        (hooks, "accepts_kwargs"),
        (hooks._PrefixTrie, "_recursive_copy"),
        (auth.SigV4Auth, "canonical_request"),
        (auth.SigV4Auth, "signature"),
        (request.Request, "from_primitives"),
        (responses, "method_names_from_class"),
        (useragent, "sanitize_user_agent_string_component"),
        (useragent.UserAgentComponent, "to_string"),
    ]
    before = [vars(owner)[name] for owner, name in places]
    stage = systems.open()
    unchanged = [name for (owner, name), was in zip(places, before, strict=True) if vars(owner)[name] is was]
    assert not unchanged

    stage.close()
    assert before == [vars(owner)[name] for owner, name in places]


class TestCompiledCode:
    """Python's own cache of compiled code needs a folder that it may write to; a function's module is compiled once without it."""

    @pytest.fixture
    def compiled(self, monkeypatch):
        """The files that were compiled, one name for each time."""
        monkeypatch.setattr("sys.dont_write_bytecode", True)
        names, original = [], importlib.machinery.SourceFileLoader.source_to_code

        def source_to_code(loader, data, path, **options):
            names.append(os.path.basename(path))  # noqa: PTH119
            return original(loader, data, path, **options)

        monkeypatch.setattr(importlib.machinery.SourceFileLoader, "source_to_code", source_to_code)
        return names

    def test_once_for_all_environments(self, systems, compiled):
        """Each environment has modules of its own all the same."""
        source = "import aid\nseen = []\ndef handler(event, context):\n    seen.append(event)\n    return seen + [aid.NAME]\n"
        stage = systems.open({"Fn": {"app.py": source, "aid.py": "NAME = __name__\n"}})
        first = [stage.invoke("Fn", n).payload for n in (1, 2)]
        stage.reset()

        assert [[1, "aid"], [1, 2, "aid"]] == first
        assert [1, "aid"] == stage.invoke("Fn", 1).payload
        assert ["app.py", "aid.py"] == compiled

    def test_anew_when_the_file_was_changed(self, systems, compiled):
        """Also if it is as long as before."""
        stage = systems.open({"Fn": "def handler(event, context):\n    return 1\n"})
        assert 1 == stage.invoke("Fn").payload
        path = systems.directory / "Fn" / "app.py"
        path.write_text(path.read_text().replace("1", "2"))
        later = path.stat().st_mtime_ns + 1
        os.utime(path, ns=(later, later))
        stage.reset()

        assert 2 == stage.invoke("Fn").payload
        assert ["app.py", "app.py"] == compiled


REQUESTS = {
    "json": (
        "POST",
        "https://dynamodb.us-east-1.amazonaws.com/",
        {"Content-Type": "application/x-amz-json-1.0"},
        b"{}",
    ),
    "query": ("POST", "https://iam.amazonaws.com/", {"Content-Type": "application/x-www-form-urlencoded"}, b"Action=A"),
    "bytes in headers": (
        "POST",
        "https://sns.us-east-1.amazonaws.com/",
        {"User-Agent": b"Boto3", "X-Amz-Date": "now"},
        b"x",
    ),
    "no body": ("POST", "https://sts.amazonaws.com/", {"Content-Length": "0"}, None),
    "empty body": ("POST", "https://sts.amazonaws.com/", {"Content-Length": "0"}, b""),
    "text": ("POST", "https://sts.amazonaws.com/", {}, "\u00e9"),
    "path": ("PUT", "https://papers.s3.amazonaws.com/a%20b/c%2Fd?x=1", {"Content-Type": "text/plain"}, b"body"),
    "wrong length": ("POST", "https://sts.amazonaws.com/", {"Content-Length": "9"}, b"four"),
    "metadata": ("PUT", "https://papers.s3.amazonaws.com/", {"x-amz-meta-some_name": "1", "Host": "elsewhere"}, b""),
    "letters": ("POST", "https://sts.amazonaws.com/", {"x-amz-title": "\u00e9t\u00e9"}, b""),
    "chunks": ("POST", "https://sts.amazonaws.com/", {"Transfer-Encoding": "chunked"}, b"x"),
}


@pytest.mark.parametrize("asked", REQUESTS.values(), ids=REQUESTS)
def test_moto_is_asked_as_it_asks_itself(systems, asked):
    """What moto knows of a request is the same to the last header."""
    from moto.core.request import Request

    outside, body_outside = known_of(Request.from_primitives(*asked))
    systems.open()
    for _ in range(2):
        inside, body = known_of(Request.from_primitives(*asked))

        assert (outside, body_outside) == (inside, body)


def known_of(request):
    """The WSGI environment of a request, its headers as moto reads them, and its body."""
    environ = {name: value for name, value in request.environ.items() if name not in ("wsgi.input", "werkzeug.request")}
    return (environ, sorted(request.headers), request.raw_url, request.method), request.get_data()


class TestSignatures:
    """An SDK call that goes to moto looks signed; all else is signed."""

    def test_a_call_names_its_credential(self, systems):
        """moto and hooks find in the header what AWS would find there, but for the signature itself."""
        stage, seen = systems.open(), []
        ssm = stage.client("ssm")
        ssm.meta.events.register("before-send.ssm", lambda request, **_: seen.append(request.headers["Authorization"]))

        ssm.describe_parameters()

        [header] = [text.decode() if isinstance(text, bytes) else text for text in seen]
        assert "/us-east-1/ssm/aws4_request, SignedHeaders=content-type;host;x-amz-date" in header
        assert header.endswith(f"Signature={'0' * 64}")

    def test_what_code_signs_by_itself_is_signed(self, systems):
        """A presigned URL and a request to an API with IAM authorization carry the signature that botocore works out."""
        outside = self.signed()
        systems.open()

        assert outside == self.signed()

    def signed(self):
        """Two signatures of one instant."""
        import datetime as dt
        from unittest.mock import patch

        import boto3
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        with patch("botocore.auth.get_current_datetime", lambda *_: dt.datetime(2026, 1, 1)):  # noqa: DTZ001
            session = boto3.Session(
                region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x", aws_session_token="x"
            )
            request = AWSRequest("GET", "https://abc.execute-api.us-east-1.amazonaws.com/")
            SigV4Auth(Credentials("x", "x"), "execute-api", "us-east-1").add_auth(request)
            return request.headers["Authorization"], session.client("sts").generate_presigned_url("get_caller_identity")
