"""
What AWS does not say, and a world needs a number for all the same.

Each field stands for something that no page and no recording of AWS settles ("UNSOURCED" in docs/semantics.md). The default is the likeliest, or the
plainest where nothing is likely; none of them is a fact. A project that knows better sets it:

    [tool.stagefright.assumptions]
    stream_retry_first_s = 1.0
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """
    The values that stand in for what AWS does not say; numbers unless a field says otherwise.

    >>> Assumptions(recursion_invocations_max=8).recursion_invocations_max
    8
    """

    async_throttle_factor: float = 2.0
    """How a throttled event's wait in Lambda's asynchronous queue grows from 1 s to 300 s (§2.1: both ends are AWS's)."""
    stream_retry_first_s: float = 0.5
    """The wait after the first failure of a stream's batch (§4.3: about 8 attempts in a minute were seen on AWS)."""
    stream_retry_factor: float = 1.5
    """How that wait grows (§4.3)."""
    stream_retry_cap_s: float = 60.0
    """Where it stops growing (§4.3)."""
    stream_lane_salt: str = ""
    """Put before a key when it is dealt to one of a shard's lanes (§4.2: equal keys share a lane; which one, AWS does not say)."""
    kinesis_poll_interval_s: float = 0.0
    """How often a shard of a Kinesis stream is polled (§4.2: once a second is AWS's base rate, when in the second is not said); 0 reads at once."""
    dynamodb_poll_interval_s: float = 0.0
    """How often a shard of a table's stream is polled (§4.2: four times a second is AWS's base rate); 0 reads at once."""
    bisect_first_half_is_bigger: bool = False
    """Which half of an odd batch gets the record in the middle (§4.3)."""
    stream_unknown_item_fails_batch: bool = True
    """Whether a reported item that is not in the batch fails all of it, as a number does (§4.4), or is passed over."""
    stream_s3_payload_is_text: bool = True
    """Whether the `payload` of a failed batch in a bucket is JSON as a string, or an object (§4.5)."""
    tumbling_window_offset_s: float = 0.0
    """How long after the epoch tumbling windows begin to follow each other (§4.7)."""
    tumbling_window_wait_s: float = 0.0
    """How long after a tumbling window's end it is closed if no record comes (§4.7: "up to 2 minutes" on AWS)."""
    tumbling_final_invoke_has_records: bool = False
    """Whether the last batch of a tumbling window ends it, where Lambda can know; else an invocation without records does (§4.7)."""
    tumbling_early_end_is_final: bool = False
    """Whether the invocation that ends a tumbling window early has `isFinalInvokeForWindow` too (§4.7)."""
    dynamodb_ttl_delay_s: float = 0.0
    """How long after its time to live an item is deleted (§4.6: "within a few days" on AWS; until then reads still see it)."""
    pipe_stream_batch_size: int = 1
    """How many records of a stream a pipe hands over at once if it does not say (§6.7)."""
    pipe_bus_source: str = "Pipe {name}"
    """The `source` of an event that a pipe puts on a bus, if the pipe does not say; `{name}` is the pipe's (§6.7)."""
    pipe_bus_detail_type: str = "Event from {source}"
    """Its `detail-type`; `{source}` is `aws:sqs` and the like (§6.7)."""
    eventbridge_retry_first_s: float = 1.0
    """The wait before the first retry of a rule's target (§6.4: 185 retries in 24 hours are AWS's)."""
    eventbridge_retry_factor: float = 2.0
    """How that wait grows (§6.4)."""
    eventbridge_retry_cap_s: float = 488.0
    """Where it stops growing (§6.4): doubling from a second to this cap puts the 185th retry at the end of the 24 hours."""
    rest_object_body_status: int = 502
    """What a REST API's client gets when the function returns a `body` that is an object instead of text (§8.2)."""
    eventbridge_aws_source_error: str = "NotAuthorizedForSourceException"
    """The error code of an entry whose source starts with `aws.` (§6.1: users report this one)."""
    eventbridge_dead_letter_has_input: bool = False
    """Whether a rule's dead letter is the target's input instead of the event (§6.4)."""
    eventbridge_archive_delay_s: float = 0.0
    """How long an event is on its way into an archive (§6.5: AWS advises to wait about ten minutes before a replay)."""
    eventbridge_replay_start_s: float = 10.0
    """How long a replay is `STARTING` (§6.5)."""
    eventbridge_replay_slice_s: float = 1.0
    """How long a replay takes for each minute in which there are events (§6.5)."""
    eventbridge_replay_shuffles: bool = False
    """Whether chance orders the replayed events of a minute; else they keep the order of their arrival (§6.5: AWS keeps no order there)."""
    eventbridge_replay_keeps_ids: bool = True
    """Whether a replayed event has the `id` of the first time (§6.5)."""
    fifo_duplicate_has_first_id: bool = True
    """Whether a FIFO queue or topic answers a duplicate with the id of the first message (§3.3); else with a new one, which nobody ever sees again."""
    queue_poller_pause_after_error_s: float = 0.0
    """How long a queue's poller rests after a batch that failed (§3.7: pollers back off, and AWS does not say how much)."""
    queue_light_traffic_wait_s: float = 0.0
    """How long a batch waits at least for more messages when its mapping has a batching window (§3.5: "up to 20 seconds" with light traffic)."""
    queue_idles_down_after_s: float = 300.0
    """After how long without messages a queue's mapping begins with two batches at once instead of five (§3.6: AWS names no time)."""
    schedule_delay: float = 0.0
    """
    The share, from 0 to 1, of a schedule's flexible window (or of the minute of EventBridge Scheduler's precision) within which chance puts
    each invocation; 0 is the beginning (§6.6: AWS says that it invokes within the window, and not when).
    """
    schedule_second_pass: bool = False
    """Whether a schedule's time that the clocks pass twice in autumn counts the second time (§6.6: it invokes once, AWS does not say when)."""
    past_schedule_fires: bool = False
    """Whether an `at(...)` that was over for more than a minute when it was made invokes its target at once, or never (§6.6)."""
    log_subscription_bytes_max: int = 262_144
    """How large the JSON of one delivery to a log's subscriber may get before it is split in two (§10.3: AWS names no size)."""
    retry_jitter: float = 0.0
    """The share, from 0 to 1, by which chance may shorten each wait between attempts (§5.2, §6.4: AWS adds jitter, and does not say how much)."""
    recursion_invocations_max: int = 16
    """After how many invocations by the same triggering event Lambda stops a function's loop (§7: "about 16")."""
    recursion_condition: str = "RetriesExhausted"
    """The `condition` in the record of an asynchronous event that was stopped so (§7: none of the four documented ones is said to be it)."""
    out_of_memory_error: str = "Runtime.ExitError"
    """The `errorType` of a function that ran out of memory (§1.4: `Runtime.ExitError` is the emulator's; AWS may say `Runtime.OutOfMemory`)."""


KNOWN: Mapping[str, type] = MappingProxyType({field.name: type(field.default) for field in fields(Assumptions)})
"""Each assumption, with the type of its value."""


def fitting(name: str, value: object) -> Any:
    """
    The value as the assumption `name` keeps it.

    Raises `TypeError` if it is not of the default's type (a whole number does for a number with a fraction), `ValueError` for a number
    below zero.

    >>> fitting("stream_retry_cap_s", 30)
    30.0
    """
    wanted = KNOWN[name]
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted:
        raise TypeError(name)
    if isinstance(value, int | float) and value < 0:
        raise ValueError(name)
    return value
