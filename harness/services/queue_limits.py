"""
The numbers of SQS, each with its unit in its name.

AWS changes them now and then (the largest message was 256 KiB until August 2025), so they live in one place.
"""

from __future__ import annotations

from typing import Final

MESSAGE_BYTES_MIN: Final = 1_024
MESSAGE_BYTES_MAX: Final = 1_048_576
"""Body plus names, types and values of the message attributes; also the limit of a whole batch."""

BATCH_ENTRIES_MAX: Final = 10
BATCH_ENTRY_ID_LENGTH_MAX: Final = 80

DELAY_S_MAX: Final = 900
RETENTION_S_MIN: Final = 60
RETENTION_S_MAX: Final = 1_209_600
RETENTION_S_DEFAULT: Final = 345_600
VISIBILITY_S_MAX: Final = 43_200
"""Twelve hours: the largest setting, and the longest that one receive can hide a message in all."""

VISIBILITY_S_DEFAULT: Final = 30
WAIT_S_MAX: Final = 20
KMS_KEY_REUSE_S_MIN: Final = 60
KMS_KEY_REUSE_S_MAX: Final = 86_400

RECEIVE_MESSAGES_MAX: Final = 10
IN_FLIGHT_MAX: Final = 120_000
MAX_RECEIVE_COUNT_DEFAULT: Final = 10
MAX_RECEIVE_COUNT_MAX: Final = 1_000
REDRIVE_SOURCES_MAX: Final = 10

MESSAGE_ATTRIBUTES_MAX: Final = 10
ATTRIBUTE_NAME_LENGTH_MAX: Final = 256
ATTRIBUTE_TYPE_LENGTH_MAX: Final = 256
GROUP_ID_LENGTH_MAX: Final = 128

DEDUPLICATION_S: Final = 300
"""How long a FIFO queue remembers a deduplication id, and a receive request attempt id."""

PURGE_INTERVAL_S: Final = 60
RECREATE_WAIT_S: Final = 60
LIST_RESULTS_MAX: Final = 1_000
POLICY_ACTIONS_MAX: Final = 7
MOVE_MESSAGES_PER_S_MAX: Final = 500
MOVE_TASKS_LISTED_MAX: Final = 10

CLOCK_TOLERANCE_S: Final = 1e-6
"""Time stamps are floats that are exact to the microsecond, so what is due within one is due now."""
