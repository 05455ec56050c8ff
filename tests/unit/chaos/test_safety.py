"""What chaos must not touch, and how much it may hurt at once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from stagefright.chaos import Chaos, Noop, Plan
from stagefright.chaos.safety import Safety
from stagefright.errors import ChaosRefused


def guarded(stage, *, target="aws", **settings):
    """Give the fake stage settings, as a real one has them."""
    defaults = {"protected": ("prod", "prod-*"), "accounts": (), "account": "111122223333", "blast_radius": 1.0}
    stage.settings = SimpleNamespace(**defaults | settings)
    stage.target = target
    return stage


class TestProtection:
    @pytest.mark.parametrize("name", ["prod", "prod-eu"])
    def test_a_protected_name(self, stage, name):
        """Nothing is written, and the message names the pattern and the setting."""
        stage.name = name

        with pytest.raises(ChaosRefused, match="is protected") as refusal, Chaos(guarded(stage))(Worker=Noop()):
            pass

        assert "protected` is ['prod', 'prod-*']" in str(refusal.value)
        assert stage.ssm.parameters == {}

    def test_a_protected_account(self, stage):
        """An account id among the patterns is an account."""
        with pytest.raises(ChaosRefused, match="account '111122223333' is protected"):
            Chaos(guarded(stage, protected=("1111*",)))(Worker=Noop()).__enter__()

    def test_an_account_that_is_not_allowed(self, stage):
        """`accounts` lists the only ones for deployed stages."""
        with pytest.raises(ChaosRefused, match="allows 999999999999 only"):
            Chaos(guarded(stage, accounts=("999999999999",)))(Worker=Noop()).__enter__()

    @pytest.mark.parametrize(
        "settings",
        [{"protected": ("999999999999",)}, {"accounts": ("111122223333",)}],
        ids=["protected", "not allowed"],
    )
    def test_the_account_of_a_deployed_stage_is_asked_for(self, deployed_stage, settings):
        """Where it lives counts, and not what the setting `account` calls a local stage's."""
        plan = Plan.of(Worker=Noop())
        with pytest.raises(ChaosRefused, match="999999999999"):
            Safety.of(guarded(deployed_stage, **settings)).check(plan, [], deployed_stage)

    def test_a_local_stage_has_an_account_of_its_own_invention(self, stage):
        """So the list of allowed accounts does not concern it."""
        with Chaos(guarded(stage, target="local", accounts=("999999999999",)))(Worker=Noop()):
            stage.invoke("Worker")

    def test_other_stages_may_be_hurt(self, stage):
        """A pattern protects what it matches, and nothing else."""
        with Chaos(guarded(stage))(Worker=Noop()):
            stage.invoke("Worker")


class TestBlastRadius:
    def test_more_than_the_share_is_refused(self, stage):
        """Half of two functions is one."""
        chaos = Chaos(guarded(stage, blast_radius=0.5))

        with pytest.raises(ChaosRefused) as refusal:
            chaos(Worker=Noop(), Writer=Noop()).__enter__()

        assert "2 of 2 functions (100%) would be hurt at once: Worker, Writer" in str(refusal.value)
        assert "`blast_radius` is 0.5, which allows 1." in str(refusal.value)
        assert stage.ssm.parameters == {}

    def test_blocks_inside_others_count(self, stage):
        """It is about what is hurt at the same time."""
        chaos = Chaos(guarded(stage, blast_radius=0.5))

        with chaos(Worker=Noop()):
            stage.invoke("Worker")
            with pytest.raises(ChaosRefused):
                chaos(Writer=Noop()).__enter__()
            with chaos(Worker=Noop()):
                stage.invoke("Worker")

    def test_one_after_the_other_is_within_it(self, stage):
        """What was healed does not count any more."""
        chaos = Chaos(guarded(stage, blast_radius=0.5))

        for name in ("Worker", "Writer"):
            with chaos(**{name: Noop()}):
                stage.invoke(name)

    def test_a_share_that_allows_none_says_which_would(self, stage):
        """The message names the least share that allows one function."""
        with pytest.raises(ChaosRefused, match=r"allows 0; 0.5 would allow one"):
            Chaos(guarded(stage, blast_radius=0.1))(Worker=Noop()).__enter__()

    def test_a_share_is_not_lost_to_rounding(self, stage):
        """0.3 of ten is three."""
        stage.resources = {f"F{n}": SimpleNamespace(type="AWS::Lambda::Function") for n in range(10)}
        three = Plan.of(**{f"F{n}": Noop() for n in range(3)})

        Safety(blast_radius=0.3).check(three, [], stage)


class TestDryRun:
    def test_plans_are_checked_and_shown_and_nothing_is_hurt(self, stage):
        """A plan that would be refused is refused in a rehearsal, too."""

        class Shown(Exception):
            pass

        def rehearse(plans):
            raise Shown(plans)

        with pytest.raises(Shown, match=r"chaos\(Worker=Noop\(\)\)"):
            Chaos(guarded(stage), rehearse=rehearse)(Worker=Noop()).__enter__()
        with pytest.raises(ChaosRefused):
            Chaos(guarded(stage, blast_radius=0.1), rehearse=rehearse)(Worker=Noop()).__enter__()
        assert stage.ssm.parameters == {}
