"""
A slow or broken carrier costs a better price, and not the checkout.

| the failure feared                             | the fault used                    | the verdict expected                                |
|------------------------------------------------|-----------------------------------|-----------------------------------------------------|
| the caller times out with the one it waits for | latency, a timeout of the carrier | answered in time, from the remaining time           |
| the carrier is down, and so is the checkout    | failure of the carrier            | the flat rate is the answer                         |
| everybody waits, and hammers what is down      | either, for long                  | the circuit opens: no wait, and no call             |
| the circuit stays open for ever                | either, then healed               | half-open after 30 s, closed after two good answers |
"""

from __future__ import annotations

import time

import pytest

from stagefright.chaos import Failure, Latency, Timeout
from stagefright.chaos.checks import fallback_used, no_retry_storm, recovered_after_heal, timed_out_within

half_a_minute = pytest.mark.only_on("local", reason="between open and half-open is half a minute, several times over")
sees_calls = pytest.mark.only_on("local", reason="the SDK calls of a function are seen there only")
blocks = pytest.mark.only_on(
    "local", reason="it keeps the carrier's environment busy for a minute, and with it the next test"
)

FLAT_RATE = {"shippingRappen": 900, "source": "flat rate"}
CARRIERS_PRICE = {"shippingRappen": 500, "source": "carrier"}
PATIENCE_MS = 3_000
RECOVERY_S = 30
THRESHOLD = 3


class TestPatience:
    """The carrier is slow, and a customer waits."""

    SLOW = Latency(delay_ms=8_000)

    @pytest.fixture
    def carrier_ends(self, stage, asked):
        """Wait until the carrier has done what nobody waits for any more; elsewhere than on a local stage its log comes then."""
        return lambda: stage.wait_until(lambda: asked() == 1, within="1m") and stage.settle()

    @pytest.mark.only_on("local", "aws", reason="MiniStack does not log that a function has timed out")
    def test_the_naive_checkout_times_out(self, checkout, carrier_ends, chaos, journal):
        """It waits until Lambda ends it, and the customer gets an error."""
        with chaos(QuoteFunction=self.SLOW):
            response = checkout("naive")
            carrier_ends()

        assert response.status_code >= 500
        assert timed_out_within("NaiveCheckoutFunction", "4s")(journal).broken

    @pytest.mark.nightly
    def test_the_patient_checkout_answers_in_time(self, checkout, carrier_ends, chaos, journal):
        """After three seconds it takes the flat rate."""
        with chaos(QuoteFunction=self.SLOW):
            response = checkout("patient")
            carrier_ends()

        assert response.json() == FLAT_RATE
        [outcome] = journal.of_kind("outcome", resource="PatientCheckoutFunction")
        assert "error_type" not in outcome.detail
        assert outcome.detail["duration_ms"] >= PATIENCE_MS

    @pytest.mark.only_on("local", reason="elsewhere the machine's own time counts, too")
    def test_the_patient_checkout_is_far_from_its_timeout(self, checkout, chaos, journal):
        """It has two of its six seconds left."""
        with chaos(QuoteFunction=self.SLOW):
            checkout("patient")

        timed_out_within("PatientCheckoutFunction", "4s").require(journal)

    @pytest.mark.nightly
    def test_the_patience_is_what_is_left(self, checkout, carrier_ends, chaos, journal):
        """If the function itself started late, the carrier gets less time, and the customer is answered all the same."""
        with chaos(QuoteFunction=self.SLOW, PatientCheckoutFunction=Timeout(buffer_ms=2_500)):
            response = checkout("patient")
            carrier_ends()

        assert response.json() == FLAT_RATE
        (timed_out_within("PatientCheckoutFunction", "6s") & fallback_used("PatientCheckoutFunction")).require(journal)

    def test_a_little_slow_is_waited_for(self, checkout, chaos):
        """An answer within three seconds is the carrier's: the timeout is no excuse for a worse price."""
        with chaos(QuoteFunction=Latency(delay_ms=1_000)):
            assert checkout("patient").json() == CARRIERS_PRICE


class TestFallback:
    """The carrier fails."""

    DOWN = pytest.mark.parametrize(
        "fault",
        [
            Failure("no quotes today"),
            pytest.param(Timeout(), marks=blocks),
            pytest.param(Latency(delay_ms=60_000), marks=blocks),
        ],
        ids=["failure", "timeout", "latency"],
    )

    def test_the_naive_checkout_fails_with_it(self, stage, checkout, chaos, journal):
        """What the carrier answers instead of a price is no price: KeyError."""
        with chaos(QuoteFunction=Failure("no quotes today")):
            response = checkout("naive")
        stage.settle()

        assert response.status_code >= 500
        [outcome] = journal.of_kind("outcome", resource="NaiveCheckoutFunction")
        assert outcome.detail["error_type"] == "KeyError"

    @DOWN
    @pytest.mark.parametrize("way", ["patient", "guarded"])
    def test_the_flat_rate_is_the_answer(self, stage, checkout, chaos, journal, way, fault):
        """However the carrier fails, there is an answer, and no error of the checkout's."""
        with chaos(QuoteFunction=fault):
            assert checkout(way).json() == FLAT_RATE
            stage.settle()

        outcomes = journal.of_kind("outcome", resource=f"{way.title()}CheckoutFunction")
        assert outcomes
        assert not [one for one in outcomes if "error_type" in one.detail]

    @sees_calls
    @pytest.mark.parametrize("way", ["patient", "guarded"])
    def test_a_carrier_that_is_down_is_asked_once(self, checkout, chaos, journal, way):
        """Whoever cannot wait for one answer has no time for a second."""
        with chaos(QuoteFunction=Latency(delay_ms=60_000)):
            checkout(way)

        no_retry_storm(f"{way.title()}CheckoutFunction", calls_max=1, to="lambda.Invoke").require(journal)

    def test_after_the_outage_the_price_is_the_carriers(self, stage, checkout, chaos, journal):
        """A fallback does not stick."""
        with chaos(QuoteFunction=Failure("no quotes today")):
            checkout("patient")
            stage.settle()

        stage.wait_until(lambda: checkout("patient").json() == CARRIERS_PRICE, within="30s")
        stage.settle()
        recovered_after_heal("PatientCheckoutFunction", fault_on="QuoteFunction").require(journal)


