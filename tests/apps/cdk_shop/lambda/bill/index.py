def handler(event, context):
    for record in event.get("Records", [event]):
        print("bill", record.get("EventSource") or record.get("eventSource") or record["source"])
    return {"batchItemFailures": []}
