"""The error codes of SQS, and the shapes that its clients' exceptions have."""

from __future__ import annotations

from typing import Final

from stagefright.aws_api.errors import ApiError

PREFIX: Final = "AWS.SimpleQueueService."
"""How the codes begin that SQS has from its old query protocol."""

ERROR_SHAPES: Final = {
    f"{PREFIX}NonExistentQueue": "QueueDoesNotExist",
    "QueueAlreadyExists": "QueueNameExists",
    "InvalidParameterValue": "InvalidParameterValueException",
    "MissingParameter": "MissingRequiredParameterException",
    **{
        PREFIX + shape: shape
        for shape in (
            "BatchEntryIdsNotDistinct",
            "BatchRequestTooLong",
            "EmptyBatchRequest",
            "InvalidBatchEntryId",
            "MessageNotInflight",
            "PurgeQueueInProgress",
            "QueueDeletedRecently",
            "TooManyEntriesInBatchRequest",
            "UnsupportedOperation",
        )
    },
    **{
        shape: shape
        for shape in (
            "InvalidAttributeName",
            "InvalidAttributeValue",
            "InvalidMessageContents",
            "OverLimit",
            "ReceiptHandleIsInvalid",
            "ResourceNotFoundException",
        )
    },
}
"""
Error code to error shape.

SQS speaks JSON but keeps the codes of its old query protocol: `e.response["Error"]["Code"]` is the code, while
`client.exceptions.<shape>` and `e.response["Error"]["QueryErrorCode"]` go by the shape. The shapes of
`InvalidParameterValue` and `MissingParameter` are sent by AWS but are not in botocore's model.
"""


def no_such_queue() -> ApiError:
    """The refusal of a queue that is not there."""
    return ApiError(f"{PREFIX}NonExistentQueue", "The specified queue does not exist.")
