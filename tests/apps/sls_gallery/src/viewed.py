import base64


def handler(event, context):
    for record in event["Records"]:
        kinesis, s3 = record.get("kinesis"), record.get("s3")
        print("viewed", base64.b64decode(kinesis["data"]).decode() if kinesis else s3["object"]["key"])


def nightly(event, context):
    print("nightly")
