"""aws-semantics §6.1, §6.5: what a test does with rules, FIFO targets, archives and replays, through the API and a template."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError


def put(system, *details, **entry):
    """Put events of the shop; returns their ids."""
    events = system.client("events")
    entries = [{"Source": "shop", "DetailType": "order", "Detail": json.dumps(detail), **entry} for detail in details]
    return [reply["EventId"] for reply in events.put_events(Entries=entries)["Entries"]]


def numbers(system, queue="Inbox"):
    """The number in each event that lies in a queue."""
    return [body["detail"]["n"] for body in system.bodies(queue)]


def shop_rule(system, target="Inbox", **settings):
    return system.resource(
        "Events::Rule",
        EventPattern={"source": ["shop"]},
        Targets=[{"Id": "t", "Arn": system.att(target), **settings}],
    )


class TestRules:
    """§6.1, rules that change while a test runs"""

    @pytest.fixture
    def rule(self, system):
        """A deployed rule with a queue as target; its name."""
        system.up(Inbox=system.queue(), Rule=shop_rule(system))
        return system.stage.ref("Rule")

    @pytest.mark.rule("6.1/disable-rule")
    def test_a_rule_can_be_switched_off_and_on(self, system, rule):
        """§6.1: events that come meanwhile are not made up for."""
        events = system.client("events")
        for n, switch in enumerate((events.enable_rule, events.disable_rule, events.enable_rule)):
            switch(Name=rule)
            put(system, {"n": n})
            system.settle()

        assert numbers(system) == [0, 2]

    @pytest.mark.rule("6.1/remove-targets")
    def test_a_target_can_be_removed(self, system, rule):
        """§6.1: the rule stays, and has nowhere to send to; then it can be deleted."""
        events = system.client("events")
        put(system, {"n": 0})
        with pytest.raises(ClientError, match="Rule can't be deleted since it has targets"):
            events.delete_rule(Name=rule)

        assert events.remove_targets(Rule=rule, Ids=["t"])["FailedEntryCount"] == 0
        put(system, {"n": 1})
        system.settle()

        assert numbers(system) == [0]
        events.delete_rule(Name=rule)
        assert events.list_rules()["Rules"] == []

    @pytest.mark.rule("6.1/managed-rules")
    def test_a_managed_rule_wants_force(self, system, rule):
        """§6.1: through the API, with AWS's exception."""
        events = system.client("events")
        bus = events.describe_event_bus()["Arn"]
        events.create_archive(ArchiveName="all", EventSourceArn=bus)
        name = "Events-Archive-all"

        assert [one["ManagedBy"] for one in events.list_rules(NamePrefix=name)["Rules"]]
        with pytest.raises(events.exceptions.ManagedRuleException, match="Set 'force' parameter to true"):
            events.disable_rule(Name=name)
        with pytest.raises(events.exceptions.ManagedRuleException):
            events.remove_targets(Rule=name, Ids=[name])
        events.remove_targets(Rule=name, Ids=[name], Force=True)
        events.delete_rule(Name=name, Force=True)
        put(system, {"n": 1})

        assert events.describe_archive(ArchiveName="all")["EventCount"] == 0


