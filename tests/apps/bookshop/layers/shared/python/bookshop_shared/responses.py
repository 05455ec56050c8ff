import json
from decimal import Decimal


class Encoder(json.JSONEncoder):
    def default(self, o):
        if isinstance(o, Decimal):
            return int(o) if o % 1 == 0 else float(o)
        return super().default(o)


def _response(status, body):
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(body, cls=Encoder),
    }


def ok(body):
    return _response(200, body)


def created(body):
    return _response(201, body)


def bad_request(problems):
    return _response(400, {"problems": problems})


def not_found(what):
    return _response(404, {"message": f"not found: {what}"})
