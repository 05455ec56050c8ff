"""Schedules in the time of a stage: what settles, what recurs, what a reset brings back, and how templates make them (semantics §6.6)."""

import time

import pytest

from stagefright.delivery.at_least_once import Decision
from stagefright.errors import ConditionNeverHeld, EndlessLoop
from stagefright.services import timetable

HOUR_S, DAY_S = 3_600, 86_400


class TestSettling:
    def test_nobody_waits_for_what_recurs(self, system):
        """§6.6: settle() passes no time for a schedule."""
        system.up(
            Jobs=system.queue(),
            Often=system.schedule("rate(1 minute)", "Jobs"),
            Rule=system.rule("rate(1 minute)", "Jobs"),
        )
        system.settle()

        assert system.elapsed() == 0
        assert [] == system.arrivals()

    def test_time_that_passes_anyway_brings_them_in_order(self, system):
        """§6.6: while a failing function's retries are settled, schedules fire."""
        system.up(
            Worker=system.function(system.FAILS), Jobs=system.queue(), Often=system.schedule("rate(1 minute)", "Jobs")
        )
        system.invoke_later({})
        system.settle()

        assert [0, 60, 180] == system.attempts()
        assert [60, 120, 180] == system.arrivals()

    def test_a_reminder_that_the_test_makes_is_due(self, jobs):
        """§6.6: it is a delayed message; settle() waits for it, years if need be."""
        jobs.create("at(2030-01-01T00:00:00)")
        jobs.settle()

        assert len(jobs.arrivals()) == 1
        assert jobs.stage.clock.iso() == "2030-01-01T00:00:00.000Z"

    def test_one_of_the_template_is_not(self, system):
        """§6.6: settle() must not jump to where a template reminds of something; time that passes gets there."""
        system.up(Jobs=system.queue(), Later=system.schedule("at(2026-01-03T00:00:00)", "Jobs"))
        system.settle()
        assert system.elapsed() == 0
        system.advance(3 * DAY_S)

        assert [2 * DAY_S] == system.arrivals()

    def test_waiting_for_something_lets_schedules_fire(self, system):
        """§6.6: `wait_until(within=)` runs through them, and does not wait longer than it takes."""
        system.up(Jobs=system.queue(), Nightly=system.rule("cron(0 3 * * ? *)", "Jobs"))
        system.stage.wait_until(lambda: len(system.arrivals()) == 2, within="7d")

        assert system.elapsed() == DAY_S + 3 * HOUR_S
        with pytest.raises(ConditionNeverHeld, match="did not hold within 2d"):
            system.stage.wait_until(lambda: False, within="2d")
        assert len(system.arrivals()) == 4

    def test_a_sleep_in_the_test_lets_them_fire(self, system):
        """§6.6: `time.sleep` is time that passes."""
        system.up(Jobs=system.queue(), Often=system.rule("rate(1 hour)", "Jobs"))
        time.sleep(3 * HOUR_S)

        assert [HOUR_S, 2 * HOUR_S, 3 * HOUR_S] == system.arrivals()

    def test_what_never_settles_is_stopped_and_named(self, system):
        """§6.6: a job that takes longer than until it is started again."""
        code = "import time\ndef handler(event, context): time.sleep(90)"
        system.up(Worker=system.function(code, Timeout=100), Often=system.rule("rate(1 minute)"))
        system.advance(60)
        with pytest.raises(EndlessLoop, match=r"Often fired 3000 times.*clock\.advance"):
            system.settle()

    def test_a_reminder_far_away_is_no_endless_loop(self, system):
        """§6.6: each firing on the way there is real."""
        system.up(Jobs=system.queue(), Often=system.schedule("rate(5 minutes)", "Jobs"), Dead=system.queue())
        system.create("at(2026-01-15T00:00:00)", system.stage.arn("Dead"))
        system.settle()

        assert len(system.arrivals()) == 14 * 288
        assert len(system.arrivals("Dead")) == 1


