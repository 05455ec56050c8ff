"""EventBridge Scheduler: what targets get, and what becomes of what they do not take (semantics §6.6)."""

import base64
import json

import pytest
from botocore.exceptions import ClientError

from stagefright.delivery import backoff

AT = "at(2026-01-01T01:00:00)"
HOUR_S = 3_600
GONE = "arn:aws:sqs:us-east-1:123456789012:gone"


def facts(message):
    return {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}


class TestTemplatedTargets:
    @pytest.mark.rule("6.6/target-lambda")
    def test_a_function(self, system):
        """§6.6: invoked asynchronously with the Input; its failure takes the way of such an invocation, not the schedule's."""
        system.up(
            Worker=system.function(system.FAILS),
            Config=system.invoke_config(failure=system.att("Dead")),
            Dead=system.queue(),
        )
        system.create(AT, system.stage.arn("Worker"), Input='{"n": 1}')
        system.settle()

        assert [HOUR_S, HOUR_S + 60, HOUR_S + 180] == system.attempts()
        assert [{"n": 1}] * 3 == system.events()
        assert system.bodies()[0]["requestContext"]["condition"] == "RetriesExhausted"

    @pytest.mark.rule("6.6/target-sqs")
    def test_queues(self, system):
        """§6.6: the Input is the message, any text; a FIFO queue wants a group."""
        system.up(
            Jobs=system.queue(), Ordered=system.queue(FifoQueue=True, ContentBasedDeduplication=True),
        )  # fmt: skip
        system.create(AT, Input="not JSON")
        ordered = system.stage.arn("Ordered")
        with pytest.raises(ClientError, match="MessageGroupId"):
            system.create(AT, ordered, name="ordered")
        system.create(AT, ordered, name="ordered", Input="first", SqsParameters={"MessageGroupId": "g"})
        system.settle()

        assert ["not JSON"] == system.texts()
        (message,) = system.messages("Ordered")
        assert (message["Body"], message["Attributes"]["MessageGroupId"]) == ("first", "g")

    @pytest.mark.rule("6.6/target-sns")
    def test_a_topic(self, system):
        """§6.6: the Input is published."""
        subscription = {"Protocol": "sqs", "Endpoint": system.att("Jobs")}
        system.up(Jobs=system.queue(), News=system.topic(Subscription=[subscription]))
        system.create(AT, system.stage.arn("News"), Input="hello")
        system.settle()

        assert ["hello"] == [body["Message"] for body in system.bodies("Jobs")]

    @pytest.mark.rule("6.6/target-events")
    def test_a_bus(self, system):
        """§6.6: the Input is the detail of an event, which goes through the bus's rules."""
        system.up(
            Jobs=system.queue(),
            Sales=system.resource(
                "Events::Rule", EventPattern={"source": ["shop"]}, Targets=[{"Id": "t", "Arn": system.att("Jobs")}]
            ),
        )
        bus = "arn:aws:events:us-east-1:123456789012:event-bus/default"
        with pytest.raises(ClientError, match="EventBridgeParameters"):
            system.create(AT, bus)
        system.create(AT, bus, Input='{"n": 1}', EventBridgeParameters={"Source": "shop", "DetailType": "closing"})
        system.settle()

        (event,) = system.bodies("Jobs")
        assert (event["source"], event["detail-type"], event["detail"]) == ("shop", "closing", {"n": 1})

    @pytest.mark.rule("6.6/target-kinesis")
    def test_a_stream(self, system):
        """§6.6: the Input is a record under the partition key."""
        system.up(
            Feed=system.resource("Kinesis::Stream", ShardCount=1), Worker=system.function(),
            Mapping=system.mapping("Feed", StartingPosition="TRIM_HORIZON"),
        )  # fmt: skip
        arn = system.stage.arn("Feed")
        with pytest.raises(ClientError, match="KinesisParameters"):
            system.create(AT, arn)
        system.create(AT, arn, Input='{"n": 1}', KinesisParameters={"PartitionKey": "k"})
        system.settle()

        record = system.events()[0]["Records"][0]["kinesis"]
        assert (record["partitionKey"], base64.b64decode(record["data"])) == ("k", b'{"n": 1}')

    def test_a_state_machine_ends_in_a_warning(self, jobs):
        """§6.6: what the local stage does not have is said, once, and the schedule goes on."""
        jobs.create("rate(1 hour)", "arn:aws:states:us-east-1:123456789012:stateMachine:Big", Input="{}")
        jobs.advance(3 * HOUR_S)

        (warning,) = jobs.records("warning")
        assert "does not invoke states targets" in warning.detail["message"]
        assert len(jobs.records("event")) == 4

    def test_a_service_without_a_template_is_refused(self, jobs):
        """§6.6: templated targets are few."""
        with pytest.raises(ClientError, match="no templated target"):
            jobs.create(AT, "arn:aws:dynamodb:us-east-1:123456789012:table/T")


