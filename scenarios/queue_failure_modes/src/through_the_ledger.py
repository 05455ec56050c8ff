"""The order is booked by another function, the ledger, which takes so many at a time and refuses the rest."""

from __future__ import annotations

import json
import os
from typing import Any

import boto3
from botocore.config import Config

# The queue is what tries again; the SDK's own retries would only add to the ledger's load.
functions = boto3.client("lambda", config=Config(retries={"total_max_attempts": 1}, read_timeout=20))


class LedgerFailed(Exception):
    """The ledger was reached, and did not book."""


def handler(event: dict[str, Any], context: Any) -> None:
    for record in event["Records"]:
        reply = functions.invoke(FunctionName=os.environ["LEDGER_FUNCTION"], Payload=json.dumps(record["body"]))
        if "FunctionError" in reply:
            raise LedgerFailed(reply["Payload"].read().decode())
