"""A parameter as a lease: of several who want it, one gets it, in whatever order their calls reach SSM."""

from __future__ import annotations

import itertools

import pytest

from stagefright.targets import leased_parameter
from stagefright.targets.leased_parameter import create, delete, overwrite, take_over, value_of
from tests.unit.targets.fake_ssm import FakeSsm, Turns, refusal

NAME = "/stagefright/claims/x"
OLD = "old"
SEEDS = range(150)


def is_over(text):
    return text.startswith(OLD)


@pytest.fixture
def ssm():
    return FakeSsm()


class Guarded:
    """What only one may be in at a time."""

    def __init__(self):
        self.inside = set()
        self.visits = []

    def enter(self, who):
        assert not self.inside, f"{who} is in with {self.inside}"
        self.inside.add(who)
        self.visits.append(who)

    def leave(self, who):
        self.inside.remove(who)


class TestCreating:
    def test_one_that_is_there_is_refused(self, ssm):
        """Nothing is overwritten."""
        assert create(ssm, NAME, "amy", {"a": "1"})
        assert not create(ssm, NAME, "bob", {"a": "2"})

        assert ssm.texts() == {NAME: "amy"}
        assert ssm.tags == {NAME: {"a": "1"}}

    def test_a_call_that_is_sent_twice_meets_its_own_work(self, ssm):
        """botocore repeats a call whose answer was lost; the parameter that is there then is ours."""
        overwrite(ssm, NAME, "amy")

        assert create(ssm, NAME, "amy", {})

    def test_throttled_it_is_tried_again(self, ssm, monkeypatch):
        """The quota is low, and all runs of the account share it."""
        pauses = []
        monkeypatch.setattr(leased_parameter.time, "sleep", pauses.append)
        codes = iter(["ThrottlingException", "TooManyUpdates", "ThrottlingException"])

        def throttle(_operation):
            for code in codes:
                raise refusal(code)

        ssm.before_call = throttle

        assert create(ssm, NAME, "amy", {})
        assert pauses == [0.5, 1.0, 2.0]

    def test_any_other_refusal_is_passed_on(self, ssm):
        """Nobody may take it for a parameter that is there."""
        ssm.denied.add("PutParameter")

        with pytest.raises(Exception, match="not authorized"):
            create(ssm, NAME, "amy", {})


class TestDeleting:
    def test_in_as_few_calls_as_can_be(self, ssm):
        """Ten go at once."""
        names = [f"{NAME}{n}" for n in range(23)]
        for name in names:
            overwrite(ssm, name, "amy")
        ssm.calls.clear()

        delete(ssm, names)

        assert ssm.texts() == {}
        assert ssm.calls == ["DeleteParameters"] * 3

    def test_what_is_gone_is_fine(self, ssm):
        """Somebody was first."""
        delete(ssm, [NAME])
        delete(ssm, [])

        assert ssm.calls == ["DeleteParameter"]


class TestTakingOver:
    def test_what_ran_out(self, ssm):
        """It is the taker's from then on, with the taker's tags."""
        create(ssm, NAME, OLD, {"run": "1"})

        assert take_over(ssm, NAME, "amy", {"run": "2"}, is_over=is_over)
        assert ssm.texts() == {NAME: "amy"}
        assert ssm.tags == {NAME: {"run": "2"}}

    def test_who_comes_second_gives_back_what_it_overwrote(self, ssm):
        """Both saw it run out."""
        create(ssm, NAME, OLD, {})
        assert take_over(ssm, NAME, "amy", {}, is_over=is_over)

        assert not take_over(ssm, NAME, "bob", {}, is_over=is_over)
        assert value_of(ssm, NAME) == "amy"

    def test_of_what_was_deleted_meanwhile_creates_it(self, ssm):
        """Nobody had it in that moment."""
        assert take_over(ssm, NAME, "amy", {}, is_over=is_over)
        assert ssm.texts() == {NAME: "amy"}

    def test_without_the_permission_to_tag(self, ssm):
        """The text says whose it is."""
        create(ssm, NAME, OLD, {})
        ssm.denied.add("AddTagsToResource")

        assert take_over(ssm, NAME, "amy", {"run": "2"}, is_over=is_over)

    @pytest.mark.parametrize("seed", SEEDS)
    def test_one_of_three_takers_gets_it(self, ssm, seed):
        """In whatever order their calls come, one is the first and the others know that they are not."""
        create(ssm, NAME, OLD, {})

        def taker(who):
            return lambda: take_over(ssm, NAME, who, {}, is_over=is_over)

        won = Turns(ssm, seed).play(taker("amy"), taker("bob"), taker("cid"))

        assert sum(won) == 1
        # Whatever the last one wrote says that it is held, and the holder deletes without looking.
        assert not is_over(value_of(ssm, NAME))
        delete(ssm, [NAME])
        assert ssm.texts() == {}

    @pytest.mark.parametrize("seed", SEEDS)
    def test_nobody_is_in_with_another(self, ssm, seed):
        """Takers, creators and releases, each over and over: at most one holds it at any moment, and nothing is left behind."""
        create(ssm, NAME, OLD, {})
        guarded, numbers = Guarded(), itertools.count()

        def actor(who, saw):
            def act():
                text = saw
                for _ in range(12):
                    mine = f"{who} {next(numbers)}"
                    if text is None:
                        got = create(ssm, NAME, mine, {})
                    else:
                        got = is_over(text) and take_over(ssm, NAME, mine, {}, is_over=is_over)
                    if got:
                        guarded.enter(who)
                        value_of(ssm, NAME)  # others have their turns while it is held
                        guarded.leave(who)
                        delete(ssm, [NAME])
                        return True
                    text = value_of(ssm, NAME)
                return False

            return act

        won = Turns(ssm, seed).play(actor("amy", OLD), actor("bob", OLD), actor("cid", None))

        assert len(guarded.visits) == sum(won) >= 1
        assert ssm.texts() == {}
