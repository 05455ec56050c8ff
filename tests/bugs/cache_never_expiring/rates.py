def handler(event, context):
    return {"EUR": 2}
