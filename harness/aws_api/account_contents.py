"""What moto keeps in a world's account, as far as the world itself asks for it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from stagefright.aws_api.errors import ApiError

if TYPE_CHECKING:
    from stagefright.world import World


class AccountContents:
    """The streams, parameters and objects of one world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def has_stream(self, arn: str) -> bool:
        """Whether there is a Kinesis stream, or a table's stream, of this ARN."""
        # A table stream's label is an instant, so the last part of its ARN has colons of its own.
        _, _, service, _, _, resource = arn.split(":", 5)
        return (
            self._has_kinesis_stream(arn, resource) if service == "kinesis" else self._has_table_stream(arn, resource)
        )

    def _has_kinesis_stream(self, arn: str, resource: str) -> bool:
        from moto.kinesis.models import kinesis_backends

        stream = kinesis_backends[self._world.account][self._world.region].streams.get(resource.split("/")[1])
        consumers = [] if stream is None else [consumer.consumer_arn for consumer in stream.consumers]
        return stream is not None and ("/consumer/" not in resource or arn in consumers)

    def _has_table_stream(self, arn: str, resource: str) -> bool:
        from moto.dynamodb.models import dynamodb_backends

        table = dynamodb_backends[self._world.account][self._world.region].tables.get(resource.split("/")[1])
        return table is not None and table.latest_stream_label == arn.rpartition("/")[2]

    def is_streaming(self, table: str) -> bool:
        """Whether the table of this name has a stream just now; asking leaves no trace in the journal."""
        from moto.dynamodb.models import dynamodb_backends

        found = dynamodb_backends[self._world.account][self._world.region].tables.get(table)
        return found is not None and bool((found.stream_specification or {}).get("StreamEnabled"))

    def has_parameter(self, name: str) -> bool:
        """Whether an SSM parameter exists; the emulated SSM is slow to load, so it is not asked before somebody used it."""
        if "moto.ssm.models" not in sys.modules:
            return False
        from moto.ssm.models import ssm_backends

        return name in dict.keys(ssm_backends[self._world.account][self._world.region]._parameters)

    def read_object(self, bucket: str, key: str, version: str | None) -> bytes:
        """The bytes of an object; what S3 refuses is an `ApiError`."""
        from botocore.exceptions import ClientError

        where = {"Bucket": bucket, "Key": key} | ({"VersionId": version} if version else {})
        try:
            return bytes(self._world.internal_client("s3").get_object(**where)["Body"].read())
        except ClientError as refusal:
            raise _as_api_error(refusal) from refusal

    def write_object(self, bucket: str, key: str, body: bytes) -> None:
        """Write an object; what S3 refuses is an `ApiError`."""
        from botocore.exceptions import ClientError

        try:
            self._world.internal_client("s3").put_object(Bucket=bucket, Key=key, Body=body)
        except ClientError as refusal:
            raise _as_api_error(refusal) from refusal


def _as_api_error(refusal: Exception) -> ApiError:
    error = refusal.response["Error"]  # type: ignore[attr-defined]
    return ApiError(error["Code"], error["Message"])
