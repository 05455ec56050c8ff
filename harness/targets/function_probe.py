"""
Whether functions run in an account, or are only kept there.

AWS runs them. An emulator may keep a function with all its settings and run none: a moto server without Docker answers an invocation with a
line about Docker that is no answer of Lambda's. Nothing says so beforehand, so a function of our own is made there, asked, and deleted.
"""

from __future__ import annotations

import io
import json
import zipfile
from contextlib import suppress
from functools import cache

from stagefright.invoking import Invocation
from stagefright.targets.account import Account

CODE = "def handler(event, context):\n    return event\n"
QUESTION = {"runs": True}
"""The event that it is asked with; whoever runs it gives the same back."""


def runs_functions(account: Account, *, name: str, role: str) -> bool:
    """Whether the account runs functions; an emulator is asked once, by a function of that name and role."""
    return not account.is_emulator or _asked(account, name, role)


def is_no_answer(answer: Invocation) -> bool:
    """Whether an emulator failed where a function should have run: what Lambda says of one that failed is a JSON object."""
    return answer.error is not None and not isinstance(answer.payload, dict)


@cache
def _asked(account: Account, name: str, role: str) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError

    client = account.client("lambda")
    try:
        client.create_function(
            FunctionName=name, Role=role, Runtime="python3.12", Handler="index.handler", Code={"ZipFile": _zipped()}
        )
    except (BotoCoreError, ClientError):
        return True  # Who lets us make none has not shown that it runs none.
    try:
        client.get_waiter("function_active_v2").wait(FunctionName=name)
        reply = client.invoke(FunctionName=name, Payload=json.dumps(QUESTION).encode())
        return "FunctionError" not in reply and _is_echo(reply["Payload"].read())
    except (BotoCoreError, ClientError):
        return False
    finally:
        with suppress(BotoCoreError, ClientError):
            client.delete_function(FunctionName=name)


def _is_echo(body: bytes) -> bool:
    try:
        return bool(json.loads(body) == QUESTION)
    except ValueError:
        return False


def _zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        package.writestr("index.py", CODE)
    return buffer.getvalue()