class TestResets:
    def test_a_reset_brings_back_what_was_deployed(self, system):
        """§6.6: from the deployment's instant, and nothing that a test made or changed."""
        system.up(
            Jobs=system.queue(), Daily=system.schedule("rate(1 day)", "Jobs"), Rule=system.rule("rate(1 day)", "Jobs")
        )
        system.create("rate(1 hour)")
        system.client("events").disable_rule(Name=system.stage.ref("Rule"))
        system.client("scheduler").delete_schedule(Name=system.stage.ref("Daily"))
        system.advance(DAY_S)
        assert len(system.arrivals()) == 25
        for _ in range(2):
            system.stage.reset()
            system.advance(2 * DAY_S)

            assert [DAY_S, DAY_S, 2 * DAY_S, 2 * DAY_S] == system.arrivals()

    def test_two_runs_are_the_same(self, system):
        """§6.6: ids of events and executions too."""
        system.up(
            Worker=system.function(), Jobs=system.queue(), Rule=system.rule("rate(1 hour)"),
            Daily=system.schedule("rate(1 hour)", "Jobs", Input="<aws.scheduler.execution-id>"),
        )  # fmt: skip
        runs = []
        for _ in range(2):
            system.stage.reset()
            system.advance(5 * HOUR_S)
            runs.append([record.to_json() for record in system.stage.journal if record.kind in ("event", "delivery")])

        assert runs[0] == runs[1]
        assert len(runs[0]) > 10

    def test_a_handler_may_make_a_schedule(self, system):
        """§6.6: what the reminder function is for."""
        code = f"""
            import boto3, os
            def handler(event, context):
                boto3.client("scheduler").create_schedule(
                    Name="reminder", ScheduleExpression="at(2026-01-02T09:00:00)", FlexibleTimeWindow={{"Mode": "OFF"}},
                    ActionAfterCompletion="DELETE",
                    Target={{"Arn": os.environ["QUEUE"], "RoleArn": "{system.ROLE}", "Input": event["text"]}},
                )
        """
        system.up(
            Jobs=system.queue(), Worker=system.function(code, Environment={"Variables": {"QUEUE": system.att("Jobs")}})
        )
        system.stage.invoke("Worker", {"text": "milk"})
        system.settle()

        assert ["milk"] == system.texts()
        assert [] == system.names()


RESCHEDULES = """
    import boto3, datetime, os
    def handler(event, context):
        due = datetime.datetime.now(datetime.UTC).replace(microsecond=0) + datetime.timedelta(days=1)
        boto3.client("scheduler").create_schedule(
            Name=f"run-{due:%Y%m%d}", ScheduleExpression=f"at({due:%Y-%m-%dT%H:%M:%S})",
            FlexibleTimeWindow={"Mode": "OFF"}, ActionAfterCompletion="DELETE",
            Target={"Arn": context.invoked_function_arn, "RoleArn": "arn:aws:iam::123456789012:role/r"},
        )
"""


class TestFunctionsThatScheduleThemselves:
    def test_they_may_do_so_for_years(self, system):
        """§6.6: time that passes brings each run; that is no endless loop."""
        system.up(Worker=system.function(RESCHEDULES))
        system.stage.invoke("Worker", {})
        system.stage.clock.advance(400 * DAY_S + 1)

        assert len(system.attempts()) == 401

    def test_a_settle_would_never_end(self, system, monkeypatch):
        """§6.6: there is always another one to wait for; the error says so."""
        monkeypatch.setattr(timetable, "ONE_TIME_FIRINGS_MAX", 300)
        system.up(Worker=system.function(RESCHEDULES))
        system.stage.invoke("Worker", {})
        with pytest.raises(EndlessLoop, match=r"300 schedules fired .* makes the next one"):
            system.settle()

    def test_the_flow_tells_who_made_the_schedule(self, system):
        """§6.6: what a reminder leads to hangs below the call that made it."""
        system.up(Worker=system.function(), Jobs=system.queue())
        system.create("at(2026-01-02T00:00:00)", name="reminder")
        flow = system.stage.settle()

        (call,) = system.records("call")
        assert [call.n] == [record.cause for record in system.records("event", "default/reminder")]
        assert "Jobs accepted" in str(flow)


class TestCost:
    def test_minutes_without_targets_are_no_work(self, system):
        """§6.6: a rule without targets leaves no trace, and has one alarm at a time, however long it is skipped."""
        system.up(Jobs=system.queue(), Often=system.resource("Events::Rule", ScheduleExpression="rate(1 minute)"))
        system.stage.clock.advance("30d")

        assert len(system.stage.journal) == 0
        assert system.elapsed() == 30 * DAY_S
        assert len(system.stage.world.kernel._timers) == 1

    def test_a_stage_without_schedules_keeps_no_alarms(self, jobs):
        """§6.6: nothing recurs, so nothing is due, ever."""
        jobs.settle()

        assert jobs.stage.world.kernel.next_due() is None
        assert len(jobs.stage.world.kernel._timers) == 0


