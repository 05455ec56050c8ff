"""
What a request asks for: which service, which operation.

An SDK signs its requests, and the signature's scope names the service; others are known by the `X-Amz-Target` header, by the host, by
the version that the query protocol sends along, or by the path. All that is known of the services comes from botocore's models.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from stagefright.endpoint.message import Request

SCOPE = re.compile(r"Credential=[^/]+/\d{8}/(?:([a-z0-9-]+)/)?([a-z0-9-]+)/aws4_request")
"""The scope of a signature; version 4A names no region."""

SIGNED_AS = {
    "states": "stepfunctions",
    "monitoring": "cloudwatch",
    "s3express": "s3",
    "tagging": "resourcegroupstaggingapi",
}
"""Services that sign by another name than botocore's; those that share one are told apart in `_told_apart`."""

TARGETS = {
    "AmazonSQS": "sqs",
    "AWSEvents": "events",
    "Kinesis_20131202": "kinesis",
    "DynamoDB_20120810": "dynamodb",
    "DynamoDBStreams_20120810": "dynamodbstreams",
    "AmazonSSM": "ssm",
    "Logs_20140328": "logs",
    "AWSStepFunctions": "stepfunctions",
    "secretsmanager": "secretsmanager",
    "TrentService": "kms",
    "AWSCognitoIdentityProviderService": "cognito-idp",
    "AWSCognitoIdentityService": "cognito-identity",
    "Firehose_20150804": "firehose",
}
"""How `X-Amz-Target` begins, for requests that are not signed."""

VERSIONS = {
    "2012-11-05": "sqs",
    "2010-03-31": "sns",
    "2011-06-15": "sts",
    "2010-05-08": "iam",
    "2010-05-15": "cloudformation",
}
"""The versions of the query protocol's services."""

PATHS = ((re.compile(r"/20\d\d-\d\d-\d\d/(functions|event-source-mappings|layers|account-settings|tags)\b"), "lambda"),)
"""How paths begin, for requests that say nothing else."""

_S3_HOST = re.compile(
    r"(?:(?P<bucket>.+)\.)?s3[.-](?:[a-z0-9-]+\.)?(?:amazonaws\.com|localhost|localhost\.localstack\.cloud)"
)
_LOCAL_HOST = re.compile(r"(?P<first>.+)\.localhost(?:\.localstack\.cloud)?")
_AWS_HOST = re.compile(r"(?P<first>[a-z0-9-]+)\.(?:[a-z0-9-]+\.)?amazonaws\.com")
_DATA_HOST = re.compile(r"(?P<id>[a-z0-9-]+)\.(?P<plane>execute-api|lambda-url)\..+")
_DATA_PATH = re.compile(r"/_aws/execute-api/(?P<id>[^/]+)/(?P<stage>[^/]+)(?P<rest>/.*)?")


@dataclass(frozen=True)
class Asked:
    """A call to a service; without an operation if the service has none that fits."""

    service: str
    region: str
    operation: Any = None
    captured: Mapping[str, str] = field(default_factory=dict)
    """What the path says: parameters by the name that the model gives them in its URI."""
    bucket: str = ""
    """The bucket that the host names."""
    named: str = ""
    """The operation's name as the request gives it, if it does."""

    @property
    def name(self) -> str:
        """The operation's name for people."""
        return str(self.operation.name) if self.operation is not None else self.named


@dataclass(frozen=True)
class DataPlane:
    """A request to an API or to a function's URL, and where it goes inside."""

    host: str
    target: str


def data_plane(request: Request, region: str) -> DataPlane | None:
    """
    The API or function URL that a request is for, by its host or by its path; None if it is for a service.

    By the path it is `/_aws/execute-api/{api}/{stage}/...`. The default stage of an HTTP API is `$default`, and is no part of the path inside.
    """
    by_path = _DATA_PATH.fullmatch(request.raw_path)
    if by_path:
        stage = unquote(by_path["stage"])
        prefix = "" if stage == "$default" else f"/{stage}"
        rest = by_path["rest"] or "/"
        query = f"?{request.raw_query}" if request.raw_query else ""
        return DataPlane(f"{by_path['id']}.execute-api.{region}.amazonaws.com", f"{prefix}{rest}{query}")
    by_host = _DATA_HOST.fullmatch(request.host)
    if not by_host:
        return None
    tail = "amazonaws.com" if by_host["plane"] == "execute-api" else "on.aws"
    return DataPlane(f"{by_host['id']}.{by_host['plane']}.{region}.{tail}", request.target)


def identify(request: Request, region: str) -> Asked:
    """The call that a request makes."""
    signed = SCOPE.search(request.header("authorization") or _presigned(request))
    region = (signed and signed[1]) or region
    service = _told_apart(SIGNED_AS.get(signed[2], signed[2]), request) if signed else _unsigned(request)
    bucket = _bucket(request.host) if service == "s3" else ""
    model = service_model(service)
    if model is None:
        return Asked(service, region, named=_named(request))
    if service == "s3" or str(model.metadata["protocol"]).startswith("rest"):
        operation, captured = _route(service, request, bucket)
        return Asked(service, region, operation, captured, bucket)
    named = _named(request)
    known = named in model.operation_names
    return Asked(service, region, model.operation_model(named) if known else None, named=named)


def _presigned(request: Request) -> str:
    return f"Credential={request.query.get('X-Amz-Credential', [''])[0]}"


