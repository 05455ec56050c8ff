def handler(event, context):
    return "open"
