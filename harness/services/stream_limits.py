"""What Kinesis takes: the sizes of keys, records and requests (aws-semantics §4.6), with AWS's refusals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stagefright.aws_api.errors import ApiError

PARTITION_KEY_CHARS_MAX = 256
RECORD_BYTES_MAX = 10 * 1024 * 1024
"""A record's data with its key; 1 MiB before 2025."""
REQUEST_BYTES_MAX = 10 * 1024 * 1024
REQUEST_RECORDS_MAX = 500


def check_record(params: Mapping[str, Any]) -> None:
    """Refuse what `PutRecord` refuses."""
    _size(params, "")


def _size(record: Mapping[str, Any], where: str) -> int:
    """What a record measures; refuses one that is too big, or has a bad key. `where` names an entry of `PutRecords`."""
    key, data = str(record.get("PartitionKey", "")), record.get("Data", b"")
    if not 1 <= len(key) <= PARTITION_KEY_CHARS_MAX:
        bound = "greater than or equal to 1" if not key else f"less than or equal to {PARTITION_KEY_CHARS_MAX}"
        raise _invalid(f"Value '{key}' at '{where}partitionKey'", bound)
    size = len(data.encode() if isinstance(data, str) else data) + len(key.encode())
    if size > RECORD_BYTES_MAX:
        raise _invalid(f"Value at '{where}data'", f"less than or equal to {RECORD_BYTES_MAX}")
    return size


def check_records(params: Mapping[str, Any]) -> None:
    """Refuse what `PutRecords` refuses as a whole."""
    records = params["Records"]
    if len(records) > REQUEST_RECORDS_MAX:
        raise _invalid("Value at 'records'", f"less than or equal to {REQUEST_RECORDS_MAX}")
    sizes = [_size(record, f"records.{n}.member.") for n, record in enumerate(records, 1)]
    if sum(sizes) > REQUEST_BYTES_MAX:
        raise ApiError("InvalidArgumentException", f"Records size exceeds {REQUEST_BYTES_MAX // 1024 // 1024} MB limit")


def _invalid(what: str, bound: str) -> ApiError:
    constraint = f"failed to satisfy constraint: Member must have length {bound}"
    return ApiError("ValidationException", f"1 validation error detected: {what} {constraint}")
