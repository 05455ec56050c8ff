import os

from shared.text import shout

try:
    from money import euros
except ImportError:
    euros = None


def handler(event, context):
    return {
        "text": shout(event["text"]),
        "price": euros(5) if euros else None,
        "env": {name: os.environ.get(name) for name in ("LOG_LEVEL", "TENANT", "EXTRA")},
        "memory": context.memory_limit_in_mb,
        "seconds": round(context.get_remaining_time_in_millis() / 1000),
    }
