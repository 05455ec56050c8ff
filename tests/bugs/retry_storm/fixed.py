from buggy import book


def handler(event, context):
    if not book():
        raise RuntimeError("the ledger is down; Lambda tries again, a minute later")
