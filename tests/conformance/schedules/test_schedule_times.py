"""EventBridge Scheduler: when schedules invoke their targets (semantics §6.6)."""

from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from stagefright import open_stage
from stagefright.assumptions import Assumptions

HOUR_S, DAY_S = 3_600, 86_400
START = datetime(2026, 1, 1, tzinfo=UTC)


def later(**span):
    return START + timedelta(**span)


class TestExpressions:
    @pytest.mark.rule("6.6/at")
    @pytest.mark.rule("6.6/timezone")
    def test_once(self, jobs):
        """§6.6: `at` invokes once, at the second, in the schedule's zone."""
        jobs.create("at(2026-01-01T09:00:30)", more={"ScheduleExpressionTimezone": "America/New_York"})
        jobs.advance(7 * DAY_S)

        assert [14 * HOUR_S + 30] == jobs.arrivals()

    @pytest.mark.rule("6.6/rate")
    @pytest.mark.rule("6.6/rate-at-once")
    def test_a_rate_begins_at_once(self, jobs):
        """§6.6: without a StartDate, with the creation."""
        jobs.advance(100)
        jobs.create("rate(1 hours)")
        jobs.advance(2 * HOUR_S)

        assert [100, 100 + HOUR_S, 100 + 2 * HOUR_S] == jobs.arrivals()

    @pytest.mark.rule("6.6/rate-at-once")
    def test_a_deployed_rate_has_begun_with_the_deployment(self, system):
        """§6.6: that invocation is a part of the deployment, which tests do not see; they see what comes after it."""
        system.up(Jobs=system.queue(), Often=system.schedule("rate(1 hour)", "Jobs"))
        system.advance(2 * HOUR_S)

        assert [HOUR_S, 2 * HOUR_S] == system.arrivals()

    @pytest.mark.rule("6.6/cron")
    @pytest.mark.rule("6.6/timezone")
    def test_cron_in_a_zone(self, jobs):
        """§6.6: nine in the morning in Tokyo is midnight UTC."""
        jobs.create("cron(0 9 * * ? *)", more={"ScheduleExpressionTimezone": "Asia/Tokyo"})
        jobs.advance(2 * DAY_S)

        assert [DAY_S, 2 * DAY_S] == jobs.arrivals()

    @pytest.mark.rule("6.6/dst-gap")
    @pytest.mark.rule("6.6/dst-overlap")
    def test_summer_time(self, jobs):
        """§6.6: a time that does not exist is skipped, one that comes twice counts once."""
        jobs.create("cron(30 2 * * ? *)", more={"ScheduleExpressionTimezone": "Europe/Berlin"})
        jobs.advance(365 * DAY_S)

        assert len(jobs.arrivals()) == 364

    @pytest.mark.rule("6.6/dst-overlap")
    @pytest.mark.parametrize(
        ("second", "night"), [(False, [0.0, 0.25, 0.5, 0.75, 2.0]), (True, [1.0, 1.25, 1.5, 1.75, 2.0])]
    )
    def test_which_of_the_two_is_assumed(self, jobs, second, night):
        """§6.6: on 25 October Berlin's clocks show 02:00 to 02:59 from 00:00 and from 01:00 UTC."""
        jobs.stage.world.assumptions = Assumptions(schedule_second_pass=second)
        berlin = {"ScheduleExpressionTimezone": "Europe/Berlin"}
        jobs.create("cron(0/15 2 * * ? *)", more={"StartDate": datetime(2026, 10, 24, 23, tzinfo=UTC), **berlin})
        jobs.create("cron(0 3 25 10 ? *)", name="three", more=berlin)
        day_s = (datetime(2026, 10, 25, tzinfo=UTC) - datetime(2026, 1, 1, tzinfo=UTC)).total_seconds()
        jobs.advance(day_s + 3 * HOUR_S)

        assert [(at - day_s) / HOUR_S for at in jobs.arrivals()] == night

    @pytest.mark.parametrize("second", [False, True])
    @pytest.mark.rule("6.6/dst-gap")
    def test_a_gap_is_skipped_either_way(self, jobs, second):
        """§6.6: on 29 March Berlin's clocks jump from 02:00 to 03:00, at 01:00 UTC."""
        jobs.stage.world.assumptions = Assumptions(schedule_second_pass=second)
        more = {"ScheduleExpressionTimezone": "Europe/Berlin", "StartDate": datetime(2026, 3, 28, 23, tzinfo=UTC)}
        jobs.create("cron(30 1-3 * * ? *)", more=more)
        day_s = (datetime(2026, 3, 29, tzinfo=UTC) - datetime(2026, 1, 1, tzinfo=UTC)).total_seconds()
        jobs.advance(day_s + 3 * HOUR_S)

        assert [(at - day_s) / HOUR_S for at in jobs.arrivals()] == [0.5, 1.5]

    @pytest.mark.rule("6.6/invalid-expression")
    @pytest.mark.parametrize(
        "expression", ["cron(0 1 * * * *)", "rate(10 years)", " rate(10 minutes)", "at(2021-12-31)"]
    )
    def test_an_expression_that_is_none(self, jobs, expression):
        """§6.6: recorded, with the expression and a full stop."""
        with pytest.raises(ClientError) as refused:
            jobs.create(expression)

        error = refused.value.response["Error"]
        assert error == {"Code": "ValidationException", "Message": f"Invalid Schedule Expression {expression}."}
        assert [] == jobs.names()

    @pytest.mark.rule("6.6/timezone")
    def test_a_zone_that_is_none(self, jobs):
        """§6.6: zones are those of IANA."""
        with pytest.raises(ClientError, match="Mars/Olympus"):
            jobs.create("rate(1 hour)", more={"ScheduleExpressionTimezone": "Mars/Olympus"})