class TestFifoTargets:
    """§6.1, FIFO queues"""

    def up(self, system, **queue):
        group = {"SqsParameters": {"MessageGroupId": "orders"}, "DeadLetterConfig": {"Arn": system.att("Dead")}}
        system.up(Inbox=system.queue(FifoQueue=True, **queue), Dead=system.queue(), Rule=shop_rule(system, **group))

    @pytest.mark.rule("6.1/fifo-target")
    def test_events_are_a_group(self, system):
        """§6.1: the group is the target's; each event is a content of its own."""
        self.up(system, ContentBasedDeduplication=True)
        put(system, {"n": 0}, {"n": 0})
        system.settle()

        messages = system.messages("Inbox")
        assert [message["Attributes"]["MessageGroupId"] for message in messages] == ["orders"] * 2

    @pytest.mark.rule("6.1/fifo-target")
    def test_the_queue_must_deduplicate_by_content(self, system):
        """§6.1: without, it refuses each event, which goes to the dead-letter queue."""
        self.up(system)
        put(system, {"n": 0})
        system.settle()

        assert system.messages("Inbox") == []
        (letter,) = system.messages("Dead")
        assert letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "SDK_CLIENT_ERROR"

    @pytest.mark.rule("6.1/fifo-target")
    def test_a_group_is_asked_for(self, system):
        """§6.1: `PutTargets` refuses a FIFO queue without one."""
        inbox = system.queue(FifoQueue=True, ContentBasedDeduplication=True)
        system.up(Inbox=inbox, Rule=shop_rule(system, SqsParameters={"MessageGroupId": "orders"}))
        target = {"Id": "second", "Arn": system.stage.arn("Inbox")}

        with pytest.raises(ClientError, match="SqsParameters must be specified for target: second"):
            system.client("events").put_targets(Rule=system.stage.ref("Rule"), Targets=[target])


@pytest.fixture
def archived(system):
    """A bus with an archive of three days, a rule to a queue, and two events from one minute and one from the next."""
    bus = system.att("Bus")
    system.up(
        Bus=system.resource("Events::EventBus", Name="orders"),
        Keep=system.resource("Events::Archive", SourceArn=bus, EventPattern={"source": ["shop"]}, RetentionDays="3"),
        Inbox=system.queue(),
        Rule=system.resource(
            "Events::Rule",
            EventBusName=system.ref("Bus"),
            EventPattern={"detail": {"n": [{"exists": True}]}},
            Targets=[{"Id": "t", "Arn": system.att("Inbox")}],
        ),
    )
    put(system, {"n": 0}, {"n": 1}, EventBusName="orders")
    put(system, {"n": "other"}, EventBusName="orders", Source="market")
    system.advance(60)
    put(system, {"n": 2}, EventBusName="orders")
    system.settle()
    assert numbers(system) == [0, 1, "other", 2]
    return system.client("events")


def replay(system, name="again", **more):
    """Replay all of the archive."""
    return system.client("events").start_replay(
        ReplayName=name,
        EventSourceArn=system.stage.arn("Keep"),
        EventStartTime=system.began - 60,
        EventEndTime=system.began + 3_600,
        Destination={"Arn": system.stage.arn("Bus")},
        **more,
    )


def state(system, name="again"):
    return system.client("events").describe_replay(ReplayName=name)["State"]


