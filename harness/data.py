"""
Test data: puts items, objects, parameters, secrets and messages into a stage, and takes them away again.

What was there before is remembered and comes back; what was not there is deleted; the last first.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import partial
from types import TracebackType
from typing import Any, Protocol, Self

from stagefright.errors import StagefrightError, UsageError
from stagefright.naming import name_of
from stagefright.wording import plural, shorten


class Resource(Protocol):
    """A deployed resource, as far as test data is concerned."""

    @property
    def physical_id(self) -> str:
        """The name that AWS knows it by."""
        ...

    @property
    def type(self) -> str:
        """Its type, such as `AWS::S3::Bucket`."""
        ...


class Store(Protocol):
    """A stage, as far as test data is concerned."""

    @property
    def resources(self) -> Mapping[str, Resource]:
        """Its resources, by logical id."""
        ...

    @property
    def is_here(self) -> bool:
        """Whether it can be reached; false once it was closed or left."""
        ...

    def ref(self, logical_id: str) -> str:
        """The physical id of a resource."""
        ...

    def client(self, service: str) -> Any:
        """A boto3 client."""
        ...


class Data:
    """
    Test data of one test; as a context manager it takes everything away at the end.

        data.item("FollowersTable", {"user": "amy", "follower": "bob"})
        data.object("Uploads", "cat.jpg", b"...")
    """

    def __init__(self, stage: Store) -> None:
        self._stage = stage
        self._undo: list[tuple[str, Callable[[], Any]]] = []
        self._keys: dict[str, dict[str, str]] = {}

    def item(self, table: str, item: Mapping[str, Any]) -> None:
        """
        Put an item into a table; values are plain Python: text, numbers, bytes, booleans, None, lists, sets, dicts.

        An item without the whole of the table's key, or with a key of another type, is a `UsageError`.
        """
        name, dynamodb = self._stage.ref(table), self._stage.client("dynamodb")
        stored = {key: _serialized(table, key, value) for key, value in item.items()}
        schema = self._key_of(name)
        _check_key(table, schema, item, stored)
        key = {attribute: stored[attribute] for attribute in schema}
        before = dynamodb.get_item(TableName=name, Key=key, ConsistentRead=True).get("Item")
        dynamodb.put_item(TableName=name, Item=stored)
        if before is None:
            self._later(f"item {dict(item)} of {table}", lambda: dynamodb.delete_item(TableName=name, Key=key))
        else:
            self._later(f"item {dict(item)} of {table}", lambda: dynamodb.put_item(TableName=name, Item=before))

    def items(self, table: str, items: Iterable[Mapping[str, Any]]) -> None:
        """Put several items into a table."""
        for item in items:
            self.item(table, item)

    def object(self, bucket: str, key: str, body: bytes | str | Mapping[str, Any] | list[Any]) -> None:
        """Put an object into a bucket; a dict or a list is written as JSON."""
        name, s3 = self._stage.ref(bucket), self._stage.client("s3")
        resource = self._stage.resources.get(name_of(self._stage, bucket))
        if resource is not None and (kind := resource.type) != "AWS::S3::Bucket":
            raise UsageError(f"{bucket} is an {kind}, and an object is put into an AWS::S3::Bucket.")
        before = _found(lambda: s3.get_object(Bucket=name, Key=key), s3.exceptions.NoSuchKey)
        s3.put_object(Bucket=name, Key=key, Body=body if isinstance(body, bytes) else _as_text(body).encode())
        if before is None:
            self._later(f"object {key} of {bucket}", lambda: s3.delete_object(Bucket=name, Key=key))
        else:
            old = before["Body"].read()
            self._later(f"object {key} of {bucket}", lambda: s3.put_object(Bucket=name, Key=key, Body=old))

    def parameter(self, name: str, value: str | float, *, secure: bool = False) -> None:
        """
        Set an SSM parameter, by its name or the logical id of a parameter in the template; a number is written as text.

        A new name that looks like a misspelt logical id is a `UsageError`.
        """
        if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
            raise UsageError(
                f"The parameter {name} is text, not {value!r}. Write it as your code reads it: json.dumps(...)?"
            )
        ssm, asked = self._stage.client("ssm"), name
        name = self._physical(name)
        before = _found(
            lambda: ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"], ssm.exceptions.ParameterNotFound
        )
        if before is None:
            self._refuse_slip(asked, "parameter")
        ssm.put_parameter(Name=name, Value=str(value), Type="SecureString" if secure else "String", Overwrite=True)
        if before is None:
            missing = ssm.exceptions.ParameterNotFound
            self._later(f"parameter {name}", lambda: _found(lambda: ssm.delete_parameter(Name=name), missing))
        else:
            old = {"Name": name, "Value": before["Value"], "Type": before["Type"]}
            self._later(f"parameter {name}", lambda: ssm.put_parameter(**old, Overwrite=True))

    def secret(self, secret: str, value: str | Mapping[str, Any]) -> None:
        """
        Set a secret, by its name or the logical id of a secret in the template; a dict is written as JSON.

        A new name that looks like a misspelt logical id is a `UsageError`.
        """
        secrets = self._stage.client("secretsmanager")
        name, text = self._physical(secret), _as_text(value)
        missing = secrets.exceptions.ResourceNotFoundException
        if _found(lambda: secrets.describe_secret(SecretId=name), missing) is None:
            self._refuse_slip(secret, "secret")
            secrets.create_secret(Name=name, SecretString=text)
            undo = partial(secrets.delete_secret, SecretId=name, ForceDeleteWithoutRecovery=True)
            self._later(f"secret {secret}", lambda: _found(undo, missing))
            return
        before = _found(lambda: secrets.get_secret_value(SecretId=name), missing)
        secrets.put_secret_value(SecretId=name, SecretString=text)
        if before is not None:
            old = {part: before[part] for part in ("SecretString", "SecretBinary") if part in before}
            self._later(f"secret {secret}", lambda: secrets.put_secret_value(SecretId=name, **old))

    def message(
        self,
        queue: str,
        body: str | Mapping[str, Any] | list[Any],
        *,
        attributes: Mapping[str, str | int | float | bytes] | None = None,
        group_id: str | None = None,
        dedup_id: str | None = None,
        delay_s: int | None = None,
    ) -> str:
        """
        Send a message to a queue, and return its id; a dict or a list is written as JSON.

        A message is an event and not state: it is for the system to consume, and is not taken back.
        """
        given = {"MessageGroupId": group_id, "MessageDeduplicationId": dedup_id, "DelaySeconds": delay_s}
        wrapped = {name: _attribute(value) for name, value in (attributes or {}).items()}
        answer = self._stage.client("sqs").send_message(
            QueueUrl=self._stage.ref(queue),
            MessageBody=_as_text(body),
            MessageAttributes=wrapped,
            **{name: value for name, value in given.items() if value is not None},
        )
        return str(answer["MessageId"])

    def clean_up(self) -> None:
        """
        Take everything away, the last first.

        Each piece is tried; those that fail are reported together. A stage that was closed or left took its data along.
        """
        if not self._stage.is_here:
            self._undo.clear()
        count, troubles = len(self._undo), []
        while self._undo:
            what, undo = self._undo.pop()
            try:
                undo()
            except Exception as trouble:  # noqa: BLE001 (the others must be taken away all the same)
                troubles.append((what, trouble))
        if troubles:
            lines = [f"  {what}: {type(trouble).__name__}: {trouble}" for what, trouble in troubles]
            head = f"{len(troubles)} of {plural(count, 'piece')} of test data could not be taken away:"
            raise StagefrightError("\n".join([head, *lines])) from troubles[0][1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.clean_up()
        except StagefrightError as trouble:
            if error is None:
                raise
            # The test's own failure is the news; what could not be cleaned up is a note to it.
            error.add_note(str(trouble))

    def _later(self, what: str, undo: Callable[[], Any]) -> None:
        self._undo.append((what, undo))

    def _physical(self, name: str) -> str:
        meant = name_of(self._stage, name)
        return self._stage.ref(meant) if meant in self._stage.resources else name

    def _refuse_slip(self, name: str, kind: str) -> None:
        """A name that is new, without a path, and close to a logical id is hardly meant as a name of its own."""
        known = self._stage.resources
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
        if close and "/" not in name and name not in known:
            raise UsageError(f"There is no {kind} {name!r}. Did you mean {close[0]}?")

    def _key_of(self, table: str) -> dict[str, str]:
        """The attributes of a table's key, with their types."""
        if table not in self._keys:
            found = self._stage.client("dynamodb").describe_table(TableName=table)["Table"]
            types = {part["AttributeName"]: part["AttributeType"] for part in found["AttributeDefinitions"]}
            names = [part["AttributeName"] for part in found["KeySchema"]]
            self._keys[table] = {name: types[name] for name in names}
        return self._keys[table]


