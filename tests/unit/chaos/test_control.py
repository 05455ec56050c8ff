from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from stagefright.chaos import Chaos, Failure, Latency, Noop, Timeout, attach, merge, parse
from stagefright.chaos.checks import retried
from stagefright.errors import ChaosStopped, FaultNeverFired, HarnessError, UnknownResource, UsageError

OWN = "/stagefright/my-feature/Worker"


def faults_in(stage, name=OWN):
    return parse(stage.ssm.parameters[name]).faults


class TestTheBlock:
    def test_holds_a_flag_while_it_lasts(self, stage, chaos):
        """The flag names its owner and run, and is deleted at the end."""
        with chaos(Worker=Noop()):
            flag = parse(stage.ssm.parameters[OWN])
            stage.invoke("Worker")

        assert (True, "tester", "run-1", 7) == (flag.is_on, flag.owner, flag.run, flag.seed)
        assert {} == stage.ssm.parameters

    def test_can_be_entered_again(self, stage, chaos):
        """A block is not used up by use, and each use must be proven for itself."""
        block = chaos(Worker=Noop())
        for _ in range(2):
            with block:
                stage.invoke("Worker")

        with pytest.raises(FaultNeverFired), block:
            pass

    def test_strikes_several_functions_with_several_faults(self, stage, chaos):
        """Each function has its own faults, and a list strikes in failure-lambda's order."""
        with chaos(Worker=[Failure("x"), Latency(delay_ms=1)], Writer=Noop()):
            with pytest.raises(Exception, match="x"):
                stage.invoke("Worker")
            stage.invoke("Writer")

        assert [("Worker", "latency"), ("Worker", "failure"), ("Writer", "noop")] == [s[:2] for s in stage.strikes()]

    def test_inside_another_block_adds_its_faults_and_takes_only_them_away(self, stage, chaos):
        """Nested blocks on one function share its flag."""
        with chaos(Worker=Latency(delay_ms=1)):
            with chaos(Worker=Noop(), Writer=Noop()):
                assert (Noop(), Latency(delay_ms=1)) == faults_in(stage)
                stage.invoke("Worker")
                stage.invoke("Writer")
            assert (Latency(delay_ms=1),) == faults_in(stage)

        assert {} == stage.ssm.parameters

    def test_reads_a_mark(self, stage, chaos):
        """A mark is a block around the whole test."""
        with chaos.from_mark(SimpleNamespace(args=(), kwargs={"Worker": Noop()})):
            stage.invoke("Worker")

        assert [("Worker", "noop", {})] == stage.strikes()

    def test_outlives_weeks_of_virtual_time(self, stage, chaos):
        """A retry ladder of days inside one block does not run into the end of a lease."""
        with chaos(Worker=Noop()):
            stage.clock.move_to(stage.clock.now() + 365 * 86_400)
            stage.invoke("Worker")

    def test_with_a_lease_ends_with_it(self, stage):
        """A flag that should be gone after an hour strikes nothing after an hour, and the block says so."""
        chaos = Chaos(stage, lease_s=3600)

        block = chaos(Worker=Noop())
        block.__enter__()
        stage.clock.move_to(stage.clock.now() + 3600)
        stage.invoke("Worker")

        with pytest.raises(FaultNeverFired, match="its lease"):
            block.__exit__(None, None, None)


class TestHealing:
    def test_happens_when_the_body_fails(self, stage, chaos):
        """The body's own error is the one that is seen; the missing strike is not added to it."""
        with pytest.raises(ZeroDivisionError), chaos(Worker=Noop(), Writer=Noop()):
            _ = 1 / 0

        assert {} == stage.ssm.parameters

    def test_happens_in_reverse_order(self, stage, chaos):
        """What was flagged last is healed first."""
        deleted = []
        delete = stage.ssm.delete_parameter
        stage.ssm.delete_parameter = lambda **request: (deleted.append(request["Name"]), delete(**request))
        with chaos(Worker=Noop(), Writer=Noop()):
            stage.invoke("Worker")
            stage.invoke("Writer")

        assert ["/stagefright/my-feature/Writer", OWN] == deleted

    def test_of_everything_at_once_leaves_the_blocks_nothing_to_do(self, stage, chaos):
        """`heal` is safe inside blocks and twice."""
        with chaos(Worker=Noop()), chaos(Worker=Noop(), Writer=Noop()):
            stage.invoke("Worker")
            stage.invoke("Writer")
            chaos.heal()
            chaos.heal()
            assert {} == stage.ssm.parameters

        assert {} == stage.ssm.parameters

    def test_of_a_flag_that_somebody_deleted_is_done(self, stage, chaos):
        """A sweep that came before is no error."""
        with chaos(Worker=Noop()):
            stage.invoke("Worker")
            stage.ssm.parameters.clear()

    def test_that_fails_is_reported_and_the_other_flags_are_healed(self, stage, chaos):
        """One flag that cannot be deleted does not keep the next one on."""
        delete = stage.ssm.delete_parameter

        def refuse_writer(**request):
            if request["Name"].endswith("Writer"):
                raise ConnectionError("no route")
            delete(**request)

        stage.ssm.delete_parameter = refuse_writer
        block = chaos(Worker=Noop(), Writer=Noop())
        block.__enter__()
        with pytest.raises(HarnessError, match="could not be healed: ConnectionError: no route"):
            block.__exit__(None, None, None)

        assert ["/stagefright/my-feature/Writer"] == list(stage.ssm.parameters)

    def test_that_fails_does_not_hide_the_bodys_error(self, stage, chaos):
        """The body's error carries the trouble as a note."""
        stage.ssm.delete_parameter = lambda **_: 1 / 0

        with pytest.raises(ValueError, match="mine") as seen, chaos(Worker=Noop()):
            raise ValueError("mine")

        assert ["chaos(Worker=Noop()) could not be healed: ZeroDivisionError: division by zero"] == seen.value.__notes__


