"""Resource types that mostly CDK writes: global tables, policies of buckets, its custom resources."""

from __future__ import annotations

import json

import pytest

import stagefright
from stagefright.errors import TemplateError

KEYS = {
    "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "author")],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
}
BY_AUTHOR = {
    "IndexName": "by-author",
    "KeySchema": [{"AttributeName": "author", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "ALL"},
}


@pytest.fixture
def stand(tmp_path):
    """Stand up a template of these resources."""
    stages = []

    def stand(**resources):
        (tmp_path / "template.json").write_text(json.dumps({"Resources": resources}))
        stages.append(stagefright.open_stage("cdk", directory=tmp_path))
        return stages[-1]

    yield stand
    for stage in stages:
        stage.close()


class TestGlobalTables:
    """`AWS::DynamoDB::GlobalTable` is what `TableV2` is."""

    def test_it_is_a_table_with_a_stream_and_a_lifetime(self, stand):
        """On demand, as CDK writes it unless told."""
        properties = {
            **KEYS,
            "BillingMode": "PAY_PER_REQUEST",
            "GlobalSecondaryIndexes": [BY_AUTHOR],
            "Replicas": [
                {"Region": "us-east-1", "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}
            ],
            "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
            "TimeToLiveSpecification": {"AttributeName": "ttl", "Enabled": True},
        }
        stage = stand(Posts={"Type": "AWS::DynamoDB::GlobalTable", "Properties": properties})
        client = stage.client("dynamodb")

        client.put_item(TableName=stage.ref("Posts"), Item={"pk": {"S": "p-1"}, "author": {"S": "amy"}})

        table = client.describe_table(TableName=stage.ref("Posts"))["Table"]
        assert table["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
        assert [index["IndexName"] for index in table["GlobalSecondaryIndexes"]] == ["by-author"]
        lifetime = client.describe_time_to_live(TableName=stage.ref("Posts"))["TimeToLiveDescription"]
        assert lifetime["AttributeName"] == "ttl"
        assert stage.has_stream("Posts")

    def test_its_capacity_is_that_of_the_replica_here(self, stand):
        """Writes are the table's, reads the replica's; autoscaling begins with its minimum."""
        scaled = {"MinCapacity": 3, "MaxCapacity": 9, "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 70}}
        write = {"WriteProvisionedThroughputSettings": {"WriteCapacityAutoScalingSettings": scaled}}
        replicas = [
            {
                "Region": region,
                "ReadProvisionedThroughputSettings": {"ReadCapacityUnits": units},
                "GlobalSecondaryIndexes": [
                    {"IndexName": "by-author", "ReadProvisionedThroughputSettings": {"ReadCapacityUnits": units + 1}}
                ],
            }
            for region, units in (("eu-west-1", 50), ("us-east-1", 10))
        ]
        properties = {
            **KEYS,
            **write,
            "BillingMode": "PROVISIONED",
            "GlobalSecondaryIndexes": [{**BY_AUTHOR, **write}],
            "Replicas": replicas,
        }
        stage = stand(Posts={"Type": "AWS::DynamoDB::GlobalTable", "Properties": properties})

        table = stage.client("dynamodb").describe_table(TableName=stage.ref("Posts"))["Table"]

        capacity = [one["ProvisionedThroughput"] for one in (table, *table["GlobalSecondaryIndexes"])]
        assert [(one["ReadCapacityUnits"], one["WriteCapacityUnits"]) for one in capacity] == [(10, 3), (11, 3)]


class TestPoliciesOfBuckets:
    def test_nobody_is_refused(self, stand):
        """Access is not judged on a local stage; moto would, and take the condition of `enforceSSL` for none."""
        statement = {
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": "s3:*",
            "Resource": [{"Fn::Sub": "${Uploads.Arn}/*"}],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        policy = {"Bucket": {"Ref": "Uploads"}, "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
        stage = stand(
            Uploads={"Type": "AWS::S3::Bucket"}, UploadsPolicy={"Type": "AWS::S3::BucketPolicy", "Properties": policy}
        )

        stage.client("s3").put_object(Bucket=stage.ref("Uploads"), Key="cat.jpg", Body=b"cat")

        assert stage.client("s3").get_object(Bucket=stage.ref("Uploads"), Key="cat.jpg")["Body"].read() == b"cat"

    def test_it_needs_a_document(self, stand):
        """As on AWS."""
        with pytest.raises(TemplateError, match=r"\[P\]: AWS::S3::BucketPolicy needs the property 'PolicyDocument'"):
            stand(P={"Type": "AWS::S3::BucketPolicy", "Properties": {"Bucket": "b"}})


class TestCustomResources:
    def test_the_inventory_of_cdk_is_passed_over(self, stand):
        """`AWS::CDK::Metadata` is neither a resource of the stage nor worth a word."""
        metadata = {"Type": "AWS::CDK::Metadata", "Properties": {"Analytics": "v2:deflate64:H4s"}}

        assert {*stand(CDKMetadata=metadata, Jobs={"Type": "AWS::SQS::Queue"}).resources} == {"Jobs"}

    def test_log_retention_of_a_group_that_is_there(self, stand):
        """It only sets it."""
        group = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/aws/lambda/f"}}
        retention = {"LogGroupName": {"Ref": "Lines"}, "RetentionInDays": "3"}
        stage = stand(Lines=group, Retention={"Type": "Custom::LogRetention", "Properties": retention})

        (found,) = stage.client("logs").describe_log_groups()["logGroups"]

        assert found["retentionInDays"] == 3

    def test_one_that_calls_a_function_of_its_own_is_a_placeholder(self, stand):
        """With a word; what asks for its attributes gets text."""
        call = {"Type": "Custom::AWS", "Properties": {"ServiceToken": "arn:aws:lambda:us-east-1:1:function:f"}}
        value = {"Type": "String", "Value": {"Fn::GetAtt": ["Call", "Parameter.Value"]}}

        with pytest.warns(UserWarning, match=r"Call is of type Custom::AWS.*placeholder"):
            stage = stand(Call=call, Held={"Type": "AWS::SSM::Parameter", "Properties": value})

        held = stage.client("ssm").get_parameter(Name=stage.ref("Held"))["Parameter"]["Value"]
        assert held.endswith(".Parameter.Value")
