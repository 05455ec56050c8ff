"""
HTTP requests to AWS itself from inside the process: what a presigned URL or a form sends, and clients that name the stage's endpoint.

SDK calls do not come this way (`aws_api/door.py` answers them); this is for whoever speaks HTTP by itself.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from stagefright.aws_api.errors import ApiError
from stagefright.endpoint import naming, writing
from stagefright.endpoint.calls import play
from stagefright.endpoint.message import Answer, Request, parse_request
from stagefright.tasks import current_actor

if TYPE_CHECKING:
    from stagefright.world import World


def serve(world: World, raw: bytes) -> Coroutine[Any, Any, bytes]:
    """Answer one request of the test or of a handler, as bytes on the wire."""
    actor = current_actor()
    caller = "test" if actor is None or actor.owner is None else actor.owner.log.function
    return _serve(world, parse_request(raw), caller)


async def _serve(world: World, request: Request, caller: str) -> bytes:
    answer = await whatever_happens(world, request, caller)
    return answer.to_bytes(head_only=request.method == "HEAD")


async def whatever_happens(world: World, request: Request, caller: str) -> Answer:
    """An error of ours, or of moto's, is the caller's answer: it must not look like a dead connection."""
    try:
        return await play(world, request, caller)
    except Exception as error:  # noqa: BLE001 - it becomes the answer
        return _broken(world, request, caller, error)


def _broken(world: World, request: Request, caller: str, error: Exception) -> Answer:
    message = f"The local stage failed at {request.method} {request.path}: {type(error).__name__}: {error}"
    world.journal.write("warning", caller, message=message)
    asked = naming.identify(request, world.region)
    return writing.refusal(request, asked, ApiError("InternalFailure", message, status=500), "failed")
