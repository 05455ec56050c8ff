import json
import os

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
processor = BatchProcessor(event_type=EventType.SQS)
ledger = boto3.resource("dynamodb").Table(os.environ["LEDGER"])


def record_handler(record: SQSRecord) -> str:
    payment = json.loads(record.body)
    if payment["amount"] <= 0:
        raise ValueError("an amount is more than nothing")
    ledger.put_item(Item={"id": payment["id"], "receives": record.attributes.approximate_receive_count})
    return payment["id"]


@logger.inject_lambda_context
def handler(event: dict, context: LambdaContext):
    return process_partial_response(event=event, record_handler=record_handler, processor=processor, context=context)
