import base64


def handler(event, context):
    for record in event["Records"]:
        print("viewed", base64.b64decode(record["kinesis"]["data"]).decode())


def nightly(event, context):
    print("nightly")