class TestInput:
    @pytest.mark.rule("6.6/default-input")
    def test_without_one_the_target_gets_a_notification(self, system):
        """§6.6: an event of aws.scheduler that names the schedule."""
        system.up(Worker=system.function(), Daily=system.schedule("cron(0 1 * * ? *)"))
        system.advance(HOUR_S)

        (event,) = system.events()
        assert event.pop("id")
        assert event == {
            "version": "0",
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": "123456789012",
            "time": "2026-01-01T01:00:00Z",
            "region": "us-east-1",
            "resources": [system.stage.arn("Daily")],
            "detail": "{}",
        }

    @pytest.mark.rule("6.6/input-limits")
    def test_limits(self, jobs):
        """§6.6: 256 KB; JSON where the target needs it."""
        jobs.create(AT, Input="x" * 262_144)
        with pytest.raises(ClientError, match="262144"):
            jobs.create(AT, name="large", Input="x" * 262_145)
        with pytest.raises(ClientError, match="UTF-8"):
            jobs.create(AT, name="half", Input="\ud800")
        with pytest.raises(ClientError, match="must be JSON"):
            jobs.create(AT, "arn:aws:lambda:us-east-1:123456789012:function:f", name="text", Input="{nope")

    @pytest.mark.rule("6.6/context-attributes")
    def test_the_context_of_the_schedule(self, jobs):
        """§6.6: ARN, scheduled time, an id for each attempt, and its number."""
        keywords = ("schedule-arn", "scheduled-time", "execution-id", "attempt-number")
        arn = jobs.create("rate(1 hour)", Input=" ".join(f"<aws.scheduler.{word}>" for word in keywords))["ScheduleArn"]
        jobs.advance(HOUR_S)

        first, second = (text.split() for text in jobs.texts())
        assert [first[0], first[1], first[3]] == [arn, "2026-01-01T00:00:00Z", "1"]
        assert [second[0], second[1], second[3]] == [arn, "2026-01-01T01:00:00Z", "1"]
        assert len(first[2]) == 16
        assert first[2] != second[2]