class TestTemplates:
    @pytest.mark.rule("6.6/template")
    def test_refs_and_attributes(self, system):
        """§6.6: Ref is the name, Arn the ARN; a group is referred to by its name."""
        group = system.resource("Scheduler::ScheduleGroup", Name="shop")
        schedule = system.schedule(
            "rate(1 day)", "Jobs", properties={"GroupName": system.ref("Group"), "Name": "daily"}
        )
        stage = system.up(Jobs=system.queue(), Group=group, Daily=schedule)

        assert (stage.ref("Group"), stage.ref("Daily")) == ("shop", "daily")
        assert stage.arn("Group") == "arn:aws:scheduler:us-east-1:123456789012:schedule-group/shop"
        assert stage.arn("Daily") == "arn:aws:scheduler:us-east-1:123456789012:schedule/shop/daily"
        assert system.client("scheduler").get_schedule(GroupName="shop", Name="daily")["State"] == "ENABLED"

    @pytest.mark.rule("6.6/template")
    def test_names_in_flows_are_logical_ids(self, system):
        """§6.6: a schedule is called what the template calls it."""
        system.up(
            Worker=system.function(), Daily=system.schedule("cron(0 1 * * ? *)"), Rule=system.rule("cron(0 2 * * ? *)")
        )
        system.advance(HOUR_S)
        assert system.stage.settle().path == ["Daily", "Worker"]
        system.advance(HOUR_S)

        assert system.stage.settle().path == ["Rule", "Worker"]

    @pytest.mark.rule("6.6/template")
    def test_what_aws_refuses_fails_the_deployment(self, system):
        """§6.6: with the template's place and AWS's words."""
        with pytest.raises(Exception, match=r"Invalid Schedule Expression rate\(1 fortnight\)\.") as refused:
            system.up(Jobs=system.queue(), Daily=system.schedule("rate(1 fortnight)", "Jobs"))

        assert refused.value.logical_id == "Daily"

    @pytest.mark.rule("6.6/template")
    def test_sam_events(self, tmp_path):
        """§6.6: `Schedule` becomes a rule, `ScheduleV2` a schedule with a dead-letter queue of its own."""
        from stagefright import open_stage

        (tmp_path / "src").mkdir()
        (tmp_path / "src" / "app.py").write_text("def handler(event, context): return event")
        (tmp_path / "template.yaml").write_text(SAM)
        with open_stage("sam", directory=tmp_path) as stage:
            stage.clock.advance("1d")
            invocations = stage.journal.of_kind("invocation", resource="Job")

            assert [{"by": "rule"}, {"by": "schedule"}] == [one.detail["event"] for one in invocations]
            assert [3 * HOUR_S, 4 * HOUR_S] == [round(one.at - invocations[0].at) + 3 * HOUR_S for one in invocations]


class TestAtLeastOnce:
    """A schedule promises no more than AWS does."""

    @pytest.fixture
    def loose(self, jobs):
        """Puts a decider in front of the world's deliveries."""

        def decide(*delays_s):
            jobs.stage.world.at_least_once.deciders.append(
                lambda hand_over: Decision(delays_s) if hand_over.kind == "schedule" else None
            )

        return decide

    @pytest.mark.rule("6.6/at-least-once")
    def test_by_default_once(self, jobs):
        """§6.6: exactly once for each occurrence."""
        jobs.create("at(2026-01-01T01:00:00)", Input="x")
        jobs.settle()

        assert ["x"] == jobs.texts("Jobs")

    @pytest.mark.rule("6.6/at-least-once")
    def test_twice_on_request(self, jobs, loose):
        """§6.6: the second copy is an invocation of its own, also after the schedule has deleted itself."""
        loose(0.0, 1.0)
        jobs.create("at(2026-01-01T01:00:00)", Input="x", more={"ActionAfterCompletion": "DELETE"})
        jobs.settle()

        assert ["x", "x"] == jobs.texts("Jobs")
        assert [HOUR_S, HOUR_S + 1] == jobs.arrivals()
        assert [] == jobs.names()

    def test_a_lost_occurrence_completes_the_schedule(self, jobs, loose):
        """A fault may lose it; what was to happen after the last invocation happens all the same."""
        loose()
        jobs.create("at(2026-01-01T01:00:00)", Input="x", more={"ActionAfterCompletion": "DELETE"})
        jobs.settle()

        assert ([], []) == (jobs.texts("Jobs"), jobs.names())


SAM = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  Job:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: app.handler
      CodeUri: src/
      Events:
        Nightly:
          Type: Schedule
          Properties:
            Schedule: cron(0 3 * * ? *)
            Input: '{"by": "rule"}'
        Later:
          Type: ScheduleV2
          Properties:
            ScheduleExpression: cron(0 5 * * ? *)
            ScheduleExpressionTimezone: Europe/Berlin
            Input: '{"by": "schedule"}'
            RetryPolicy: {MaximumRetryAttempts: 3}
            DeadLetterConfig: {Type: SQS}
        Off:
          Type: ScheduleV2
          Properties: {ScheduleExpression: rate(1 minute), State: DISABLED}
"""
