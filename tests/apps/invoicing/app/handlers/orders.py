import json

import boto3

from .. import config
from ..domain import Invoice

TOPIC = config.required("INVOICE_TOPIC_ARN")
sns = boto3.client("sns")


def handler(event, _context):
    for record in event["Records"]:
        invoice = Invoice.for_order(json.loads(record["body"]))
        sns.publish(
            TopicArn=TOPIC,
            Subject=invoice.number,
            Message=invoice.to_json(),
            MessageAttributes={"amount": {"DataType": "Number", "StringValue": str(invoice.amount)}},
        )
