"""Claims: who puts something into a stage that others can reach holds it until it is as it was."""

from __future__ import annotations

import threading
import time
import warnings
from dataclasses import replace

import pytest

from stagefright.errors import StagefrightWarning, UsageError
from stagefright.ledger import files
from stagefright.ledger.kinds import Fate, kind_named
from stagefright.ledger.ledger import Ledger
from stagefright.targets import claims as module
from stagefright.targets.account import Account
from stagefright.targets.claim import PATH, Claim, Thing, is_claim_name, read_claim
from stagefright.targets.claims import LEASE_S, Claims
from stagefright.targets.run import Run
from tests.unit.targets.fake_ssm import FakeSsm, refusal

ITEM = Thing("item", "shop-Orders", {"id": {"S": "7"}}, "item id=7 of Orders")
OTHER = Thing("item", "shop-Orders", {"id": {"S": "8"}}, "item id=8 of Orders")
SECONDS_S = 60
"""Longer than any test here waits for anything."""


@pytest.fixture
def ssm():
    return FakeSsm()


@pytest.fixture
def new_claims(tmp_path, ssm, monkeypatch):
    """Makes the claims of a process of its own: a run, a ledger, a clock that a test may set."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    made = []

    def new_claims(run="run1", wait_s=SECONDS_S, **given):
        begun = Run(run, f"{run}@host", 0.0, 1e10)
        account = Account(region="us-east-1", endpoint_url="http://127.0.0.1:9")
        ledger = Ledger(tmp_path, run=begun, stage="pr-7", account=account)
        claims = Claims(lambda: ssm, ledger=ledger, run=begun, stage="pr-7", project=tmp_path, wait_s=wait_s, **given)
        claims.ledger = ledger
        made.append(claims)
        return claims

    yield new_claims
    for claims in made:
        claims.close()
        claims.ledger.close()


def said(ssm, thing):
    return read_claim(ssm.texts()[thing.parameter])


class TestAThing:
    def test_has_one_name_however_it_is_spelt(self):
        """A number is one number, and a secret's ARN and its name are one secret."""
        assert Thing("item", "t", {"n": {"N": "1.0"}}).parameter == Thing("item", "t", {"n": {"N": "1"}}).parameter
        arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop/password-AbCdEf"
        assert Thing("secret", arn).parameter == Thing("secret", "shop/password").parameter
        assert is_claim_name(ITEM.parameter)

    def test_is_none_of_another_kind_or_place(self):
        """What differs in anything is another thing."""
        things = [ITEM, OTHER, Thing("object", "b", "k"), Thing("object", "b", "l"), Thing("parameter", "b")]
        assert len({thing.parameter for thing in things}) == len(things)

    def test_that_nobody_of_ours_claimed_is_somebody_s(self):
        """A text that is no claim of ours never runs out."""
        for text in ("", "{}", "[]", '{"stagefright-claim": {"expires": 0}}', '{"stagefright": {"run": "1"}}'):
            assert read_claim(text).expires == float("inf")

    def test_reads_what_it_says(self):
        """What is written is read back."""
        claim = Claim("h", "n", "amy@host", "run1", "gw0", "t.py::t", "item", 5.0, 305.0, "run1-1-0.jsonl")
        assert read_claim(claim.text()) == claim

    def test_never_has_the_two_braces_that_ssm_refuses(self):
        """A parametrized test, or a key, may have them."""
        claim = Claim("h", "n", "amy@host", "run1", "gw0", "t.py::t[{{{x}}}]", "item id={{7}}", 5.0, 305.0)
        assert "{{" not in claim.text()
        assert read_claim(claim.text()) == claim


