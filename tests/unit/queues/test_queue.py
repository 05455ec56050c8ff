"""One queue: notifications, records, snapshots, and what its size may cost."""

from __future__ import annotations

import sys

import pytest


def test_consumers_learn_of_all_that_may_be_receivable(sqs):
    """`on_available` is called for a send, a delayed send, a shortened timeout and an opened group."""
    queue = sqs.queue("orders.fifo")
    calls = []
    queue.on_available.append(lambda: calls.append(1))

    queue.send("a", group_id="g", dedup_id="a")
    (message,) = queue.receive()
    queue.change_visibility(message.receipt_handle, 60)
    longer = len(calls)
    queue.change_visibility(message.receipt_handle, 10)
    shorter = len(calls)
    queue.delete(message.receipt_handle)

    assert (longer, shorter, len(calls)) == (1, 2, 3)


def test_a_send_is_an_event_in_the_journal(sqs):
    """The record has the envelope and the cause, and the message knows its number."""
    queue = sqs.queue()
    attributes = {"k": {"DataType": "String", "StringValue": "v"}}
    cause = sqs.world.journal.write("call", "test", cause=None).n

    sent = queue.send("body", attributes=attributes, group_id="g", cause=cause)

    record = sqs.world.journal[sent.record]
    assert (record.kind, record.resource, record.cause) == ("event", "ORDERS", cause)
    assert record.detail == {"id": sent.id, "body": "body", "attributes": {"k": "v"}, "group_id": "g"}
    assert queue.receive()[0].record == sent.record


def test_a_duplicate_leaves_a_trace(sqs):
    """A message that a FIFO queue ignores is no event, but the journal tells why it never came."""
    queue = sqs.queue("orders.fifo")
    first = queue.send("a", group_id="g", dedup_id="d")

    again = queue.send("b", group_id="g", dedup_id="d")

    assert again == first._replace(duplicate=True)
    (dropped,) = sqs.world.journal.of_kind("dropped")
    assert dropped.detail == {"reason": "duplicate", "ids": [], "duplicate_of": first.id}


@pytest.mark.parametrize("end", ["purge", "close"])
def test_what_is_thrown_away_is_recorded(sqs, end):
    """A purge and the deletion of a queue name the messages that they lose."""
    queue = sqs.queue()
    ids = [queue.send("a").id, queue.send("b").id]

    getattr(queue, end)()

    assert sqs.world.journal.of_kind("dropped")[0].detail["ids"] == ids
    assert queue.depth().total == 0


def test_the_next_time_something_becomes_visible(sqs):
    """`next_visible_at` knows delays and timeouts, and forgets deleted messages."""
    queue = sqs.queue()
    start = sqs.world.clock.now()
    queue.send("a")
    queue.send("b", delay_s=50)
    (received,) = queue.receive()

    assert queue.next_visible_at() == start + 30
    queue.delete(received.receipt_handle)
    assert queue.next_visible_at() == start + 50
    sqs.wait(50)
    assert [message.body for message in queue.receive()] == ["b"]


def test_a_snapshot_holds_everything(sqs):
    """Messages, receive counts, deduplication, attributes, tags and callbacks come back, more than once."""
    queue = sqs.queue("orders.fifo", ContentBasedDeduplication="true")
    queue.send("a", group_id="g")
    queue.send("b", group_id="g")
    (first,) = queue.receive()
    state = sqs.service.snapshot()

    for _ in range(2):
        queue.purge()
        queue.send("c", group_id="g")
        sqs.call("tag_queue", queue, Tags={"k": "v"})
        sqs.call("set_queue_attributes", queue, Attributes={"VisibilityTimeout": "1"})
        queue.on_available.append(list)
        sqs.call("delete_queue", queue)
        sqs.service.restore(state)

        assert sqs.service.by_url(queue.url) is queue
        assert (queue.depth(), queue.tags, queue.visibility_timeout_s, queue.on_available) == ((1, 1, 0), {}, 30, [])
        assert queue.receive() == []
        assert queue.send("a", group_id="g").duplicate
        queue.change_visibility(first.receipt_handle, 0)
        assert [(m.body, m.receive_count) for m in queue.receive(2)] == [("a", 2), ("b", 1)]


def test_a_queue_made_after_the_snapshot_is_gone(sqs):
    """A restore brings back what was, and only that."""
    state = sqs.service.snapshot()
    queue = sqs.queue()

    sqs.service.restore(state)

    assert sqs.service.by_arn(queue.arn) is None
    sqs.queue()


def test_the_same_seed_gives_the_same_ids(make_sqs):
    """Ids and handles depend on seed, queue and order, on nothing else."""

    def story():
        sqs = make_sqs()
        queue = sqs.queue()
        queue.send("a")
        return queue.receive()

    assert story() == story()


def test_a_queue_made_again_gives_other_ids(sqs):
    """A name that is used again is another queue: old handles are not its handles."""
    queue = sqs.queue()
    first = queue.send("a").id
    sqs.call("delete_queue", queue)
    sqs.wait(60)

    assert sqs.queue().send("a").id != first


def calls_of(action):
    """How many Python calls an action makes: a cost that does not depend on the machine."""
    count = 0

    def trace(frame, event, arg):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(trace)
    try:
        action()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("name", ["orders", "orders.fifo"])
def test_the_cost_of_a_message_does_not_depend_on_the_depth(sqs, name):
    """One send, receive and delete makes as many calls in a queue of 5,000 as in one of ten."""

    def fill(queue, count):
        for number in range(count):
            queue.send("x", group_id=f"g{number % 7}", dedup_id=str(number) if queue.fifo else None)
        return queue

    def one(queue):
        queue.send("x", group_id="g", dedup_id="last" if queue.fifo else None)
        queue.delete(queue.receive()[0].receipt_handle)

    shallow, deep = fill(sqs.queue(f"shallow-{name}"), 10), fill(sqs.queue(f"deep-{name}"), 5_000)

    assert calls_of(lambda: one(deep)) <= calls_of(lambda: one(shallow)) + 5


@pytest.mark.parametrize("name", ["orders", "orders.fifo"])
def test_memory_returns_after_deletion(sqs, name):
    """What is deleted is not kept anywhere, but for the deduplication ids of five minutes."""
    queue = sqs.queue(name)
    for number in range(1_000):
        queue.send("x", group_id=str(number), dedup_id=str(number) if queue.fifo else None)
    for _ in range(100):
        for message in queue.receive(10):
            queue.change_visibility(message.receipt_handle, 60)
            queue.delete(message.receipt_handle)
    sqs.wait(300)
    queue.send("last", group_id="g", dedup_id="last" if queue.fifo else None)

    contents = queue._messages
    held = [kept for part in (queue, contents, contents._order, queue._sent) for kept in vars(part).values()]
    assert max(len(each) for each in held if isinstance(each, dict | list)) <= 15


def test_endless_changes_of_visibility_do_not_pile_up(sqs):
    """A heartbeat that extends the timeout for ever leaves a bounded number of stale entries."""
    queue = sqs.queue()
    queue.send("x")
    (message,) = queue.receive()
    for seconds in range(1_000):
        queue.change_visibility(message.receipt_handle, 30 + seconds)

    assert len(queue._messages._hidden) < 100
