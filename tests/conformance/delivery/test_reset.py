"""A reset brings back what the template deployed, whatever a test did, and cheaply."""

from __future__ import annotations

from time import process_time

import pytest

KEY = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
}


@pytest.fixture
def shop(system):
    """Fifteen resources of many services, roles among them."""
    managed = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    system.up(
        **{
            f"Role{n}": system.resource("IAM::Role", AssumeRolePolicyDocument={}, ManagedPolicyArns=[managed])
            for n in (1, 2, 3)
        },
        Parameter=system.resource("SSM::Parameter", Name="/shop/color", Type="String", Value="blue"),
        Secret=system.resource("SecretsManager::Secret", SecretString="hush"),
        Bucket=system.resource("S3::Bucket"),
        Table=system.resource("DynamoDB::Table", StreamSpecification={"StreamViewType": "NEW_IMAGE"}, **KEY),
        Feed=system.resource("Kinesis::Stream", ShardCount=1),
        Topic=system.topic(),
        Inbox=system.queue(),
        Jobs=system.queue(),
        Worker=system.function(),
        Map=system.mapping("Jobs"),
        Rule=system.resource(
            "Events::Rule",
            EventPattern={"source": ["shop"]},
            Targets=[{"Id": "inbox", "Arn": system.att("Inbox")}],
        ),
        Sub=system.resource(
            "SNS::Subscription", TopicArn=system.ref("Topic"), Protocol="sqs", Endpoint=system.att("Inbox")
        ),
    )
    return system


class TestState:
    """What is kept by moto, and what by us."""

    def test_parameters(self, shop):
        """SSM: changed, deleted and new parameters."""
        ssm = shop.client("ssm")
        for _ in range(2):
            ssm.put_parameter(Name="/shop/color", Value="red", Overwrite=True)
            ssm.put_parameter(Name="/shop/new", Value="x", Type="String")
            shop.stage.reset()

            assert ssm.get_parameter(Name="/shop/color")["Parameter"]["Value"] == "blue"
            assert [p["Name"] for p in ssm.describe_parameters()["Parameters"]] == ["/shop/color"]
            ssm.delete_parameter(Name="/shop/color")
            shop.stage.reset()
            assert ssm.get_parameter(Name="/shop/color")["Parameter"]["Value"] == "blue"

    def test_a_service_that_the_template_does_not_use(self, system):
        """SSM is loaded by the test itself: what it puts there is gone."""
        system.up(Topic=system.topic())
        system.client("ssm").put_parameter(Name="/new", Value="x", Type="String")
        system.stage.reset()

        assert system.client("ssm").describe_parameters()["Parameters"] == []

    def test_objects(self, shop):
        """S3: objects and buckets; dropping them raises no warning."""
        s3, name = shop.client("s3"), shop.stage.ref("Bucket")
        s3.put_object(Bucket=name, Key="k", Body=b"x" * 100)
        s3.create_bucket(Bucket="another")
        shop.stage.reset()

        assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == [name]
        assert "Contents" not in s3.list_objects_v2(Bucket=name)
        s3.create_bucket(Bucket="another")

    def test_secrets(self, shop):
        """Secrets Manager: values and versions."""
        client, arn = shop.client("secretsmanager"), shop.stage.ref("Secret")
        client.put_secret_value(SecretId=arn, SecretString="loud")
        shop.stage.reset()

        assert client.get_secret_value(SecretId=arn)["SecretString"] == "hush"

    def test_tables_and_their_streams(self, shop):
        """DynamoDB: items, and records that nobody read."""
        client, name = shop.client("dynamodb"), shop.stage.ref("Table")
        client.put_item(TableName=name, Item={"id": {"S": "a"}})
        shop.stage.reset()

        assert client.scan(TableName=name)["Items"] == []
        assert shop.stage.world.streams.shards(shop.stage.deployed.get_att("Table", "StreamArn")) == []

    def test_streams(self, shop):
        """Kinesis: records and sequence numbers."""
        first = shop.put(1)
        shop.stage.reset()

        assert shop.put(1) == first
        assert len(shop.records("event", "Feed")) == 1

    def test_subscriptions_rules_and_targets(self, shop):
        """SNS and EventBridge: what a test removed is back, what it made is gone."""
        sns, events = shop.client("sns"), shop.client("events")
        sns.unsubscribe(SubscriptionArn=shop.stage.ref("Sub"))
        sns.subscribe(TopicArn=shop.stage.ref("Topic"), Protocol="sqs", Endpoint=shop.stage.arn("Jobs"))
        events.remove_targets(Rule=shop.stage.ref("Rule"), Ids=["inbox"])
        events.put_rule(Name="another", EventPattern='{"source": ["shop"]}')
        shop.stage.reset()

        sns.publish(TopicArn=shop.stage.ref("Topic"), Message="m")
        events.put_events(Entries=[{"Source": "shop", "DetailType": "d", "Detail": "{}"}])
        shop.settle()
        assert len(shop.messages("Inbox")) == 2
        assert shop.attempts() == []
        assert [rule["Name"] for rule in events.list_rules()["Rules"]] == [shop.stage.ref("Rule")]

    def test_queues_and_functions(self, shop):
        """SQS and Lambda: messages, settings, code, warm environments."""
        shop.client("sqs").set_queue_attributes(QueueUrl=shop.stage.ref("Inbox"), Attributes={"VisibilityTimeout": "7"})
        shop.send("m", queue="Inbox")
        shop.update_code(shop.FAILS)
        shop.client("lambda").put_function_concurrency(
            FunctionName=shop.stage.ref("Worker"), ReservedConcurrentExecutions=0
        )
        shop.stage.reset()

        attributes = shop.client("sqs").get_queue_attributes(QueueUrl=shop.stage.ref("Inbox"), AttributeNames=["All"])
        assert attributes["Attributes"]["VisibilityTimeout"] == "30"
        assert shop.depth("Inbox") == (0, 0, 0)
        shop.send("m")
        shop.settle()
        assert [record.detail["cold"] for record in shop.invocations()] == [True]
        assert "error_type" not in shop.records("outcome")[0].detail

    def test_deleted_resources(self, shop):
        """A queue, a table and a topic that a test deleted are there again, and deliver."""
        shop.client("sqs").delete_queue(QueueUrl=shop.stage.ref("Jobs"))
        shop.client("dynamodb").delete_table(TableName=shop.stage.ref("Table"))
        shop.client("sns").delete_topic(TopicArn=shop.stage.ref("Topic"))
        shop.stage.reset()

        shop.send("m")
        shop.client("sns").publish(TopicArn=shop.stage.ref("Topic"), Message="m")
        shop.settle()
        assert shop.batches() == [["m"]]
        assert len(shop.messages("Inbox")) == 1

    def test_work_under_way(self, shop):
        """Retries that were planned never happen, and time begins anew."""
        shop.update_code(shop.FAILS)
        shop.invoke_later()
        shop.advance(30)
        shop.stage.reset()
        shop.advance(1000)

        assert shop.attempts() == []


class TestCost:
    """§10 of the design: a reset costs 5 ms at most."""

    def test_a_reset_of_fifteen_resources(self, shop):
        """The processor's time, which is real; with roles and managed policies in the template; the best of five."""
        shop.stage.reset()
        costs = []
        for _ in range(5):
            began = process_time()
            shop.stage.reset()
            costs.append(process_time() - began)

        assert min(costs) < 0.005