class TestTheEffectGate:
    def test_names_a_fault_that_was_never_invoked(self, chaos):
        """The advice fits: nothing was invoked, so invoke it, and settle."""
        with pytest.raises(FaultNeverFired) as missed, chaos(Worker=Failure("x")):
            pass

        assert [
            "Worker=Failure(message='x') was planned and never struck, so this block proved nothing about it.",
            "  Meanwhile Worker was invoked 0 times, and struck by nothing.",
            "  Invoke it inside the block; what is asynchronous needs stage.settle() before the block ends.",
        ] == str(missed.value).splitlines()

    def test_names_a_fault_that_another_one_hid(self, stage, chaos):
        """The second of two failures can never come about; what did strike is listed."""
        block = chaos(Worker=[Noop(), Failure("a"), Failure("b")])
        block.__enter__()
        with pytest.raises(Exception, match="a"):
            stage.invoke("Worker")

        with pytest.raises(FaultNeverFired) as missed:
            block.__exit__(None, None, None)

        assert "Worker=Failure(message='b') was planned" in str(missed.value)
        assert "was invoked 1 time, and struck by noop, failure" in str(missed.value)
        assert "Another fault came first" in str(missed.value)
        assert "message='a'" not in str(missed.value)

    def test_names_every_missing_fault(self, stage, chaos):
        """One error for the whole plan."""
        with pytest.raises(FaultNeverFired) as missed, chaos(Worker=[Noop(), Timeout()], Writer=Noop()):
            pass

        assert 3 == str(missed.value).count("was planned and never struck")

    def test_does_not_count_strikes_from_before_the_block(self, stage, chaos):
        """The evidence must be of this block."""
        with chaos(Worker=Noop()):
            stage.invoke("Worker")

        with pytest.raises(FaultNeverFired), chaos(Worker=Noop()):
            pass

    def test_does_not_count_the_same_fault_with_other_settings(self, stage, chaos):
        """A latency of 1 ms is no evidence for one of 2 ms."""
        with chaos(Worker=Latency(delay_ms=1)):
            stage.invoke("Worker")
            with pytest.raises(FaultNeverFired), chaos(Writer=Latency(delay_ms=1)):
                stage.invoke("Worker")

    def test_says_when_a_function_runs_where_our_runtime_does_not(self, stage, chaos):
        """A function that is invoked and reads no flag of ours has no layer and no library."""
        stage.wrappers.clear()

        with pytest.raises(FaultNeverFired, match="runs where our runtime does not"), chaos(Worker=Noop()):
            stage.invoke("Worker")

    def test_says_when_the_block_ended_before_the_invocation(self, stage, chaos):
        """What waits for the invocation to begin is over too early."""
        with pytest.raises(FaultNeverFired, match="had begun, and not ended"), chaos(Worker=Noop()):
            stage.journal.write("invocation", "Worker", request_id="request-1")

    def test_survives_log_lines_that_are_nearly_ours(self, stage, chaos):
        """A handler may log anything, JSON or not."""
        stage.handlers["Worker"] = lambda event, context: print('{"source": "stagefright"}\n[]\n{\nnull')

        with chaos(Worker=Noop()):
            stage.invoke("Worker")
        stage.wrappers.clear()
        with pytest.raises(FaultNeverFired), chaos(Worker=Noop()):
            stage.invoke("Worker")


