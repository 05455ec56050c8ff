import json

import boto3

from app import config
from app.domain.invoice import Invoice


def handler(event, context):
    table = boto3.resource("dynamodb").Table(config.required("SENT_TABLE"))
    for record in event["Records"]:
        invoice = Invoice(**json.loads(record["Sns"]["Message"]))
        table.put_item(Item={"pk": invoice.customer, "sk": invoice.number, "amount": invoice.amount, "by": __name__})
