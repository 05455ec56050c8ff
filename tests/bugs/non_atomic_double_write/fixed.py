from buggy import announce, write


def handler(event, context):
    for record in event["Records"]:
        write(record["body"])
        announce(record["body"])  # again if need be: those who listen are idempotent
