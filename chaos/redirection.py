"""
A handler that stands before a function's own: the way of the in-function runtime into a function whose start nothing else can reach.

    Handler:              stagefright_handler.handler       this file, under the name that it has in a function's package
    STAGEFRIGHT_HANDLER:  app.handler                       what `Handler` was

Emulators start functions without their exec wrapper, so the layer does nothing there; what all of them do is to import the handler that a function
is configured with. A stage that Stagefright deploys is configured so (`stagefright.targets.deploying.injection`).

When this module is imported, so is the function's own, and its handler is wrapped as the layer would do it. A module that cannot be
imported, or that has no such handler, fails in the words in which it always did: the error passes through here as it is, and Lambda's own
runtime client, where it is the one that runs, is asked to find the handler itself. This file runs inside deployed functions, so it imports
the standard library.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

OWN_HANDLER_VARIABLE = "STAGEFRIGHT_HANDLER"
"""Where the function's own handler is named."""

HANDLER_VARIABLE = "_HANDLER"
"""Where Lambda says which handler it calls."""

RUNTIME_CLIENT = "awslambdaric.bootstrap"
"""The module of Lambda's runtime client that finds handlers, and words what is wrong with them."""


def redirected(own: str) -> Any:
    """The function's own handler, which obeys its flag; raises what its import raises."""
    # Libraries look here for the name of the function's module.
    os.environ[HANDLER_VARIABLE] = own
    try:
        from stagefright.chaos.handler_hook import watch

        watch(own)
    except Exception as problem:  # noqa: BLE001 (nothing of ours may keep a function from starting)
        sys.stdout.write(f"stagefright's runtime cannot be used, so no fault strikes: {problem!r}\n")
    return _found(own)


def _found(own: str) -> Any:
    by_runtime_client = getattr(sys.modules.get(RUNTIME_CLIENT), "_get_handler", None)
    if by_runtime_client is not None:
        return by_runtime_client(own)
    module, function = own.rsplit(".", 1)
    return getattr(import_module(module.replace("/", ".")), function)


if OWN_HANDLER_VARIABLE in os.environ:
    handler = redirected(os.environ[OWN_HANDLER_VARIABLE])
