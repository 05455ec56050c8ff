def handler(event, context):
    return {"left": 3}
