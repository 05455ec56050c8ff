"""Powertools' batch processor: every message has its try, and only those that failed are reported as failed."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from bookings import book

# An event whose messages all fail is reported message by message too, so that the mapping does not slow down.
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


def handler(event: dict[str, Any], context: Any) -> Any:
    return process_partial_response(event=event, record_handler=book_one, processor=processor, context=context)


def book_one(record: SQSRecord) -> str:
    return book(record.body)