class TestThePast:
    @pytest.mark.rule("6.6/at-past")
    def test_a_time_that_is_over_is_taken_and_never_comes(self, jobs):
        """§6.6: recorded that AWS takes it; that nothing is invoked is assumed."""
        jobs.create("at(2022-12-31T23:59:59)")
        jobs.advance(DAY_S)

        assert ["it"] == jobs.names()
        assert [] == jobs.arrivals()

    @pytest.mark.rule("6.6/at-past")
    def test_that_may_be_assumed_otherwise(self, system, tmp_path):
        """§6.6: with `past_schedule_fires` it is invoked at once."""
        system.up(Jobs=system.queue())
        system.close()
        system.stage = open_stage(
            "past", directory=tmp_path, template=tmp_path / "template.json", assumptions={"past_schedule_fires": True}
        )
        system.create("at(2022-12-31T23:59:59)")
        system.settle()

        assert [0.0] == system.arrivals()

    @pytest.mark.rule("6.6/precision")
    def test_a_time_of_this_minute_is_not_over(self, jobs):
        """§6.6: AWS invokes within the minute, so a moment ago is now."""
        jobs.advance(30.5)
        jobs.create("at(2026-01-01T00:00:30)")
        jobs.settle()

        assert [30.5] == jobs.arrivals()


class TestSpans:
    @pytest.mark.rule("6.6/start-date")
    def test_a_start_is_the_first_occurrence_of_a_rate(self, jobs):
        """§6.6: StartDate."""
        jobs.create("rate(1 hour)", more={"StartDate": later(hours=5)})
        jobs.advance(6 * HOUR_S)

        assert [5 * HOUR_S, 6 * HOUR_S] == jobs.arrivals()

    @pytest.mark.rule("6.6/start-date")
    @pytest.mark.rule("6.6/end-date")
    def test_cron_within_its_span(self, jobs):
        """§6.6: on or after the start, on or before the end."""
        jobs.create("cron(0 0 * * ? *)", more={"StartDate": later(days=3), "EndDate": later(days=5)})
        jobs.advance(10 * DAY_S)

        assert [3 * DAY_S, 4 * DAY_S, 5 * DAY_S] == jobs.arrivals()

    @pytest.mark.rule("6.6/start-date-past")
    def test_a_start_too_long_ago(self, jobs):
        """§6.6: more than five minutes."""
        jobs.create("rate(1 hour)", more={"StartDate": later(minutes=-5)})
        with pytest.raises(ClientError, match=r"The StartDate you specify cannot be earlier than 5 minutes ago\."):
            jobs.create("rate(1 hour)", name="other", more={"StartDate": later(minutes=-6)})
        jobs.advance(HOUR_S)

        assert [3300] == jobs.arrivals()

    @pytest.mark.rule("6.6/end-date")
    def test_an_end_before_the_start(self, jobs):
        """§6.6: the words are ours."""
        with pytest.raises(ClientError, match="EndDate"):
            jobs.create("rate(1 hour)", more={"StartDate": later(days=2), "EndDate": later(days=1)})

    @pytest.mark.rule("6.6/at-ignores-span")
    def test_one_time_schedules_have_no_span(self, jobs):
        """§6.6: StartDate and EndDate are ignored by `at`."""
        jobs.create("at(2026-01-02T00:00:00)", more={"StartDate": later(days=5), "EndDate": later(days=-5)})
        jobs.settle()

        assert [DAY_S] == jobs.arrivals()


