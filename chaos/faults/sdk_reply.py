"""
What AWS sends when it refuses a call, as the bytes of the service's protocol, for botocore to parse.

This file runs inside deployed functions, so it imports the standard library only.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

JSON, XML, CBOR = "application/x-amz-json-1.0", "text/xml", "application/cbor"

SQS = "AWS.SimpleQueueService."

WIRE_CODES = {
    "QueueDoesNotExist": f"{SQS}NonExistentQueue",
    "QueueNameExists": "QueueAlreadyExists",
    **{
        shape: f"{SQS}{shape}"
        for shape in (
            "BatchEntryIdsNotDistinct",
            "BatchRequestTooLong",
            "EmptyBatchRequest",
            "InvalidBatchEntryId",
            "MessageNotInflight",
            "PurgeQueueInProgress",
            "QueueDeletedRecently",
            "TooManyEntriesInBatchRequest",
            "UnsupportedOperation",
        )
    },
}
"""What the header says that keeps SQS's codes of the time before it spoke JSON, where it differs from the error's name."""


class _Body(io.BytesIO):
    """A body as urllib3 gives it."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.read()


class Reply(NamedTuple):
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes

    def as_botocore_has_it(self, request: Any) -> Any:
        """The response to a request of botocore's."""
        from botocore.awsrequest import AWSResponse

        headers: Any = self.headers
        return AWSResponse(request.url, self.status, headers, _Body(self.body))


def refusal(operation_model: Any, code: str, message: str, status: int, request_id: str) -> Reply:
    """
    The response with which the service of an operation refuses it.

    A code that is an HTTP status ("503") stands for the page of a load balancer, which knows nothing of the protocol.
    """
    if code.isdigit():
        return Reply(status, {"content-type": "text/html"}, f"<html><body><b>{status}</b></body></html>".encode())
    service = operation_model.service_model
    protocol = getattr(service, "resolved_protocol", None) or service.metadata["protocol"]
    reply = _WRITERS.get(protocol, _json)(code, message, status, request_id)
    if "awsQueryCompatible" in service.metadata:
        fault = "Receiver" if status >= 500 else "Sender"
        reply.headers["x-amzn-query-error"] = f"{WIRE_CODES.get(code, code)};{fault}"
    return reply


def _json(code: str, message: str, status: int, request_id: str) -> Reply:
    headers = {"content-type": JSON, "x-amzn-requestid": request_id, "x-amzn-errortype": code}
    return Reply(status, headers, json.dumps({"__type": code, "message": message}).encode())


def _query(code: str, message: str, status: int, request_id: str) -> Reply:
    body = f"<ErrorResponse><Error>{_error(code, message)}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    return Reply(status, {"content-type": XML, "x-amzn-requestid": request_id}, body.encode())


def _ec2(code: str, message: str, status: int, request_id: str) -> Reply:
    errors = f"<Errors><Error>{_error(code, message)}</Error></Errors>"
    body = f"<Response>{errors}<RequestID>{request_id}</RequestID></Response>"
    return Reply(status, {"content-type": XML, "x-amzn-requestid": request_id}, body.encode())


def _rest_xml(code: str, message: str, status: int, request_id: str) -> Reply:
    body = f"<Error>{_error(code, message)}<RequestId>{request_id}</RequestId></Error>"
    return Reply(status, {"content-type": XML, "x-amz-request-id": request_id}, body.encode())


def escape(text: str) -> str:
    """Text as XML has it; the standard library's own comes with all of its parsers, which a cold start pays for."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _error(code: str, message: str) -> str:
    return f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"


def _cbor(code: str, message: str, status: int, request_id: str) -> Reply:
    headers = {"content-type": CBOR, "smithy-protocol": "rpc-v2-cbor", "x-amzn-requestid": request_id}
    pairs = b"".join(_cbor_text(text) for text in ("__type", code, "message", message))
    return Reply(status, headers, b"\xa2" + pairs)


def _cbor_text(text: str) -> bytes:
    """A text string with its length in two bytes (RFC 8949, major type 3)."""
    data = text.encode()
    return b"\x79" + len(data).to_bytes(2, "big") + data


_WRITERS: dict[str, Callable[[str, str, int, str], Reply]] = {
    "ec2": _ec2,
    "query": _query,
    "rest-xml": _rest_xml,
    "smithy-rpc-v2-cbor": _cbor,
}
