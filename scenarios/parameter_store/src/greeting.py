"""GET /greeting/{name}: greet in the words, and sign with the key, that are set now."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from typing import Any

from config_client import Config, log

TEXT, KEY = os.environ["GREETING_TEXT"], os.environ["SIGNING_KEY"]

config = Config([TEXT, KEY], ttl_s=float(os.environ["CONFIG_TTL_S"]))


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    text, key = config[TEXT], config[KEY]
    body = json.dumps({"greeting": f"{text}, {event['pathParameters']['name']}"})
    log("greeted", text=text, key=key)
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json", "x-signature": sign(body, key.reveal())},
        "body": body,
    }


def sign(body: str, key: str) -> str:
    return hmac.new(key.encode(), body.encode(), hashlib.sha256).hexdigest()