_TYPES = {"S": "text", "N": "a number", "B": "bytes"}
"""The types that a key may have."""


def _check_key(
    table: str, schema: Mapping[str, str], item: Mapping[str, Any], stored: Mapping[str, Mapping[str, Any]]
) -> None:
    missing = [name for name in schema if name not in stored]
    verb = "is" if len(missing) == 1 else "are"
    problems = [f"{', '.join(missing)} {verb} missing"] if missing else []
    problems += [
        f"{name} is {shorten(item[name])} and should be {_TYPES[kind]}"
        for name, kind in schema.items()
        if name in stored and kind not in stored[name]
    ]
    if problems:
        raise UsageError(
            f"{table}'s key is {', '.join(schema)}; {'; '.join(problems)}. The item: {shorten(dict(item))}"
        )


def _found(read: Callable[[], Any], missing: type[Exception]) -> Any:
    """What a call gives, or None if what it is about is not there."""
    try:
        return read()
    except missing:
        return None


def _serialized(table: str, name: str, value: Any) -> dict[str, Any]:
    from boto3.dynamodb.types import TypeSerializer

    try:
        return dict(TypeSerializer().serialize(_storable(value)))
    except TypeError:
        raise UsageError(
            f"{table} cannot hold {name} = {value!r}. It takes text, numbers, bytes, booleans, None, and lists, sets and dicts of these."
        ) from None


def _storable(value: Any) -> Any:
    """DynamoDB's numbers are decimal; boto3 refuses floats because it cannot know how they should be rounded."""
    if isinstance(value, float):
        return Decimal(str(value))
    if isinstance(value, Mapping):
        return {key: _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    return value


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _attribute(value: str | float | bytes) -> dict[str, Any]:
    if isinstance(value, bytes):
        return {"DataType": "Binary", "BinaryValue": value}
    if isinstance(value, str):
        return {"DataType": "String", "StringValue": value}
    return {"DataType": "Number", "StringValue": str(value)}