class TestAPlan:
    def test_that_names_an_unknown_resource_is_refused_with_the_nearest(self, stage, chaos):
        """Nothing is written."""
        with pytest.raises(UnknownResource) as refused, chaos(Workr=Noop()):
            pass

        assert [
            "chaos(Workr=Noop()) names Workr, which stage my-feature does not have.",
            "Did you mean Worker? Known: Topic, Worker, Writer.",
        ] == str(refused.value).splitlines()
        assert [] == stage.ssm.calls

    def test_that_pairs_a_fault_with_what_it_cannot_strike_is_refused(self, stage, chaos):
        """The message says what the fault is for, and what there is for the resource."""
        with pytest.raises(UsageError) as refused, chaos(Topic=Latency(delay_ms=1)):
            pass

        assert (
            "Latency(delay_ms=1) cannot strike Topic, which is an AWS::SNS::Topic: it is for AWS::Lambda::Function, "
            "AWS::Serverless::Function. Faults for an AWS::SNS::Topic: Delay, Drop, Duplicate, PoisonRecord, Reorder."
        ) == str(refused.value)

    def test_is_written_whole_or_not_at_all(self, stage, chaos):
        """If the second flag is refused, the first one is healed."""
        stage.ssm.parameters["/stagefright/my-feature/Writer"] = "theirs"

        with pytest.raises(UsageError, match="theirs"), chaos(Worker=Noop(), Writer=Noop()):
            pass

        assert {"/stagefright/my-feature/Writer": "theirs"} == stage.ssm.parameters

    def test_for_two_functions_that_read_one_parameter_is_refused(self, stage, chaos):
        """A flag there would strike both with the faults of either."""
        stage.environments = {name: {"FAILURE_INJECTION_PARAM": "/shared"} for name in ("Worker", "Writer")}

        with pytest.raises(UsageError, match="Writer reads its flag from /shared, and so does Worker"):
            chaos(Worker=Noop(), Writer=Noop()).__enter__()

        assert {} == stage.ssm.parameters


class TestTheLease:
    def test_is_written_to_the_parameter_that_the_function_reads(self, stage, chaos):
        """A function that failure-lambda drives has its own parameter."""
        stage.environments["Worker"] = {"FAILURE_INJECTION_PARAM": "/its/own"}

        with chaos(Worker=Noop()):
            assert ["/its/own"] == list(stage.ssm.parameters)
            stage.invoke("Worker")

    def test_of_somebody_else_is_refused_and_named(self, stage, chaos):
        """The message says who holds the flag until when; their flag stays."""
        theirs = Chaos(stage, owner="amy", run="run-9", lease_s=3600)
        with theirs(Worker=Noop()):
            stage.invoke("Worker")
            with pytest.raises(UsageError) as refused, chaos(Worker=Failure("x")):
                pass
            assert (Noop(),) == faults_in(stage)

        assert f"{OWN} holds a flag of amy (run run-9, until 2026-01-01T01:00:00Z)" in str(refused.value)

    def test_that_ran_out_is_taken_over(self, stage, chaos):
        """An expired flag is nobody's."""
        stage.ssm.parameters[OWN] = merge([Noop()], owner="amy", run="run-9", expires=stage.clock.now())

        with chaos(Worker=Noop()):
            stage.invoke("Worker")

        assert {} == stage.ssm.parameters

    def test_that_another_run_takes_first_is_refused(self, stage, chaos):
        """Two runs that find the same expired flag: the one that writes it first has it, and gets it back from the other."""
        stage.ssm.parameters[OWN] = merge([Noop()], owner="amy", run="run-9", expires=stage.clock.now())
        winners = merge([Noop()], owner="bob", run="run-10", expires=stage.clock.now() + 60)
        put = stage.ssm.put_parameter

        def lose_the_race(**request):
            if request["Overwrite"]:
                stage.ssm.put_parameter = put
                put(Name=OWN, Value=winners, Type="String", Overwrite=True)
            return put(**request)

        stage.ssm.put_parameter = lose_the_race
        with pytest.raises(UsageError, match="holds a flag of bob"), chaos(Worker=Noop()):
            pass

        assert {OWN: winners} == stage.ssm.parameters

    def test_of_a_resting_foreign_flag_ends_by_putting_it_back(self, stage, chaos):
        """Stacks deploy `{"isEnabled": false}`; after the block it is there as it was."""
        resting = json.dumps({"isEnabled": False, "failureMode": "latency"})
        stage.ssm.parameters[OWN] = resting

        with chaos(Worker=Noop()):
            stage.invoke("Worker")

        assert {OWN: resting} == stage.ssm.parameters

    def test_of_a_foreign_flag_that_is_on_is_refused(self, stage, chaos):
        """Somebody is injecting with it."""
        stage.ssm.parameters[OWN] = '{"isEnabled": true}'

        with pytest.raises(UsageError, match="a value that Stagefright did not write, and that is not off"):
            chaos(Worker=Noop()).__enter__()

    @pytest.mark.parametrize("operation", ["put_parameter", "delete_parameter"])
    def test_passes_other_refusals_of_ssm_on(self, stage, chaos, operation):
        """Only the refusals that are part of taking and healing a lease are understood."""
        from botocore.exceptions import ClientError

        def denied(**_):
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, operation)

        setattr(stage.ssm, operation, denied)

        with pytest.raises((ClientError, HarnessError), match="AccessDenied"), chaos(Worker=Noop()):
            stage.invoke("Worker")


