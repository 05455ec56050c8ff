"""Each fault of deliveries strikes while its block lasts, and not after it."""

from __future__ import annotations

import pytest

from stagefright.chaos import Delay, Drop, Duplicate, PartialBatch, PoisonRecord, Reorder, ThrottledConcurrency


def queue(system):
    """A queue whose batches have up to ten messages; two are sent."""
    system.up_with_queue(mapping={"Enabled": False})

    def send(*bodies):
        mapping = system.stage.ref("Map")
        system.client("lambda").update_event_source_mapping(UUID=mapping, Enabled=False)
        system.settle()
        system.send(*bodies)
        system.client("lambda").update_event_source_mapping(UUID=mapping, Enabled=True)

    return send


def function(system):
    """A function that is invoked asynchronously, once for each event."""
    system.up(Worker=system.function())
    return lambda *events: [system.invoke_later({"n": event}) for event in events]


@pytest.mark.parametrize(
    ("name", "fault", "make"),
    [
        ("Jobs", Duplicate(), queue),
        ("Jobs", Delay(delay_ms=5_000), queue),
        ("Jobs", Reorder().on_call(1, 3, 5), queue),
        ("Jobs", PoisonRecord(), queue),
        ("Jobs", PartialBatch(), queue),
        ("Worker", ThrottledConcurrency(), function),
        ("Worker", Drop(), function),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(value),
)
def test_it_strikes_while_the_block_lasts_and_not_after_it(system, name, fault, make):
    """What is sent afterwards arrives once, at once, whole and in order; and there is no other record of the fault."""
    send = make(system)
    with system.chaos(**{name: fault}):
        send("a", "b")
        system.settle()
    struck, ran, healed_at = len(system.strikes(resource=name)), len(system.invocations()), system.stage.clock.now()
    assert struck >= 1

    send("c", "d")
    system.settle()

    assert len(system.strikes()) == struck
    later = system.invocations()[ran:]
    assert {record.at for record in later} == {healed_at}
    assert [len(run.detail["event"].get("Records", [0])) for run in later] == ([2] if make is queue else [1, 1])
    if make is queue:
        assert [record["body"] for record in later[0].detail["event"]["Records"]] == ["c", "d"]
