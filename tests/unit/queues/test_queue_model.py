"""Our queue against a naive one: a list that is scanned from the start for every question."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stagefright.aws_api.errors import ApiError

GROUPS = ("g1", "g2", "g3")

STEPS = st.one_of(
    st.tuples(st.just("send"), st.sampled_from(GROUPS), st.sampled_from([0, 0, 0, 5])),
    st.tuples(st.just("receive"), st.integers(1, 4), st.sampled_from([None, 0, 1, 10])),
    st.tuples(st.just("delete"), st.integers(0, 20), st.booleans()),
    st.tuples(st.just("hide"), st.integers(0, 20), st.sampled_from([0, 1, 7, 60])),
    st.tuples(st.just("wait"), st.sampled_from([0.001, 1, 5, 30]), st.none()),
    st.tuples(st.just("restore"), st.none(), st.none()),
)


@dataclass
class Naive:
    """What the rules of §3.2 and §3.3 say of one message."""

    body: str
    group: str
    visible_at: float
    count: int = 0
    handle: str = ""


class Oracle:
    """A list of messages in the order of sending."""

    def __init__(self, sqs, name, delay_s):
        self.sqs = sqs
        self.queue = sqs.queue(name, DelaySeconds=str(delay_s))
        self.delay_s = delay_s
        self.messages: list[Naive] = []
        self.all: list[Naive] = []

    @property
    def now(self):
        return self.sqs.world.clock.now()

    def visible(self, message):
        return message.visible_at <= self.now + 1e-6

    def receivable(self):
        """The bodies that a receive may give, by group; a standard queue has but one group, without runs."""
        if not self.queue.fifo:
            return {"": [message.body for message in self.messages if self.visible(message)]}
        runs = {group: [] for group in GROUPS}
        blocked = set()
        for message in self.messages:
            if not self.visible(message):
                blocked.add(message.group)
            elif message.group not in blocked:
                runs[message.group].append(message.body)
        return runs

    def send(self, group, delay_s):
        body = f"{group}-{len(self.all)}"
        delay = None if self.queue.fifo else delay_s
        self.queue.send(body, group_id=group, dedup_id=body if self.queue.fifo else None, delay_s=delay)
        due = self.now + (self.delay_s if delay is None else delay)
        self.all.append(Naive(body, group, due))
        self.messages.append(self.all[-1])

    def receive(self, count, timeout_s):
        possible = self.receivable()
        received = self.queue.receive(count, visibility_timeout_s=timeout_s)
        bodies = [message.body for message in received]
        assert len(bodies) == min(count, sum(map(len, possible.values())))
        for group, run in possible.items():
            mine = [body for body in bodies if body.startswith(group)]
            assert mine == run[: len(mine)]
        # One group is used up before the next one begins.
        groups = [body.split("-")[0] for body in bodies]
        if self.queue.fifo:
            assert len(set(groups)) == sum(1 for n, group in enumerate(groups) if n == 0 or groups[n - 1] != group)
        for message in received:
            self.note_received(message, 30 if timeout_s is None else timeout_s)

    def note_received(self, message, timeout_s):
        naive = next(each for each in self.messages if each.body == message.body)
        naive.count += 1
        naive.handle, naive.visible_at = message.receipt_handle, self.now + timeout_s
        assert message.receive_count == naive.count

    def delete(self, number, _):
        received = [message for message in self.all if message.handle]
        if not received:
            return
        message = received[number % len(received)]
        if self.queue.fifo and message in self.messages and self.visible(message):
            with pytest.raises(ApiError, match="expired"):
                self.queue.delete(message.handle)
            return
        self.queue.delete(message.handle)
        if message in self.messages:
            self.messages.remove(message)

    def hide(self, number, seconds):
        received = [message for message in self.messages if message.handle]
        if not received:
            return
        message = received[number % len(received)]
        if self.queue.fifo and self.visible(message):
            with pytest.raises(ApiError, match="expired"):
                self.queue.change_visibility(message.handle, seconds)
            return
        self.queue.change_visibility(message.handle, seconds)
        message.visible_at = self.now + seconds

    def wait(self, seconds, _):
        self.sqs.wait(seconds)

    def restore(self, *_):
        self.queue.restore(self.queue.snapshot())

    def check(self):
        depth = self.queue.depth()
        hidden = [message for message in self.messages if not self.visible(message)]
        assert depth.total == len(self.messages)
        assert depth.in_flight + depth.delayed == len(hidden)
        assert self.queue.next_visible_at() == min((message.visible_at for message in hidden), default=None)


@pytest.mark.parametrize(("name", "delay_s"), [("orders", 0), ("orders.fifo", 0), ("slow.fifo", 3), ("slow", 3)])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=60))
def test_the_queue_does_what_the_naive_one_says(make_sqs, name, delay_s, steps):
    """Whatever happens in whatever order, the queue gives what a full scan by the rules would give."""
    oracle = Oracle(make_sqs(), name, delay_s)
    for verb, first, second in steps:
        getattr(oracle, verb)(first, second)
        oracle.check()