class TestAnAttachedStage:
    def test_may_be_attached_again(self, stage, chaos):
        """However many Chaos objects a stage has, a fault strikes once."""
        Chaos(stage)
        attach(stage)

        with chaos(Worker=Noop()):
            stage.invoke("Worker")

        assert [("Worker", "noop", {})] == stage.strikes()

    def test_does_not_touch_ssm_without_a_flag(self, stage, chaos):
        """The emulated SSM is slow to load, and almost no invocation has a flag."""
        stage.invoke("Worker")

        assert [] == stage.ssm.calls

    def test_obeys_a_flag_that_the_test_put_itself(self, stage, chaos):
        """A user's own put_parameter works without a block."""
        stage.ssm.parameters[OWN] = merge([Noop()], owner="me", run="mine", expires=stage.clock.now() + 1)

        stage.invoke("Worker")

        assert [("Worker", "noop", {})] == stage.strikes()

    def test_logs_why_a_users_flag_is_off(self, stage, chaos):
        """An invalid flag is off, the handler runs, and the function's log has the reason."""
        stage.ssm.parameters[OWN] = "{oops"

        assert 1 == stage.invoke("Worker", 1)

        (line,) = map(json.loads, stage.log("Worker"))
        assert ("error", "config") == (line["level"], line["action"])
        assert line["message"].startswith(f"{OWN} is off: it is not JSON: ")

    def test_journals_what_each_strike_did(self, stage, chaos):
        """The record has the fault, its settings, and what was drawn."""
        with chaos(Worker=Latency(min_delay_ms=1, max_delay_ms=5)):
            stage.invoke("Worker")

        (record,) = stage.journal.of_kind("fault")
        assert {"min_delay_ms": 1, "max_delay_ms": 5} == record.detail["settings"]
        assert 1 <= record.detail["harm"]["latency_ms"] < 5


def test_a_deployed_stage_is_not_attached(stage, deployed_stage):
    """There the runtime is in the function; only the flags are ours."""
    stage.environments["Worker"] = {"STAGEFRIGHT_FLAG_PARAM": OWN}

    with pytest.raises(FaultNeverFired), Chaos(deployed_stage)(Worker=Noop()):
        assert [OWN] == list(stage.ssm.parameters)

    assert [] == stage.wrappers


class TestStopConditions:
    def test_a_callable_ends_the_block(self, stage, chaos):
        """It is asked when the block ends, if nobody looks before; everything is healed by then."""
        with (
            pytest.raises(ChaosStopped, match="the queue is full"),
            chaos(Worker=Noop(), stop_when=lambda: "the queue is full"),
        ):
            stage.invoke("Worker")

        assert {} == stage.ssm.parameters

    def test_a_check_that_holds_or_is_unknown_does_not(self, stage, chaos):
        """Only a promise that is broken ends the chaos."""
        with chaos(Worker=Noop(), stop_when=retried("Worker")):
            stage.invoke("Worker")

    def test_an_alarm_is_not_looked_at_on_a_local_stage(self, stage, chaos):
        """Nothing can come to harm there, and no metric goes there."""
        with chaos(Worker=Noop(), stop_when="HighErrors"):
            stage.invoke("Worker")

    def test_a_mark_can_have_them(self, stage, chaos):
        """`stop_when` stands among the faults of a mark, as among those of a block."""
        mark = SimpleNamespace(args=(), kwargs={"Worker": Noop(), "stop_when": [lambda: True]})
        with pytest.raises(ChaosStopped, match="returned True"), chaos.from_mark(mark):
            stage.invoke("Worker")

    def test_an_error_of_the_test_says_that_the_chaos_had_ended(self, stage, chaos):
        """It may have failed for that."""
        with (  # noqa: PT012
            pytest.raises(ZeroDivisionError) as error,
            chaos(Worker=Noop(), stop_when=lambda: "enough"),
        ):
            try:
                chaos.look()
            except ChaosStopped:
                raise ZeroDivisionError from None

        assert error.value.__notes__ == ["A stop condition had ended the chaos before: enough"]

    @pytest.mark.parametrize("wrong", [7, [7], [""], object()])
    def test_what_is_no_condition(self, chaos, wrong):
        """It is refused when the block is made, with what a condition may be."""
        with pytest.raises(UsageError, match="stop_when takes"):
            chaos(Worker=Noop(), stop_when=wrong)
