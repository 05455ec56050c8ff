"""EventBridge rules with a schedule (semantics §6.6)."""

import pytest
from botocore.exceptions import ClientError

DAY_S = 86_400


def put(system, expression, name="Made", **more):
    """A rule by API, with the queue `Jobs` as its target."""
    events = system.client("events")
    events.put_rule(Name=name, ScheduleExpression=expression, **more)
    events.put_targets(Rule=name, Targets=[{"Id": "t", "Arn": system.stage.arn("Jobs")}])


class TestWhatATargetGets:
    @pytest.mark.rule("6.6/rule-event")
    def test_the_scheduled_event(self, system):
        """§6.6: source aws.events, "Scheduled Event", the rule's ARN, an empty detail, the time of the schedule."""
        system.up(Worker=system.function(), Hourly=system.rule("rate(1 hour)"))
        system.advance(3600)

        (event,) = system.events()
        assert event.pop("id")
        assert event == {
            "version": "0",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": "123456789012",
            "time": "2026-01-01T01:00:00Z",
            "region": "us-east-1",
            "resources": [system.stage.arn("Hourly")],
            "detail": {},
        }

    @pytest.mark.rule("6.6/rule-event")
    def test_its_target_may_transform_it(self, system):
        """§6.6: a scheduled event takes the way of any event: constants and transformers apply."""
        system.up(Worker=system.function(), Hourly=system.rule("rate(1 hour)", Input='{"nightly": true}'))
        system.advance(3600)

        assert [{"nightly": True}] == system.events()

    @pytest.mark.rule("6.6/rule-event")
    def test_each_occurrence_has_an_id_of_its_own(self, system):
        """§6.6: two firings are two events, and two runs give the same ids."""
        system.up(Worker=system.function(), Hourly=system.rule("rate(1 hour)"))
        system.advance(7200)
        first = [event["id"] for event in system.events()]
        system.stage.reset()
        system.advance(7200)

        assert len(set(first)) == 2
        assert first == [event["id"] for event in system.events()]


class TestWhen:
    @pytest.mark.rule("6.6/rule-rate-start")
    def test_a_rate_counts_from_when_the_rule_was_made(self, jobs):
        """§6.6: not at once, and not from midnight."""
        jobs.advance(100)
        put(jobs, "rate(5 minutes)")
        jobs.advance(1000)

        assert [400, 700, 1000] == jobs.arrivals()

    @pytest.mark.rule("6.6/rule-cron-minute")
    def test_cron_fires_in_its_minute(self, system):
        """§6.6: at second 0 of each minute that it names, in UTC."""
        system.up(Worker=system.function(), Sometimes=system.rule("cron(15/30 9 * * ? *)"))
        system.advance(2 * DAY_S)

        nine = 9 * 3600
        assert [nine + 900, nine + 2700, DAY_S + nine + 900, DAY_S + nine + 2700] == system.attempts()

    @pytest.mark.rule("6.6/rule-cron-minute")
    def test_a_nightly_job_runs_thirty_times_in_thirty_days(self, system):
        """§6.6: each firing is real, those at the ends of the span too."""
        system.up(Worker=system.function(), Nightly=system.rule("cron(0 0 * * ? *)"))
        system.stage.clock.advance("30d")

        assert [day * DAY_S for day in range(1, 31)] == system.attempts()

    @pytest.mark.rule("6.6/cron-never")
    def test_what_never_fires_never_does(self, system):
        """§6.6: there is no February 30; AWS takes such a rule."""
        system.up(Worker=system.function(), Never=system.rule("cron(0 0 30 2 ? *)"))
        system.stage.clock.advance("365d")

        assert [] == system.attempts()


