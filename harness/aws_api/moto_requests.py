"""A request that botocore has prepared, on its way to moto: to the host that moto knows, and in the name of the world's account."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from stagefright.aws_api import moto_hooks
from stagefright.errors import NotInWorld, UnsupportedOperation
from stagefright.tasks import Kernel, current_actor

ACCOUNT_HOST = re.compile(r"(?<=^https://)\d{12}\.(ddb|streams-ddb)(?=\.)")
"""Where botocore sends a call that names a table or its stream by an ARN: to the account's own host, which moto does not know."""

ACCOUNT_HOSTS = {"ddb": "dynamodb", "streams-ddb": "streams.dynamodb"}

LOOPBACK = re.compile(r"127\.0\.0\.1|(?P<bucket>.+\.)?localhost")

SCOPE = re.compile(r"Credential=[^/]+/\d{8}/([a-z0-9-]+)/")
"""Where a signature names its region."""


def ask_moto(endpoint: Any, request: Any) -> tuple[int, Any, bytes]:
    """moto's answer to a request that botocore has prepared in a thread of the world: status, headers and body."""
    from moto.core.models import botocore_stubber

    actor = current_actor()
    assert actor is not None
    _leave_the_endpoint(actor.kernel, endpoint, request)
    request.url = ACCOUNT_HOST.sub(lambda host: ACCOUNT_HOSTS[host[1]], request.url)
    moto_hooks.tell_account(actor.kernel.world, request.headers)
    with actor.kernel.blame(actor.call):
        answer = botocore_stubber.process_request(request)
    if answer is None:
        raise NotInWorld(
            f"{actor.name} sent an SDK call to {request.url}, which is not an AWS endpoint that the stage answers for. "
            "Leave endpoint_url unset in tests, or set it to stage.endpoint_url; the stage answers for AWS's own endpoints."
        )
    status, headers, body = answer
    if status == 404 and body == "Not yet implemented":
        raise UnsupportedOperation(f"The local stage does not answer for {request.url} ({request.method}).")
    return status, headers, body if isinstance(body, bytes) else body.encode()


def _leave_the_endpoint(kernel: Kernel, endpoint: Any, request: Any) -> None:
    """A client that was made for the stage's own endpoint goes straight in, as all clients of this process do."""
    if kernel.endpoint_port is None:
        return
    url = urlsplit(request.url)
    local = LOOPBACK.fullmatch(url.hostname or "")
    if url.port == kernel.endpoint_port and local:
        scope = SCOPE.search(str(request.headers.get("Authorization", "")))
        region = scope[1] if scope else kernel.world.region
        host = f"{local['bucket'] or ''}{endpoint._endpoint_prefix}.{region}.amazonaws.com"
        request.url = url._replace(scheme="https", netloc=host).geturl()