class TestCircuit:
    """The carrier is down for long, and the checkout stops asking."""

    @pytest.fixture
    def nothing_held_against_it(self, stage, checkout):
        """The carrier has just answered well. Powertools counts failures in its own module, which outlives a test; this ends the count."""
        assert checkout("guarded").json() == CARRIERS_PRICE
        stage.settle()

    @pytest.fixture
    def asked(self, nothing_held_against_it, asked):
        """How often the carrier was asked since then."""
        before = asked()
        return lambda: asked() - before

    @pytest.fixture
    def trip(self, checkout, nothing_held_against_it):
        """Open the circuit: three checkouts that the carrier fails."""

        def trip():
            for _ in range(THRESHOLD):
                assert checkout("guarded").json() == FLAT_RATE

        return trip

    def test_open(self, stage, checkout, chaos, trip, circuit, asked):
        """After three failures nobody asks any more: four more customers, and no call for them."""
        with chaos(QuoteFunction=Failure("no quotes today")):
            trip()
            assert [checkout("guarded").json() for _ in range(4)] == [FLAT_RATE] * 4
            stage.settle()

        assert circuit() == "OPEN"
        assert asked() == THRESHOLD

    @pytest.mark.only_on("local", reason="only there a call takes no time of its own")
    def test_open_nobody_waits(self, checkout, chaos, trip, circuit, asked, clock, journal):
        """With a carrier that hangs, ten more customers cost no time and no call."""
        with chaos(QuoteFunction=Latency(delay_ms=20_000)):
            trip()
            opened_at = clock.now()
            assert [checkout("guarded").json() for _ in range(10)] == [FLAT_RATE] * 10

        assert circuit() == "OPEN"
        assert clock.now() == opened_at
        assert asked() == THRESHOLD
        no_retry_storm("GuardedCheckoutFunction", calls_max=(1 + THRESHOLD) / 14, to="lambda.Invoke").require(journal)

    @sees_calls
    def test_without_a_circuit_everybody_waits(self, checkout, chaos, clock, asked, journal):
        """The same thirteen customers, with patience alone: three seconds each, and thirteen calls to a carrier that is down."""
        begun_at = clock.now()
        with chaos(QuoteFunction=Latency(delay_ms=20_000)):
            assert [checkout("patient").json() for _ in range(13)] == [FLAT_RATE] * 13

        assert clock.now() - begun_at == pytest.approx(13 * 3, abs=1)
        assert asked() == 13
        assert no_retry_storm("PatientCheckoutFunction", calls_max=THRESHOLD / 13, to="lambda.Invoke")(journal).broken

    @half_a_minute
    def test_half_open_and_down_still(self, checkout, chaos, trip, circuit, moves, asked):
        """After thirty seconds one customer's order tries the carrier; it fails, and the circuit is open for another thirty."""
        with chaos(QuoteFunction=Failure("no quotes today")):
            trip()
            time.sleep(RECOVERY_S)
            assert [checkout("guarded").json() for _ in range(5)] == [FLAT_RATE] * 5

        assert asked() == THRESHOLD + 1
        assert circuit() == "OPEN"
        assert [move.lower().replace("-", "_") for move in moves()] == ["open", "half_open", "open"]

    @half_a_minute
    def test_half_open_then_closed(self, checkout, chaos, trip, circuit, moves, journal):
        """The carrier is back: the first good answer leaves the circuit half open, the second closes it."""
        with chaos(QuoteFunction=Failure("no quotes today")):
            trip()
        time.sleep(RECOVERY_S)

        assert checkout("guarded").json() == CARRIERS_PRICE
        assert circuit() == "HALF_OPEN"
        assert checkout("guarded").json() == CARRIERS_PRICE
        assert circuit() == "CLOSED"

        assert [move.lower().replace("-", "_") for move in moves()] == ["open", "half_open", "closed"]
        recovered_after_heal("GuardedCheckoutFunction", fault_on="QuoteFunction").require(journal)

    @half_a_minute
    def test_healed_but_not_yet_asked(self, checkout, chaos, trip, asked):
        """The price of the circuit: a carrier that is back at once is asked after thirty seconds, and not before."""
        with chaos(QuoteFunction=Failure("no quotes today")):
            trip()

        time.sleep(RECOVERY_S - 2)
        assert checkout("guarded").json() == FLAT_RATE
        assert asked() == THRESHOLD

        time.sleep(2)
        assert checkout("guarded").json() == CARRIERS_PRICE

    @pytest.mark.only_on("local", reason="the table is the stack's, and would not come back for the next test")
    def test_a_table_that_is_gone_does_not_stop_the_checkout(self, stage, checkout, asked):
        """A circuit breaker must not be the outage that it is to prevent: without its table it counts as closed."""
        stage.client("dynamodb").delete_table(TableName=stage.ref("CircuitsTable"))

        assert checkout("guarded").json() == CARRIERS_PRICE
        assert asked() == 1