class TestChanges:
    @pytest.mark.rule("6.6/rule-state")
    def test_a_disabled_rule_does_not_fire(self, jobs):
        """§6.6: until it is enabled, from when a rate counts anew."""
        put(jobs, "rate(1 hour)")
        jobs.advance(3600)
        jobs.client("events").disable_rule(Name="Made")
        jobs.advance(5000)
        jobs.client("events").enable_rule(Name="Made")
        jobs.advance(3600)

        assert [3600, 3600 + 5000 + 3600] == jobs.arrivals()

    @pytest.mark.rule("6.6/rule-state")
    def test_a_rule_may_be_made_disabled(self, jobs):
        """§6.6: `State` of PutRule."""
        put(jobs, "rate(1 hour)", State="DISABLED")
        jobs.advance(DAY_S)

        assert [] == jobs.arrivals()

    @pytest.mark.rule("6.6/rule-state")
    def test_a_deleted_rule_is_silent(self, jobs):
        """§6.6: DeleteRule, after its targets are removed."""
        put(jobs, "rate(1 hour)")
        jobs.client("events").remove_targets(Rule="Made", Ids=["t"])
        jobs.client("events").delete_rule(Name="Made")
        jobs.advance(DAY_S)

        assert [] == jobs.arrivals()

    @pytest.mark.rule("6.6/rule-state")
    def test_a_new_expression_counts(self, jobs):
        """§6.6: PutRule with another expression counts from then; with the same one it changes nothing."""
        put(jobs, "rate(1 hour)")
        jobs.advance(600)
        put(jobs, "rate(1 hour)")
        jobs.advance(3000)
        put(jobs, "rate(2 hours)")
        jobs.advance(7200)

        assert [3600, 3600 + 7200] == jobs.arrivals()

    @pytest.mark.rule("6.6/rule-pattern-and-schedule")
    def test_a_rule_with_a_pattern_and_a_schedule(self, jobs):
        """§6.6: either triggers it, and the scheduled event need not match the pattern."""
        put(jobs, "rate(1 hour)", EventPattern='{"source": ["shop"]}')
        jobs.client("events").put_events(Entries=[{"Source": "shop", "DetailType": "sold", "Detail": "{}"}])
        jobs.client("events").put_events(Entries=[{"Source": "other", "DetailType": "sold", "Detail": "{}"}])
        jobs.advance(3600)

        assert ["sold", "Scheduled Event"] == [body["detail-type"] for body in jobs.bodies("Jobs")]


class TestRefusals:
    @pytest.mark.rule("6.6/rule-refused-expression")
    @pytest.mark.parametrize(
        "expression", ["rate(1 minutes)", "rate(10 MINUTES)", "cron(0 1 * * * *)", "at(2026-02-01T00:00:00)", "daily"]
    )
    def test_an_expression_that_is_none(self, jobs, expression):
        """§6.6: recorded; nothing is made."""
        events = jobs.client("events")
        with pytest.raises(ClientError) as refused:
            events.put_rule(Name="Made", ScheduleExpression=expression)

        error = refused.value.response["Error"]
        assert error == {"Code": "ValidationException", "Message": "Parameter ScheduleExpression is not valid."}
        assert [] == events.list_rules()["Rules"]

    @pytest.mark.rule("6.6/rule-default-bus")
    def test_only_the_default_bus_has_schedules(self, jobs):
        """§6.6: recorded for custom buses."""
        events = jobs.client("events")
        events.create_event_bus(Name="shop")
        with pytest.raises(ClientError) as refused:
            events.put_rule(Name="Made", EventBusName="shop", ScheduleExpression="rate(1 minute)")

        assert "ScheduleExpression is supported only on the default event bus." in str(refused.value)
        assert "ValidationException" in str(refused.value)

    @pytest.mark.rule("6.6/rule-retries")
    def test_targets_of_rules_have_their_retry_policy_and_dead_letters(self, system):
        """§6.6: a scheduled event that cannot be delivered ends as any event of a rule does (§6.4)."""
        gone = "arn:aws:sqs:us-east-1:123456789012:gone"
        target = {"Id": "t", "Arn": gone, "DeadLetterConfig": {"Arn": system.att("Dead")}}
        rule = system.resource("Events::Rule", ScheduleExpression="rate(1 hour)", Targets=[target])
        system.up(Dead=system.queue(), Hourly=rule)
        system.advance(3600)

        (message,) = system.messages()
        assert message["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_RESOURCE"
        assert "Scheduled Event" in message["Body"]
