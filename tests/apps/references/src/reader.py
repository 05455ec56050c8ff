import os


def handler(event, context):
    return {name: os.environ[name] for name in event["names"]} | {"memory": context.memory_limit_in_mb}