class TestHolding:
    def test_says_whose_it_is(self, ssm, new_claims, monkeypatch):
        """Who meets it can tell whom to ask, and until when it is good; its tags are the run's."""
        monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw1")
        monkeypatch.setenv("PYTEST_CURRENT_TEST", "tests/test_x.py::test_y (call)")
        claims = new_claims(now=lambda: 1000.0)

        (name,) = claims.hold([ITEM])

        claim = said(ssm, ITEM)
        assert name.startswith(PATH)
        assert (claim.owner, claim.run, claim.worker) == ("run1@host", "run1", "gw1")
        assert (claim.test, claim.what) == ("tests/test_x.py::test_y", "item id=7 of Orders")
        assert (claim.since, claim.expires) == (1000.0, 1000.0 + LEASE_S)
        assert ssm.tags[name]["stagefright:run"] == "run1"
        assert len(ssm.tags[name]) == 5

    def test_takes_one_call_and_so_does_letting_go(self, ssm, new_claims):
        """The quota is low, so nothing is asked that need not be."""
        claims = new_claims()
        names = claims.hold([ITEM, OTHER])
        claims.release(names)

        assert ssm.calls == ["PutParameter", "PutParameter", "DeleteParameters"]
        assert ssm.texts() == {}

    def test_is_in_one_order_for_everybody(self, ssm, new_claims):
        """So two calls for many things never wait for each other."""
        things = [Thing("item", "t", {"id": {"N": str(n)}}) for n in range(8)]

        names = new_claims().hold(reversed(things))

        assert names == sorted(thing.parameter for thing in things)
        assert list(ssm.versions) == names

    def test_twice_is_once(self, ssm, new_claims):
        """A test may put a thing twice, and two fixtures the same; it is free when the last lets go."""
        claims = new_claims()
        first, second = claims.hold([ITEM]), claims.hold([ITEM])
        claims.release(first)
        assert list(ssm.texts()) == second
        claims.release(second)

        assert ssm.texts() == {}
        assert ssm.calls == ["PutParameter", "DeleteParameter"]

    def test_stands_in_the_ledger_before_it_is_made(self, ssm, new_claims):
        """Whatever kills the run, a sweep finds it."""
        claims, stood = new_claims(), []
        ssm.before_call = lambda operation: stood.append((operation, [str(e) for e in claims.ledger.open_entries()]))

        claims.release(claims.hold([ITEM]))

        line = f"claim {ITEM.parameter} item id=7 of Orders"
        assert stood == [("PutParameter", [line]), ("DeleteParameter", [line])]
        assert claims.ledger.open_entries() == []

    def test_of_what_failed_is_left_to_the_sweep(self, ssm, new_claims):
        """What is not as it was is nothing for others to build on; the claim stands in the ledger with it."""
        claims = new_claims()
        names = claims.hold([ITEM, OTHER])
        claims.abandon(names[:1])
        claims.release(names)

        assert list(ssm.texts()) == names[:1]
        (entry,) = claims.ledger.open_entries()
        kind = kind_named("claim")
        account = account_of(ssm)
        assert kind.look(entry, account).fate is Fate.DELETE
        kind.undo(entry, account)
        assert kind.look(entry, account).fate is Fate.AS_BEFORE


