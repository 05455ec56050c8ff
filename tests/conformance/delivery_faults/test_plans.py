"""Faults of deliveries in plans: wrapped, two at once, nested, by a mark's own block, and healed by a reset."""

from __future__ import annotations

import pytest

from stagefright.chaos import Both, Chaos, Delay, Drop, Duplicate, Failure, PoisonRecord, Reorder, ThrottledConcurrency
from stagefright.errors import FaultNeverFired, UnknownResource, UsageError

NAMES = ("News", "Worker")


def publish(system, *messages):
    system.publish(*messages)
    system.settle()
    return [event["Records"][0]["Sns"]["Message"] for event in system.events()]


class TestWrappers:
    """A wrapper is a fault: it counts and draws by the hand-over."""

    def test_so_often_and_no_more(self, system):
        """`at_most` counts the hand-overs that it strikes."""
        system.up_with_topic()

        with system.chaos(News=Duplicate().at_most(2)):
            got = publish(system, "a", "b", "c")

        assert sorted(got) == ["a", "a", "b", "b", "c"]
        assert {r.detail["fault"] for r in system.strikes()} == {"at_most"}

    def test_at_chosen_hand_overs(self, system):
        """`on_call` counts what the fault concerns: here each event on its way to each subscriber."""
        system.up_with_topic()

        with system.chaos(News=Delay(delay_ms=1_000).on_call(2)):
            got = publish(system, "a", "b", "c")

        assert got == ["a", "c", "b"]

    def test_now_and_then(self, system):
        """A draw by the source, the consumer and the event: one more event before them changes nothing for the others."""
        system.up_with_topic()
        struck = []
        for messages in ([*"abcdefgh"], [*"abcdefghi"]):
            system.stage.reset()
            with system.chaos(News=Duplicate().with_probability(0.5)):
                got = publish(system, *messages)
            struck.append({one for one in "abcdefgh" if got.count(one) == 2})

        assert struck[0] == struck[1]
        assert 0 < len(struck[0]) < 8

    def test_events_with_a_certain_content(self, system):
        """`when` looks into what the journal says of the event, and into JSON that its sender wrote."""
        system.up_with_topic()

        with system.chaos(News=Drop().when("message.kind", "bad")):
            got = publish(system, '{"kind": "good"}', '{"kind": "bad"}', "no JSON")

        assert got == ['{"kind": "good"}', "no JSON"]

    def test_for_a_span_of_time(self, system):
        """`during` is virtual time."""
        system.up_with_topic()

        with system.chaos(News=Duplicate().during("1m")):
            publish(system, "a")
            system.advance(61)
            got = publish(system, "b")

        assert got == ["a", "a", "b"]

    def test_two_at_once(self, system):
        """`Both` is one fault with two effects; its record names it once for each."""
        system.up_with_topic()

        with system.chaos(News=Both(Delay(delay_ms=5_000), Duplicate())):
            got = publish(system, "a")

        assert got == ["a", "a"]
        assert min(system.attempts()) == 5
        assert {r.detail["fault"] for r in system.strikes("both", "News")} == {"both"}

    def test_a_mixture_of_kinds_in_one_fault_is_refused(self, system):
        """One part would go into a flag, the other could not."""
        system.up_with_topic()

        with (
            pytest.raises(UsageError, match="list them side by side"),
            system.chaos(Worker=Both(Failure("down"), ThrottledConcurrency())),
        ):
            pass


class TestPlans:
    """Several faults, several blocks."""

    def test_two_faults_of_one_source(self, system):
        """Both strike the same message, each with its own record."""
        system.up_with_topic()

        with system.chaos(News=[Duplicate(), Delay(delay_ms=2_000)]):
            got = publish(system, "a")

        assert got == ["a", "a"]
        assert min(system.attempts()) == 2
        assert [r.detail["settings"] for r in system.strikes("delay")] == [{"delay_ms": 2_000}]
        assert len(system.strikes("duplicate")) == 1

    @pytest.mark.parametrize("is_one_object", [True, False])
    def test_a_block_inside_another(self, system, is_one_object):
        """Inside both hold, outside the outer one alone; also if a mark and a test each have their own."""
        system.up_with_topic()
        outer = Chaos(system.stage)
        inner = outer if is_one_object else Chaos(system.stage)

        with outer(News=Duplicate()):
            with inner(News=Delay(delay_ms=5_000)):
                assert publish(system, "a") == ["a", "a"]
            began = system.elapsed()
            publish(system, "b")

        attempts = system.attempts()
        assert min(attempts[:2]) == 5
        assert attempts[2] == began
        assert len(attempts) == 4

    def test_the_default_bus_has_a_name(self, system):
        """No template names the bus that every account has."""
        rule = system.resource(
            "Events::Rule", EventPattern={"source": ["shop"]}, Targets=[{"Id": "t", "Arn": system.att("Worker")}]
        )
        system.up(Worker=system.function(), Rule=rule)

        with system.chaos(default=Duplicate()):
            system.client("events").put_events(Entries=[{"Source": "shop", "DetailType": "order", "Detail": "{}"}])
            system.settle()

        assert len(system.events()) == 2

    def test_an_unknown_resource_is_refused(self, system):
        """With the nearest that there is."""
        system.up_with_topic()

        with pytest.raises(UnknownResource, match="names Newz"), system.chaos(Newz=Duplicate()):
            pass

    def test_a_reset_heals(self, system):
        """Nothing is left of a block that nobody left."""
        system.up_with_topic()
        system.chaos(News=[Duplicate(), PoisonRecord()], Worker=ThrottledConcurrency()).__enter__()

        system.stage.reset()

        assert publish(system, "a") == ["a"]
        assert system.strikes() == []

    def test_a_failing_block_heals_too(self, system):
        """Whatever was raised."""
        system.up_with_topic()

        with pytest.raises(ZeroDivisionError), system.chaos(News=Duplicate()):
            raise ZeroDivisionError

        assert publish(system, "a") == ["a"]

    def test_what_was_held_back_arrives_after_the_block(self, system):
        """Healing loses nothing that was on its way."""
        system.up_with_stream()

        with system.chaos(Feed=Delay(delay_ms=60_000)):
            system.put("a")
        system.put("b")
        system.settle()

        assert [one for batch in system.batches() for one in batch] == ["a", "b"]

    def test_a_fault_that_never_struck_says_what_must_happen(self, system):
        """What came, and what the fault waits for."""
        system.up_with_topic()

        with pytest.raises(FaultNeverFired) as never, system.chaos(News=Reorder()):
            pass

        assert str(never.value).splitlines() == [
            "News=Reorder() was planned and never struck, so this block proved nothing about it.",
            "  Meanwhile News accepted 0 events, was invoked 0 times, and was struck by nothing.",
            f"  {Reorder.strikes_when} What comes later needs stage.settle() before the block ends.",
        ]
