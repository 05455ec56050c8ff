"""
The signature of a request that never leaves the process: it looks like one, and costs nothing.

moto reads the credential and the region in an `Authorization` header and checks no signature, which takes a tenth of a call to work out.
Presigned URLs, S3's signatures and what code signs by itself, outside of an SDK call, are botocore's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stagefright.tasks import current_actor
from stagefright.virtual.patching import Patches

SIGNATURE = "0" * 64


def take(patches: Patches) -> None:
    """Sign the SDK calls of a world cheaply; `patches` knows how to undo it."""
    from botocore.auth import SigV4Auth

    def cheap(original: Callable[..., str], cheaply: str) -> Callable[..., str]:
        def sign(auth: Any, *given: Any) -> str:
            is_sdk_call = any("client_config" in getattr(one, "context", ()) for one in given)
            return (
                cheaply
                if is_sdk_call and type(auth) is SigV4Auth and current_actor() is not None
                else original(auth, *given)
            )

        return sign

    auth: Any = SigV4Auth
    patches.set(auth, "canonical_request", cheap(auth.canonical_request, ""))
    patches.set(auth, "signature", cheap(auth.signature, SIGNATURE))