class TestAnother:
    @pytest.fixture(autouse=True)
    def _fast(self, monkeypatch):
        monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.01)
        monkeypatch.setattr(module, "PAUSE_MAX_S", 0.01)
        monkeypatch.setattr(module, "TOLD_AFTER_S", 0)

    def test_is_waited_for(self, ssm, new_claims):
        """Who comes second goes on when the first lets go; the journal says what the wait was for."""
        told = []
        amy, bob = new_claims("amy"), new_claims("bob", tell=lambda name, text: told.append((name, text)))
        names, got = amy.hold([ITEM]), []
        second = threading.Thread(target=lambda: got.append(bob.hold([ITEM])))
        second.start()
        until = time.monotonic() + SECONDS_S
        while ssm.calls.count("GetParameter") < 5 and time.monotonic() < until:
            time.sleep(0.01)
        assert got == []
        amy.release(names)
        second.join(SECONDS_S)

        assert got == [names]
        assert said(ssm, ITEM).run == "bob"
        ((name, text),) = told
        assert name == "shop-Orders"
        assert "for item id=7 of Orders, held by amy@host (run amy, tests/unit/" in text

    def test_that_does_not_let_go_is_named(self, ssm, new_claims, monkeypatch):
        """What was asked, who holds it since when until when, and what to try; nothing of the call is held then."""
        monkeypatch.setenv("PYTEST_CURRENT_TEST", "tests/test_a.py::test_a (call)")
        new_claims("amy", now=lambda: 0.0).hold([ITEM])
        bob = new_claims("bob", wait_s=0.05, now=lambda: 0.0)

        with pytest.raises(UsageError) as caught:
            bob.hold([ITEM, OTHER])

        text = str(caught.value)
        assert "item id=7 of Orders is to be put into the stage 'pr-7'" in text
        assert "amy@host (run amy, tests/test_a.py::test_a) holds it" in text
        assert "since 1970-01-01T00:00:00Z, until 1970-01-01T00:05:00Z unless it is renewed" in text
        assert "claim_wait = 50ms" in text
        assert "a key of the test's own" in text
        assert "a stage of your own (--stage=NAME)" in text
        assert "claims = false" in text
        assert list(ssm.texts()) == [ITEM.parameter]
        assert bob.held == ()
        assert bob.ledger.open_entries() == []

    def test_that_waits_for_us_while_we_wait_for_it(self, ssm, new_claims):
        """One gives up and says that they wait for each other; the other is the more patient, and gets what it wants."""
        both = [new_claims("amy", wait_s=0.4), new_claims("bob", wait_s=0.4)]
        both[0].hold([ITEM])
        both[1].hold([OTHER])
        ended = {}

        def want(claims, thing):
            try:
                ended[claims] = claims.hold([thing])
            except UsageError as error:
                ended[claims] = str(error)
                claims.release(claims.held)

        threads = [threading.Thread(target=want, args=one) for one in zip(both, (OTHER, ITEM), strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS_S)

        texts = [text for text in ended.values() if isinstance(text, str)]
        assert len(texts) == 1
        assert "they wait for each other" in texts[0]
        assert "in the same order" in texts[0]

    def test_whose_claim_ran_out_is_taken_over(self, ssm, new_claims):
        """A run that was killed elsewhere blocks a key no longer than its claim was good for."""
        amy, bob = new_claims("amy", now=lambda: 1000.0), new_claims("bob", now=lambda: 1000.0 + LEASE_S)
        names = amy.hold([ITEM])

        assert bob.hold([ITEM]) == names
        assert said(ssm, ITEM).run == "bob"
        assert ssm.tags[ITEM.parameter]["stagefright:run"] == "bob"
        # The sweep of the dead run's ledger leaves alone what is another's now.
        account = account_of(ssm)
        (entry,) = amy.ledger.open_entries()
        assert kind_named("claim").look(entry, account).fate is Fate.FOREIGN
        kind_named("claim").undo(entry, account)
        assert said(ssm, ITEM).run == "bob"

    def test_who_is_seen_to_be_dead_is_not_waited_for(self, ssm, new_claims):
        """The lock of a ledger of this project tells at once that its process is gone."""
        amy, bob = new_claims("amy"), new_claims("bob", wait_s=0.05)
        amy.hold([ITEM])
        with pytest.raises(UsageError, match="holds it"):
            bob.hold([ITEM])
        amy.ledger.close()  # as a process that is killed does
        assert files.ledgers_of(bob.ledger._project) != []

        bob.hold([ITEM])

        assert said(ssm, ITEM).run == "bob"

    def test_whose_ledger_is_not_here_may_live(self, ssm, new_claims):
        """Of a run on another machine nobody knows; a name in a claim leads nowhere but into the ledgers' directory."""
        bob = new_claims("bob", wait_s=0.05)
        for ledger in ("amy-1-0.jsonl", "../../pyproject.toml", ""):
            claim = Claim("h", "n", "amy", "amy", "", "", "x", time.time(), time.time() + LEASE_S, ledger)
            ssm.versions[ITEM.parameter] = [claim.text()]
            with pytest.raises(UsageError, match="amy"):
                bob.hold([ITEM])

    def test_is_no_excuse_if_ssm_will_not_create_what_is_not_there(self, ssm, new_claims):
        """AWS asks for thirty seconds between a deletion and a creation; a refusal in between is waited out, and no longer than allowed."""
        refused = iter(range(3))

        def refuse(operation):
            if operation == "PutParameter" and next(refused, None) is not None:
                raise refusal("ParameterAlreadyExists")

        ssm.before_call = refuse
        assert new_claims().hold([ITEM])

        refused = iter(range(10**9))
        with pytest.raises(UsageError, match="says that it is not there"):
            new_claims(wait_s=0.05).hold([OTHER])


class TestRenewal:
    def test_of_what_is_half_over(self, ssm, new_claims):
        """As long as its holder lives a claim is good; a test that is short makes no call for it."""
        clock = [1000.0]
        claims = new_claims(now=lambda: clock[0])
        claims.hold([ITEM])
        claims.renew()
        assert ssm.calls == ["PutParameter"]
        clock[0] += LEASE_S / 2 + 1
        claims.renew()

        assert said(ssm, ITEM).expires == clock[0] + LEASE_S
        assert said(ssm, ITEM).since == 1000.0
        claims.release(claims.held)
        assert ssm.texts() == {}

    def test_that_fails_is_tried_again(self, ssm, new_claims):
        """It is looked after often enough for that."""
        clock = [1000.0]
        claims = new_claims(now=lambda: clock[0])
        claims.hold([ITEM])
        clock[0] += LEASE_S / 2 + 1
        ssm.denied.add("PutParameter")
        claims.renew()
        assert said(ssm, ITEM).expires == 1000.0 + LEASE_S
        ssm.denied.clear()
        claims.renew()

        assert said(ssm, ITEM).expires == clock[0] + LEASE_S

    def test_by_a_process_that_stood_still_takes_back_what_nobody_took(self, ssm, new_claims):
        """A laptop that slept."""
        clock = [1000.0]
        claims = new_claims(now=lambda: clock[0])
        claims.hold([ITEM])
        clock[0] += LEASE_S * 10
        claims.renew()

        assert said(ssm, ITEM).expires == clock[0] + LEASE_S
        assert claims.held == (ITEM.parameter,)

    def test_by_a_process_that_stood_still_says_who_has_it_now(self, ssm, new_claims):
        """What the test sees may be another's, and the other keeps it."""
        clock = [1000.0]
        amy = new_claims("amy", now=lambda: clock[0])
        names = amy.hold([ITEM])
        clock[0] += LEASE_S * 10
        bob = new_claims("bob", now=lambda: clock[0])
        bob.hold([ITEM])

        with pytest.warns(
            StagefrightWarning, match=r"item id=7 of Orders ran out .* bob@host \(run bob, .*\) has it now"
        ):
            amy.renew()
        amy.release(names)

        assert said(ssm, ITEM).run == "bob"
        assert amy.ledger.open_entries() == []

    def test_goes_on_where_warnings_are_errors(self, ssm, new_claims, monkeypatch):
        """Of two claims one was lost, which a filter makes an error of: the other is renewed all the same, and again and again."""
        clock = [1000.0]
        amy = new_claims("amy", now=lambda: clock[0])
        amy.hold([ITEM, OTHER])
        clock[0] += LEASE_S * 10
        new_claims("bob", now=lambda: clock[0]).hold([ITEM])

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            amy._renew_and_go_on()

        assert amy.held == (OTHER.parameter,)
        assert said(ssm, OTHER).expires == clock[0] + LEASE_S
        assert amy._timer.is_alive()
        amy.release(amy.held)

    def test_release_by_a_process_that_stood_still_looks_first(self, ssm, new_claims):
        """It deletes what is its own only."""
        clock = [1000.0]
        amy = new_claims("amy", now=lambda: clock[0])
        names = amy.hold([ITEM, OTHER])
        clock[0] += LEASE_S * 10
        new_claims("bob", now=lambda: clock[0]).hold([ITEM])
        amy.release(names)

        assert list(ssm.texts()) == [ITEM.parameter]

    def test_goes_on_by_itself_and_ends_with_the_last_claim(self, ssm, new_claims, monkeypatch):
        """A thread sees to it; it never writes what was released."""
        monkeypatch.setattr(module, "LOOKED_AFTER_EVERY_S", 0.01)
        monkeypatch.setattr(module, "RENEWED_WITH_LEFT_S", LEASE_S * 2)
        claims = new_claims()
        names = claims.hold([ITEM])
        until = time.monotonic() + SECONDS_S
        while len(ssm.versions[ITEM.parameter]) < 4:
            assert time.monotonic() < until
            time.sleep(0.01)
        claims.release(names)
        count = len(ssm.calls)
        time.sleep(0.1)

        assert ssm.texts() == {}
        assert len(ssm.calls) == count


class TestWithoutThePermission:
    def test_it_goes_on_without_claims_and_says_so_once(self, ssm, new_claims):
        """The warning names the action; no call is made any more, and nothing is left in the ledger."""
        ssm.denied.add("PutParameter")
        claims = new_claims()
        with pytest.warns(StagefrightWarning, match="ssm:PutParameter is missing"):
            assert claims.hold([ITEM]) == []
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert claims.hold([OTHER]) == []

        assert ssm.calls == ["PutParameter"]
        assert claims.ledger.open_entries() == []

    def test_to_delete_the_claim_runs_out(self, ssm, new_claims):
        """It is told, and stands in the ledger for who may."""
        claims = new_claims()
        names = claims.hold([ITEM])
        ssm.denied.add("DeleteParameter")
        with pytest.warns(StagefrightWarning, match="ssm:DeleteParameter is missing"):
            claims.release(names)

        assert [entry.kind for entry in claims.ledger.open_entries()] == ["claim"]

    def test_another_error_is_passed_on(self, ssm, new_claims):
        """Nothing is held then, and the ledger has no line of what was refused."""

        def fail(_operation):
            raise refusal("ParameterLimitExceeded", "too many")

        ssm.before_call = fail
        claims = new_claims()
        with pytest.raises(Exception, match="too many"):
            claims.hold([ITEM])

        assert claims.ledger.open_entries() == []


def account_of(ssm):
    return type("Account", (), {"client": lambda self, service: ssm})()


def test_a_claim_found_by_tags_goes_when_it_ran_out(ssm, new_claims):
    """Its tags may be those of the run that had it before, so they do not count."""
    clock = [1000.0]
    claims = new_claims("amy", now=lambda: clock[0])
    claims.hold([ITEM])
    (entry,) = claims.ledger.open_entries()
    by_tags, kind = replace(entry, detail={}, run="bob"), kind_named("claim")
    assert kind.look(by_tags, account_of(ssm)).fate is Fate.DELETE
    clock[0] = time.time()
    claims.renew()
    assert kind.look(by_tags, account_of(ssm)).fate is Fate.FOREIGN
    kind.undo(by_tags, account_of(ssm))
    assert said(ssm, ITEM).run == "amy"


def test_a_sweep_takes_nothing_from_a_run_that_takes_over_meanwhile(ssm, new_claims):
    """It looks, the other takes over, and then it acts: what is there is the other's."""
    amy, bob = new_claims("amy"), new_claims("bob")
    amy.hold([ITEM])
    (entry,) = amy.ledger.open_entries()
    amy.ledger.close()

    def take_over(operation):
        if operation == "PutParameter":
            ssm.before_call = lambda _operation: None
            bob.hold([ITEM])

    ssm.before_call = take_over
    kind_named("claim").undo(entry, account_of(ssm))

    assert said(ssm, ITEM).run == "bob"
