import os


def handler(event, context):
    return f"hello from {os.environ['WHERE']}"
