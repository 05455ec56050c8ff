"""Fail, always."""


def handler(event, context):
    raise RuntimeError("always")
