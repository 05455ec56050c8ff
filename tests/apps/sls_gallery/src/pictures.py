import json

from src.frames import framed


def list_all(event, context):
    picture = (event.get("pathParameters") or {}).get("id")
    return {"statusCode": 200, "body": json.dumps({"pictures": [framed(picture or "all")]})}
