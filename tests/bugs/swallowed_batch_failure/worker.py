def handler(event, context):
    failures = [record["messageId"] for record in event["Records"] if record["body"] == "bad"]
    return {"batchItemFailures": [{"itemIdentifier": failure} for failure in failures]}
