"""
Error codes that AWS may answer with though the model of an operation does not list them, and their HTTP statuses.

botocore's models are thorough about an operation's own errors and silent about those that every operation has: of the
operations of the ten common serverless services, S3's list no `SlowDown`, and most list no throttling.
"""

from __future__ import annotations

from typing import Any

THROTTLING = {
    "apigateway": "TooManyRequestsException",
    "cloudformation": "Throttling",
    "cloudwatch": "Throttling",
    "dynamodb": "ProvisionedThroughputExceededException",
    "ec2": "RequestLimitExceeded",
    "iam": "Throttling",
    "kinesis": "ProvisionedThroughputExceededException",
    "lambda": "TooManyRequestsException",
    "s3": "SlowDown",
    "sns": "Throttling",
    "sqs": "RequestThrottled",
    "sts": "Throttling",
}
"""How a service says that it was asked too often; the others say `ThrottlingException`."""

COMMON = {
    "502": 502,
    "503": 503,
    "504": 504,
    "AccessDeniedException": 400,
    "InternalFailure": 500,
    "RequestTimeout": 400,
    "ServiceUnavailable": 503,
    "Throttling": 400,
    "ThrottlingException": 400,
}
"""What every operation can answer; a bare status is the page of a load balancer in front of the service."""

OF_SERVICE = {
    "dynamodb": {"InternalServerError": 500},
    "ec2": {"InternalError": 500, "RequestLimitExceeded": 503, "Unavailable": 503},
    "lambda": {"ServiceException": 500, "TooManyRequestsException": 429},
    "s3": {"AccessDenied": 403, "InternalError": 500, "SlowDown": 503},
    "sns": {"AuthorizationError": 403, "InternalError": 500},
    "sqs": {"RequestThrottled": 403},
}
"""What every operation of a service can answer."""

DEFAULT_STATUS = 400


def throttling_code(service: str) -> str:
    """The code with which a service throttles."""
    return THROTTLING.get(service, "ThrottlingException")


def status_of(code: str, service: str, operation_model: Any = None) -> int:
    """
    The HTTP status that comes with an error code: what the model says, else what is known of it, else a guess by its name.

    >>> status_of("SlowDown", "s3"), status_of("InternalServerError", "events"), status_of("TableNotFound", "x")
    (503, 500, 400)
    """
    shapes = [] if operation_model is None else operation_model.error_shapes
    for shape in shapes:
        error = shape.metadata.get("error", {})
        if code in (shape.name, error.get("code")) and "httpStatusCode" in error:
            return int(error["httpStatusCode"])
    known = {**COMMON, **OF_SERVICE.get(service, {})}
    return known.get(code) or _by_name(code)


def _by_name(code: str) -> int:
    if code.isdigit():
        return int(code)
    if code.startswith("Internal"):
        return 500
    return 503 if "Unavailable" in code else DEFAULT_STATUS