def _named(request: Request) -> str:
    by_path = re.fullmatch(r"/service/[^/]+/operation/([^/]+)", request.path)
    if by_path:
        return by_path[1]
    return request.header("x-amz-target").rpartition(".")[2] or request.form.get("Action", "")


def _told_apart(service: str, request: Request) -> str:
    """Some services share the name that they sign by."""
    if service == "dynamodb" and request.header("x-amz-target").startswith("DynamoDBStreams"):
        return "dynamodbstreams"
    if service == "apigateway" and request.path.startswith("/v2/"):
        return "apigatewayv2"
    if service == "ses" and request.path.startswith("/v2/"):
        return "sesv2"
    return service


def _unsigned(request: Request) -> str:
    target = request.header("x-amz-target").partition(".")[0]
    if target:
        return TARGETS.get(target, target)
    if "Action" in request.form:
        return VERSIONS.get(request.form.get("Version", ""), _first_label(request.host) or "sqs")
    for path, service in PATHS:
        if path.match(request.path):
            return service
    host = _first_label(request.host)
    return host if host and service_model(host) is not None else "s3"


def _first_label(host: str) -> str:
    """`sqs` of `sqs.us-east-1.amazonaws.com` or of `sqs.localhost`."""
    found = _AWS_HOST.fullmatch(host) or _LOCAL_HOST.fullmatch(host)
    label = found["first"].partition(".")[0] if found else ""
    return SIGNED_AS.get(label, label)


def _bucket(host: str) -> str:
    """The bucket of a virtual-host style request."""
    found = _S3_HOST.fullmatch(host)
    if found:
        return found["bucket"] or ""
    local = _LOCAL_HOST.fullmatch(host)
    return local["first"] if local and local["first"] != "s3" else ""


def spoken(request: Request, service: str) -> str:
    """
    The protocol that a request speaks: `json`, `query`, `rest-json`, `rest-xml` or `cbor`.

    A model names the newest of a service; older SDKs speak an older one, such as SQS's of before 2023.
    """
    if "cbor" in request.header("content-type") or "cbor" in request.header("smithy-protocol"):
        return "cbor"
    model = service_model(service)
    if model is None:
        return "json"
    modelled = str(model.metadata["protocol"])
    if modelled.startswith("rest"):
        return modelled
    return "json" if request.header("x-amz-target") else "query"


# -- botocore's models -----------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def service_model(service: str) -> Any:
    """botocore's model of a service, or None."""
    from botocore.exceptions import UnknownServiceError
    from botocore.model import ServiceModel

    from stagefright.aws_api.sessions import shared_loader

    try:
        return ServiceModel(shared_loader().load_service_model(service, "service-2"), service)
    except UnknownServiceError:
        return None


@dataclass(frozen=True)
class _Route:
    """Where an operation of a REST service lies."""

    operation: Any
    method: str
    path: re.Pattern[str]
    queries: tuple[tuple[str, str], ...]
    required: tuple[tuple[str, str], ...]
    """Where its required parameters are, of those in headers and in the query."""
    literal: int
    """How many characters of its path are given."""

    def fits(self, request: Request) -> bool:
        return all(self._is_there(request, name, value) for name, value in self.queries) and all(
            bool(request.header(name.lower())) if where == "header" else name in request.query
            for where, name in self.required
        )

    def _is_there(self, request: Request, name: str, value: str) -> bool:
        return name in request.query and (not value or value in request.query[name])


@lru_cache(maxsize=16)
def _routes(service: str) -> tuple[_Route, ...]:
    """The routes of a service, the most particular first."""
    model = service_model(service)
    routes = [_route_of(model.operation_model(name)) for name in model.operation_names]
    return tuple(
        sorted(routes, key=lambda route: (len(route.queries), len(route.required), route.literal), reverse=True)
    )


def _route_of(operation: Any) -> _Route:
    path, _, query = str(operation.http["requestUri"]).partition("?")
    # S3's clients take the bucket out of the path of an operation when they first call it, and keep the whole here.
    path = operation.http.get("authPath", path)
    pieces = re.split(r"(\{[^}]+\})", path.rstrip("/") or "")
    pattern = "".join(_piece(piece) for piece in pieces)
    queries = tuple((part.partition("=")[0], part.partition("=")[2]) for part in query.split("&") if part)
    shape = operation.input_shape
    required = tuple(
        (member.serialization["location"], member.serialization.get("name", name))
        for name, member in (shape.members.items() if shape is not None else ())
        if name in shape.required_members and member.serialization.get("location") in ("header", "querystring")
    )
    literal = sum(len(piece) for piece in pieces if not piece.startswith("{"))
    return _Route(operation, str(operation.http["method"]), re.compile(pattern + "/?"), queries, required, literal)


def _piece(piece: str) -> str:
    if not piece.startswith("{"):
        return re.escape(piece)
    name = piece[1:-1]
    return f"(?P<{_group(name.rstrip('+'))}>{'.+' if name.endswith('+') else '[^/]+'})"


def _group(name: str) -> str:
    """A parameter's name as a group of a regular expression may be called."""
    return name.replace("-", "__")


def _route(service: str, request: Request, bucket: str) -> tuple[Any, dict[str, str]]:
    path = f"/{bucket}{request.raw_path}" if bucket else request.raw_path
    for route in _routes(service):
        found = route.path.fullmatch(path) if route.method == request.method else None
        if found and route.fits(request):
            return route.operation, {
                name.replace("__", "-"): unquote(value) for name, value in found.groupdict().items()
            }
    return None, {}