class TestReplays:
    """§6.5, in a deployed stage"""

    @pytest.mark.rule("6.5/replay-name")
    @pytest.mark.rule("6.5/archive-pattern")
    def test_a_replay_is_delivered_when_the_stage_settles(self, system, archived):
        """§6.5: what the archive's pattern picked, under the replay's name."""
        assert replay(system, Description="once more")["State"] == "STARTING"
        system.settle()

        bodies = system.bodies("Inbox")
        assert [(body["detail"]["n"], body["replay-name"]) for body in bodies] == [(n, "again") for n in range(3)]
        assert archived.describe_archive(ArchiveName=system.stage.ref("Keep"))["EventCount"] == 3

    @pytest.mark.rule("6.5/states")
    def test_a_replay_takes_time(self, system, archived):
        """§6.5: ten seconds until it runs, then a second for each minute that has events."""
        began = system.elapsed()
        replay(system)
        states = {}
        for second in (0, 9.5, 10.5, 11.5, 12.5):
            system.advance(began + second - system.elapsed())
            states[second] = state(system), len(system.records("event", "Bus"))

        assert states == {
            0: ("STARTING", 4),
            9.5: ("STARTING", 4),
            10.5: ("RUNNING", 6),
            11.5: ("RUNNING", 7),
            12.5: ("COMPLETED", 7),
        }
        told = archived.describe_replay(ReplayName="again")
        assert (told["ReplayEndTime"] - told["ReplayStartTime"]).total_seconds() == 12
        assert told["EventLastReplayedTime"].timestamp() == system.began + 60

    @pytest.mark.rule("6.5/cancel")
    @pytest.mark.parametrize(("after", "count"), [(5, 0), (10.5, 2), (11.5, 3)])
    def test_a_replay_can_be_cancelled(self, system, archived, after, count):
        """§6.5: what was not sent stays where it is."""
        replay(system)
        system.advance(after)

        assert archived.cancel_replay(ReplayName="again")["State"] == "CANCELLING"
        assert state(system) == "CANCELLING"
        system.settle()

        assert state(system) == "CANCELLED"
        assert len(system.bodies("Inbox")) == count

    @pytest.mark.rule("6.5/cancel")
    def test_what_has_ended_is_not_cancelled(self, system, archived):
        """§6.5: nor is what is cancelled already."""
        replay(system, "done")
        system.settle()
        replay(system, "cancelled")
        archived.cancel_replay(ReplayName="cancelled")

        for name in ("done", "cancelled"):
            with pytest.raises(archived.exceptions.IllegalStatusException, match=f"{name} is not in a valid state"):
                archived.cancel_replay(ReplayName=name)

    def test_a_reset_forgets_events_and_replays(self, system, archived):
        """§6.5: the archive is there again, as empty as it was deployed; a replay under way is gone."""
        replay(system)
        system.advance(10.5)

        system.stage.reset()
        system.settle()

        assert system.records("event") == []
        assert archived.list_replays()["Replays"] == []
        assert archived.describe_archive(ArchiveName=system.stage.ref("Keep"))["EventCount"] == 0
        put(system, {"n": 5}, EventBusName="orders")
        assert archived.describe_archive(ArchiveName=system.stage.ref("Keep"))["EventCount"] == 1

    def test_the_flow_begins_with_the_call(self, system, archived):
        """§6.5: a replay's events are caused by the call that started it."""
        replay(system)
        flow = system.stage.settle()

        assert "called events.StartReplay" in str(flow)
        assert flow.path[:2] == ["Bus", "Inbox"]


class TestTemplates:
    """§6.1, §6.5, the other types of EventBridge in a template"""

    def test_a_policy_lies_on_its_bus(self, system):
        """§6.1: both ways to write one; it can be described, and nobody is refused."""
        system.up(
            Bus=system.resource("Events::EventBus", Name="orders"),
            Old=system.resource(
                "Events::EventBusPolicy",
                EventBusName=system.ref("Bus"),
                StatementId="old",
                Action="events:PutEvents",
                Principal="111111111111",
            ),
            New=system.resource(
                "Events::EventBusPolicy",
                EventBusName=system.ref("Bus"),
                StatementId="new",
                Statement={"Effect": "Deny", "Principal": "*", "Action": "events:PutEvents", "Resource": "*"},
            ),
        )

        statements = json.loads(system.client("events").describe_event_bus(Name="orders")["Policy"])["Statement"]
        principals = {statement["Sid"]: statement["Principal"] for statement in statements}
        assert principals == {"old": {"AWS": "arn:aws:iam::111111111111:root"}, "new": "*"}
        assert put(system, {"n": 1}, EventBusName="orders")

    def test_a_destination_outside_is_not_called(self, system):
        """§6.1: it can be described; what a rule sends to it ends with a warning in the journal."""
        system.up(
            Key=system.resource(
                "Events::Connection",
                AuthorizationType="API_KEY",
                AuthParameters={"ApiKeyAuthParameters": {"ApiKeyName": "k", "ApiKeyValue": "v"}},
            ),
            Carrier=system.resource(
                "Events::ApiDestination",
                ConnectionArn=system.att("Key"),
                HttpMethod="POST",
                InvocationEndpoint="https://carrier.example/orders",
            ),
            Rule=shop_rule(system, "Carrier", RoleArn=system.ROLE),
        )
        put(system, {"n": 1})
        system.settle()

        told = system.client("events").describe_api_destination(Name=system.stage.ref("Carrier"))
        assert (told["ApiDestinationArn"], told["HttpMethod"]) == (system.stage.arn("Carrier"), "POST")
        assert "does not deliver" in system.records("warning")[0].detail["message"]