class TestWindows:
    @pytest.mark.rule("6.6/flexible-window")
    @pytest.mark.rule("6.6/flexible-window-range")
    def test_a_flexible_window_begins_with_the_scheduled_time(self, jobs):
        """§6.6: within the window; by default at its beginning."""
        jobs.create("cron(0 1 * * ? *)", window={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 1440})
        jobs.advance(2 * HOUR_S)

        assert [HOUR_S] == jobs.arrivals()

    @pytest.mark.rule("6.6/flexible-window")
    @pytest.mark.rule("6.6/precision")
    def test_chance_may_choose_within_the_window(self, system, tmp_path):
        """§6.6: with `schedule_delay`, the same moment in every run, and the scheduled time stays what it was."""
        system.up(Jobs=system.queue())
        system.close()
        stage = system.stage = open_stage(
            "late", directory=tmp_path, template=tmp_path / "template.json", assumptions={"schedule_delay": 1.0}
        )
        runs = []
        for _ in range(2):
            stage.reset()
            window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}
            system.create("cron(0 1 * * ? *)", window=window, Input="<aws.scheduler.scheduled-time>")
            system.create("cron(0 5 * * ? *)", name="sharp", Input="sharp")
            system.advance(6 * HOUR_S)
            runs.append(system.arrivals())

        assert runs[0] == runs[1]
        assert HOUR_S < runs[0][0] <= HOUR_S + 900
        assert 5 * HOUR_S < runs[0][1] <= 5 * HOUR_S + 60
        assert "2026-01-01T01:00:00Z" in system.texts()

    @pytest.mark.rule("6.6/flexible-window-range")
    @pytest.mark.parametrize(
        "window", [{"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 1441}, {"Mode": "FLEXIBLE"}, {"Mode": "MAYBE"}]
    )
    def test_windows_that_are_refused(self, jobs, window):
        """§6.6: OFF or FLEXIBLE, 1 to 1,440 minutes."""
        with pytest.raises(ClientError, match="ValidationException"):
            jobs.create("rate(1 hour)", window=window)


class TestStates:
    @pytest.mark.rule("6.6/state")
    def test_a_disabled_schedule(self, jobs):
        """§6.6: it does not invoke; enabled, a rate begins anew."""
        jobs.create("rate(1 hour)", more={"State": "DISABLED"})
        jobs.advance(DAY_S)
        assert [] == jobs.arrivals()

        schedule = jobs.client("scheduler").get_schedule(Name="it")
        given = {key: schedule[key] for key in ("Name", "ScheduleExpression", "Target", "FlexibleTimeWindow")}
        jobs.client("scheduler").update_schedule(**given, State="ENABLED")
        jobs.settle()

        assert [DAY_S] == jobs.arrivals()

    @pytest.mark.rule("6.6/update")
    def test_an_update_replaces_all(self, jobs):
        """§6.6: times that stay the same go on; what is not given goes back to its default."""
        jobs.create("cron(0 * * * ? *)", Input="old", more={"ActionAfterCompletion": "DELETE", "Description": "x"})
        jobs.advance(HOUR_S)
        jobs.client("scheduler").update_schedule(
            Name="it",
            ScheduleExpression="cron(30 * * * ? *)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": jobs.stage.arn("Jobs"), "RoleArn": jobs.ROLE, "Input": "new"},
        )
        jobs.advance(HOUR_S)

        assert [HOUR_S, HOUR_S + 1800] == jobs.arrivals()
        assert ["old", "new"] == jobs.texts()
        assert jobs.client("scheduler").get_schedule(Name="it")["ActionAfterCompletion"] == "NONE"

    @pytest.mark.rule("6.6/delete")
    def test_a_deleted_schedule_is_silent(self, jobs):
        """§6.6: also if it was to fire once."""
        jobs.create("at(2026-01-02T00:00:00)")
        jobs.client("scheduler").delete_schedule(Name="it")
        jobs.settle()
        jobs.advance(2 * DAY_S)

        assert [] == jobs.arrivals()


class TestAfterCompletion:
    @pytest.mark.rule("6.6/after-completion")
    def test_a_one_time_schedule_deletes_itself(self, jobs):
        """§6.6: ActionAfterCompletion DELETE; NONE keeps it."""
        jobs.create("at(2026-01-02T00:00:00)", more={"ActionAfterCompletion": "DELETE"})
        jobs.create("at(2026-01-02T00:00:00)", name="kept")
        assert ["it", "kept"] == sorted(jobs.names())
        jobs.settle()

        assert ["kept"] == jobs.names()
        assert len(jobs.arrivals()) == 2

    @pytest.mark.rule("6.6/after-completion")
    def test_a_recurring_schedule_after_its_last_invocation(self, jobs):
        """§6.6: which its EndDate makes the last."""
        more = {"EndDate": later(hours=2), "ActionAfterCompletion": "DELETE"}
        jobs.create("cron(0 * * * ? *)", more=more)
        jobs.advance(HOUR_S)
        assert ["it"] == jobs.names()
        jobs.advance(HOUR_S)

        assert [] == jobs.names()

    @pytest.mark.rule("6.6/after-completion")
    def test_not_before_its_retries_are_over(self, system):
        """§6.6: after the last unsuccessful attempt."""
        system.up(Worker=system.function(ReservedConcurrentExecutions=0), Dead=system.queue())
        system.universal(
            "at(2026-01-01T01:00:00)",
            "lambda:invoke",
            {"FunctionName": system.stage.ref("Worker")},
            more={"ActionAfterCompletion": "DELETE"},
            RetryPolicy={"MaximumRetryAttempts": 3},
            DeadLetterConfig={"Arn": system.stage.arn("Dead")},
        )
        system.advance(HOUR_S + 2)
        assert ["it"] == system.names()
        system.settle()

        assert [] == system.names()
        assert len(system.messages()) == 1
