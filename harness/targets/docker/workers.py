"""Workers of pytest-xdist in one emulator: each has an account of its own, which is named by its access key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stagefright.errors import EmulatorError

if TYPE_CHECKING:
    from requests import PreparedRequest

    from stagefright.targets.account import Account

ACCOUNT_DIGITS = 12


def access_key_of(worker_id: str | None = None) -> str:
    """
    The access key of a worker, which emulators take for an account id; without workers that of the controller.

    >>> access_key_of("gw0"), access_key_of("gw11"), access_key_of()
    ('000000000001', '000000000012', '000000000000')
    """
    found = re.search(r"\d+$", worker_id or "")
    number = int(found[0]) + 1 if found else 0
    return f"{number:0{ACCOUNT_DIGITS}d}"


def check_accounts(account: Account, worker_id: str | None) -> None:
    """Raise if an emulator would put all workers into one account, where their stacks would have the same names."""
    if worker_id is None or account.id == access_key_of(worker_id):
        return
    raise EmulatorError(
        f"Worker {worker_id} asked the emulator at {account.endpoint_url} with the access key {access_key_of(worker_id)}, and is in "
        f"account {account.id}: this emulator does not keep workers apart.\n"
        "Use one that takes an access key of 12 digits for the account (MiniStack and LocalStack do), or run without `-n`."
    )


def name_account(account: Account, request: PreparedRequest) -> None:
    """
    Let a request to an API in an emulator say whose API it is, as a signature would.

    An emulator that keeps workers apart looks for an API in the account of who asks, and takes an unsigned request for one of its default
    account. A request that has credentials of its own (a token for an authorizer) keeps them; then the query says it.
    """
    is_workers_own = account.access_key.isdigit() and account.access_key != access_key_of()
    url = request.url or ""
    if not is_workers_own or not url.startswith(f"{account.endpoint_url}/"):
        return
    credential = f"{account.access_key}/19700101/{account.region}/execute-api/aws4_request"
    if "Authorization" not in request.headers:
        request.headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0"
    elif "X-Amz-Credential=" not in url:
        request.prepare_url(url, {"X-Amz-Credential": credential})
