from buggy import stamp


def handler(event, context):
    for record in event["Records"]:
        if not is_our_own(record["dynamodb"]):
            stamp(record["dynamodb"]["Keys"])


def is_our_own(change):
    """Whether nothing but the stamp changed."""
    old, new = ({**change.get(image, {}), "changed_at": None} for image in ("OldImage", "NewImage"))
    return old == new