class TestUniversalTargets:
    @pytest.mark.rule("6.6/universal")
    def test_an_action_of_a_service_that_is_ours(self, jobs):
        """§6.6: sqs:sendMessage, as in AWS's guide."""
        jobs.universal(
            AT, "sqs:sendMessage",
            {"MessageBody": "<aws.scheduler.scheduled-time>", "QueueUrl": jobs.stage.ref("Jobs")},
        )  # fmt: skip
        jobs.settle()

        assert ["2026-01-01T01:00:00Z"] == jobs.texts()

    @pytest.mark.rule("6.6/universal")
    def test_an_action_of_a_service_that_moto_keeps(self, system):
        """§6.6: dynamodb:putItem."""
        system.up(
            Table=system.resource(
                "DynamoDB::Table",
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        )
        system.universal(AT, "dynamodb:putItem", {"TableName": system.stage.ref("Table"), "Item": {"id": {"S": "1"}}})
        system.settle()

        assert [{"id": {"S": "1"}}] == system.client("dynamodb").scan(TableName=system.stage.ref("Table"))["Items"]

    @pytest.mark.rule("6.6/universal")
    def test_names_begin_with_a_capital_whatever_the_api_says(self, system):
        """§6.6: logs:createLogGroup takes `logGroupName`, a schedule says `LogGroupName`."""
        system.up(Jobs=system.queue())
        system.universal(AT, "cloudwatchlogs:createLogGroup", {"LogGroupName": "made"})
        system.settle()

        assert ["made"] == [one["logGroupName"] for one in system.client("logs").describe_log_groups()["logGroups"]]

    @pytest.mark.rule("6.6/universal")
    def test_a_function_that_is_waited_for(self, system):
        """§6.6: lambda:invoke is synchronous unless it says otherwise; a function error is an answer all the same."""
        system.up(Worker=system.function(system.FAILS), Dead=system.queue())
        parameters = {"FunctionName": system.stage.ref("Worker"), "Payload": '{"n": 1}'}
        system.universal(AT, "lambda:invoke", parameters, DeadLetterConfig={"Arn": system.stage.arn("Dead")})
        system.settle()

        assert [HOUR_S] == system.attempts()
        assert [{"n": 1}] == system.events()
        assert [] == system.messages()

    @pytest.mark.rule("6.6/universal-read-only")
    @pytest.mark.parametrize(
        "action", ["sqs:getQueueUrl", "mq:listBrokers", "sqs:receiveMessage", "dynamodb:batchGetItem"]
    )
    def test_read_only_actions_are_refused(self, jobs, action):
        """§6.6: AWS has a list of beginnings."""
        with pytest.raises(ClientError, match="read-only"):
            jobs.universal(AT, action, {})

    @pytest.mark.rule("6.6/universal")
    @pytest.mark.parametrize(
        ("action", "text"), [("sqs:sendMesage", "{}"), ("nope:do", "{}"), ("sqs:sendMessage", "[1]")]
    )
    def test_what_is_no_call_is_refused(self, jobs, action, text):
        """§6.6: an unknown action, or an Input that is no object; the words are ours."""
        with pytest.raises(ClientError, match="ValidationException"):
            jobs.universal(AT, action, text)

    @pytest.mark.rule("6.6/not-retryable")
    @pytest.mark.parametrize(
        ("action", "parameters"),
        [
            ("sqs:sendMessage", {"MessageBody": "x"}),
            (
                "sqs:sendMessage",
                {"MessageBody": "x", "QueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/gone"},
            ),
            ("dynamodb:putItem", {"TableName": "gone", "Item": {}}),
            ("sns:publish", {"TopicArn": "arn:aws:sns:us-east-1:123456789012:gone", "Message": "x"}),
        ],
    )
    def test_what_the_service_refuses_is_dead_at_once(self, jobs, action, parameters):
        """§6.6: the refusal's code and words, and the Input as it was sent."""
        jobs.universal(AT, action, parameters, DeadLetterConfig={"Arn": jobs.stage.arn("Dead")})
        jobs.settle()

        assert jobs.elapsed() == HOUR_S
        (message,) = jobs.messages()
        assert parameters == json.loads(message["Body"])
        assert facts(message)["RETRY_ATTEMPTS"] == "0"
        assert "EXHAUSTED_RETRY_CONDITION" not in facts(message)


@pytest.fixture
def throttled(system):
    """A function that no invocation is let through to, and a queue for dead letters."""
    system.up(Worker=system.function(ReservedConcurrentExecutions=0), Dead=system.queue())

    def create(**settings):
        parameters = {"FunctionName": system.stage.ref("Worker"), "Payload": "<aws.scheduler.attempt-number>"}
        return system.universal(
            AT, "lambda:invoke", parameters, DeadLetterConfig={"Arn": system.stage.arn("Dead")}, **settings
        )

    system.create_throttled = create
    return system


class TestRetries:
    @pytest.mark.rule("6.6/dlq-attributes")
    @pytest.mark.rule("6.6/dlq-exhausted")
    @pytest.mark.rule("6.6/dlq-body")
    @pytest.mark.rule("6.6/retry-ladder")
    def test_a_fault_of_the_other_side_is_tried_again(self, throttled):
        """§6.6: as often as the policy says, each time later; then the dead letter tells it all."""
        arn = throttled.create_throttled(RetryPolicy={"MaximumRetryAttempts": 2})["ScheduleArn"]
        throttled.settle()

        deliveries = throttled.records("delivery")
        assert [HOUR_S, HOUR_S + 1, HOUR_S + 3] == [round(one.at - throttled.began) for one in deliveries]
        (message,) = throttled.messages()
        assert json.loads(message["Body"]) == {"FunctionName": throttled.stage.ref("Worker"), "Payload": "3"}
        said = facts(message)
        assert len(said.pop("EXECUTION_ID")) == 16
        assert "Rate Exceeded" in said.pop("ERROR_MESSAGE")
        assert said == {
            "ERROR_CODE": "TooManyRequestsException",
            "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
            "IS_PAYLOAD_TRUNCATED": "false",
            "RETRY_ATTEMPTS": "2",
            "SCHEDULED_TIME": "2026-01-01T01:00:00Z",
            "SCHEDULE_ARN": arn,
            "TARGET_ARN": "arn:aws:scheduler:::aws-sdk:lambda:invoke",
        }

    @pytest.mark.rule("6.6/retry-policy")
    def test_its_age_may_end_it(self, throttled):
        """§6.6: MaximumEventAgeInSeconds."""
        throttled.create_throttled(RetryPolicy={"MaximumEventAgeInSeconds": 60})
        throttled.settle()

        (message,) = throttled.messages()
        assert facts(message)["EXHAUSTED_RETRY_CONDITION"] == "MaximumEventAgeInSeconds"
        assert HOUR_S < throttled.elapsed() <= HOUR_S + 60

    @pytest.mark.rule("6.6/retry-defaults")
    def test_the_default_is_a_day(self, throttled):
        """§6.6: 185 retries within 24 hours."""
        throttled.create_throttled()
        policy = throttled.client("scheduler").get_schedule(Name="it")["Target"]["RetryPolicy"]
        assert policy == {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}
        throttled.settle()

        assert 180 < len(throttled.records("delivery")) <= backoff.EVENTBRIDGE_ATTEMPTS_MAX + 1
        assert 0.9 * 86_400 < throttled.elapsed() - HOUR_S <= 86_400

    @pytest.mark.rule("6.6/retry-ladder")
    def test_the_next_attempt_may_work(self, throttled):
        """§6.6: then nothing is dead."""
        throttled.create_throttled()
        throttled.advance(HOUR_S + 2)
        name = throttled.stage.ref("Worker")
        throttled.client("lambda").put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
        throttled.settle()

        assert [3] == throttled.events()
        assert [] == throttled.messages()

    @pytest.mark.rule("6.6/retry-policy")
    @pytest.mark.rule("6.6/constraints")
    @pytest.mark.parametrize(
        ("policy", "said"),
        [
            (
                {"MaximumRetryAttempts": 186},
                "'target.retryPolicy.maximumRetryAttempts' failed .* less than or equal to 185",
            ),
            ({"MaximumEventAgeInSeconds": 86_401}, "maximumEventAgeInSeconds' failed .* less than or equal to 86400"),
        ],
    )
    def test_the_bounds_of_a_policy(self, jobs, policy, said):
        """§6.6: 0 to 185 retries, 60 to 86,400 s."""
        jobs.create(AT, name="most", RetryPolicy={"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86_400})
        jobs.create(AT, name="least", RetryPolicy={"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60})
        with pytest.raises(ClientError, match=said):
            jobs.create(AT, RetryPolicy=policy)

    @pytest.mark.rule("6.6/retry-policy")
    def test_none_at_all(self, throttled):
        """§6.6: with 0 retries the first failure is the last."""
        throttled.create_throttled(RetryPolicy={"MaximumRetryAttempts": 0})
        throttled.settle()

        (message,) = throttled.messages()
        assert facts(message)["RETRY_ATTEMPTS"] == "0"
        assert facts(message)["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts"


class TestDeadLetters:
    @pytest.mark.rule("6.6/dlq-body")
    @pytest.mark.rule("6.6/not-retryable")
    def test_of_a_templated_target(self, jobs):
        """§6.6: what the target's API would have got."""
        jobs.create(AT, GONE, Input="hello", DeadLetterConfig={"Arn": jobs.stage.arn("Dead")})
        jobs.settle()

        (message,) = jobs.messages()
        assert json.loads(message["Body"]) == {
            "MessageBody": "hello",
            "QueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/gone",
        }
        assert facts(message)["TARGET_ARN"] == GONE

    @pytest.mark.rule("6.6/dlq-standard")
    def test_a_fifo_queue_is_refused(self, jobs):
        """§6.6: by the pattern of the API."""
        with pytest.raises(ClientError, match=r"target\.deadLetterConfig\.arn"):
            jobs.create(AT, DeadLetterConfig={"Arn": "arn:aws:sqs:us-east-1:123456789012:dead.fifo"})

    def test_without_a_queue_it_is_lost(self, jobs):
        """§6.6: and the journal says so."""
        jobs.create(AT, GONE)
        jobs.settle()

        assert "has no dead-letter queue" in jobs.dropped()[0]


class TestGroups:
    @pytest.mark.rule("6.6/groups")
    @pytest.mark.rule("6.6/conflict")
    def test_names_are_those_of_a_group(self, jobs):
        """§6.6: the same name in two groups is two schedules; twice in one is a conflict."""
        scheduler = jobs.client("scheduler")
        scheduler.create_schedule_group(Name="shop")
        jobs.create(AT)
        jobs.create(AT, more={"GroupName": "shop"})
        with pytest.raises(scheduler.exceptions.ConflictException):
            jobs.create(AT)
        with pytest.raises(scheduler.exceptions.ConflictException):
            scheduler.create_schedule_group(Name="shop")
        with pytest.raises(scheduler.exceptions.ResourceNotFoundException, match="Schedule group none does not exist"):
            jobs.create(AT, more={"GroupName": "none"})
        with pytest.raises(scheduler.exceptions.ResourceNotFoundException):
            scheduler.get_schedule(Name="other")
        jobs.settle()

        assert [HOUR_S, HOUR_S] == jobs.arrivals()
        assert ["it"] == [one["Name"] for one in scheduler.list_schedules(GroupName="shop")["Schedules"]]

    @pytest.mark.rule("6.6/group-deletion")
    def test_a_group_goes_with_its_schedules(self, jobs):
        """§6.6: and `default` does not go."""
        scheduler = jobs.client("scheduler")
        scheduler.create_schedule_group(Name="shop")
        jobs.create(AT, more={"GroupName": "shop"})
        scheduler.delete_schedule_group(Name="shop")
        jobs.settle()

        assert [] == jobs.arrivals()
        with pytest.raises(scheduler.exceptions.ValidationException):
            scheduler.delete_schedule_group(Name="default")
        with pytest.raises(scheduler.exceptions.ResourceNotFoundException):
            scheduler.delete_schedule_group(Name="shop")

    @pytest.mark.rule("6.6/constraints")
    def test_a_name_must_fit(self, jobs):
        """§6.6: letters, digits, `-`, `_` and `.`, 64 at most."""
        with pytest.raises(
            ClientError, match=r"2 validation errors detected: .*'name' failed .*: Member must have length"
        ):
            jobs.create(AT, name="no blanks " * 10)
