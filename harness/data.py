"""
Test data: puts items, objects, parameters, secrets, users and messages into a stage, and takes them away again.

What was there before is remembered and comes back; what was not there is deleted; the last first. On a deployed stage everything
stands in the stage's ledger before it is made, so that a run that is killed leaves nothing that cannot be undone; and where others
can reach the stage, the test claims each thing first (`targets/claims.py`), so that no other changes it, or sees it, meanwhile.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from stagefright.cognito_user import NewUser
from stagefright.errors import StagefrightError, UsageError
from stagefright.item_values import check_key, serialized
from stagefright.ledger.kinds import kind_named
from stagefright.ledger.ledger import Line, Unwritten
from stagefright.ledger.reading import plain_key
from stagefright.ledger.undo import objects, parameters, secrets
from stagefright.ledger.undo.answers import found, is_refusal
from stagefright.ledger.values import fingerprint
from stagefright.sent_messages import SentMessages, Trouble
from stagefright.targets.claim import Thing
from stagefright.targets.run import tag_list
from stagefright.wording import plural

if TYPE_CHECKING:
    from stagefright.stage import Stage
    from stagefright.targets.claims import Claims


class Data:
    """
    Test data of one test; as a context manager it takes everything away at the end.

        data.item("FollowersTable", {"user": "amy", "follower": "bob"})
        data.object("Uploads", "cat.jpg", b"...")
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._undo: list[tuple[str, Line | Unwritten]] = []
        self._sent = SentMessages(stage)
        self._claims: dict[str, None] = {}
        """The names of the claims that are held, the first first."""
        self._keys: dict[str, dict[str, str]] = {}

    def item(self, table: str, item: Mapping[str, Any]) -> None:
        """
        Put an item into a table; values are plain Python: text, numbers, bytes, booleans, None, lists, sets, dicts.

        An item without the whole of the table's key, or with a key of another type, is a `UsageError`.
        """
        self.items(table, [item])

    def items(self, table: str, items: Iterable[Mapping[str, Any]]) -> None:
        """
        Put several items into a table; nothing is put if one of them cannot be.

        On a stage that others can reach each is claimed first, which takes a call to SSM's PutParameter for each: on AWS 3 a second,
        unless the account's quota is higher or the setting `claims` is off.
        """
        name = self._stage.ref(table)
        self._check_type(table, "an item is put into", "AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable")
        schema = self._key_of(name)
        made = [_Item.of(table, schema, item) for item in items]
        self._claim(*(Thing("item", name, one.key, f"item {plain_key(one.key)} of {table}") for one in made))
        for one in made:
            self._put_item(table, name, one)

    def _put_item(self, table: str, name: str, item: _Item) -> None:
        dynamodb = self._stage.client("dynamodb")
        before = dynamodb.get_item(TableName=name, Key=item.key, ConsistentRead=True).get("Item")
        claimed = self._claimed("item", name, item.key)
        line = self._note("item", name, before=before, wrote=fingerprint(item.stored), key=item.key, **claimed)
        put = partial(dynamodb.put_item, TableName=name, Item=item.stored)
        self._make(f"item {dict(item.given)} of {table}", line, put)

    def object(self, bucket: str, key: str, body: bytes | str | Mapping[str, Any] | list[Any]) -> None:
        """Put an object into a bucket; a dict or a list is written as JSON."""
        name, s3 = self._stage.ref(bucket), self._stage.client("s3")
        self._check_type(bucket, "an object is put into", "AWS::S3::Bucket")
        content = body if isinstance(body, bytes) else _as_text(body).encode()
        claimed = self._claim(Thing("object", name, key, f"object {key} of {bucket}"))
        now = found(lambda: s3.get_object(Bucket=name, Key=key), "NoSuchKey")
        latest = None if now is None else now.get("VersionId", objects.NULL_VERSION)
        is_versioned = objects.keeps_versions(s3, name, latest)
        if now is not None and is_versioned:
            now["Body"].close()
        line = self._note(
            "object",
            name,
            before=None if now is None or is_versioned else objects.kept_of(s3, name, key, now),
            wrote=hashlib.sha256(content).hexdigest(),
            key=key,
            **({"is_versioned": True, "version": latest} if is_versioned else {}),
            **claimed,
        )
        self._make(f"object {key} of {bucket}", line, lambda: s3.put_object(Bucket=name, Key=key, Body=content))

    def parameter(self, name: str, value: str | float, *, secure: bool = False) -> None:
        """
        Set an SSM parameter, by its name or the logical id of a parameter in the template; a number is written as text.

        One that is there keeps its type, which AWS lets nobody change. A new name that looks like a misspelt logical id is a
        `UsageError`.
        """
        if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
            raise UsageError(
                f"The parameter {name} is text, not {value!r}. Write it as your code reads it: json.dumps(...)?"
            )
        ssm, asked, text = self._stage.client("ssm"), name, str(value)
        name = self._physical(name)
        claimed = self._claim(Thing("parameter", name))
        before = parameters.kept_of(ssm, name)
        if before is None:
            self._refuse_slip(asked, "parameter")
        elif secure and before["Type"] != "SecureString":
            raise UsageError(
                f"The parameter {name} is there, as a {before['Type']}, and AWS lets nobody change a parameter's type. Set it without "
                "secure=True, or choose another name."
            )
        given = {"Type": "SecureString" if secure else "String"} if before is None else {"Type": before["Type"]}
        line = self._note("parameter", name, before=before, wrote=fingerprint(text), **claimed)
        how = {"Overwrite": True} if before else {"Overwrite": False, **self._tags()}
        self._make(f"parameter {name}", line, lambda: ssm.put_parameter(Name=name, Value=text, **given, **how))

    def secret(self, secret: str, value: str | Mapping[str, Any]) -> None:
        """
        Set a secret, by its name or the logical id of a secret in the template; a dict is written as JSON.

        A new name that looks like a misspelt logical id is a `UsageError`.
        """
        client = self._stage.client("secretsmanager")
        name, text = self._physical(secret), _as_text(value)
        claimed = self._claim(Thing("secret", name))
        before = secrets.kept_of(client, name)
        if before is None:
            self._refuse_slip(secret, "secret")
        line = self._note("secret", name, before=before, wrote=fingerprint({"SecretString": text}), **claimed)
        if before is None:
            create = partial(client.create_secret, Name=name, SecretString=text, **self._tags())
            self._make(f"secret {secret}", line, create)
        else:
            self._make(f"secret {secret}", line, lambda: client.put_secret_value(SecretId=name, SecretString=text))

    def user(
        self,
        pool: str,
        username: str,
        *,
        password: str | None = None,
        attributes: Mapping[str, str] | None = None,
        groups: Iterable[str] = (),
    ) -> None:
        """
        Make a user of a Cognito user pool, given by its logical id or its own; no mail is sent, and a password is for good.

        Of a user that is there, attributes and groups are changed and brought back; a new password is a `UsageError`, because
        the old one cannot be read and so not be brought back.
        """
        self._check_type(pool, "a user is made in", "AWS::Cognito::UserPool")
        new = NewUser(self._physical(pool), username, password, dict(attributes or {}), tuple(groups))
        cognito = self._stage.client("cognito-idp")
        # Most pools take a name for the same however its letters are written.
        claimed = self._claim(Thing("user", new.pool, username.casefold(), f"user {username} of {pool}"))
        before = new.before(cognito)
        detail = {"pool": new.pool, "attributes": new.attributes, "groups": list(new.groups), **claimed}
        line = self._note("user", username, before=before, wrote=None, **detail)
        self._make(f"user {username} of {pool}", line, *new.steps(cognito, is_there=before is not None))

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

        A message is for the system to consume. On a deployed stage, one that nobody has consumed by the end of the test is taken out
        of the queue again, where looking for it disturbs nobody: not where a function or a pipe works the queue off, nor where a redrive
        policy would soon move what is looked at (docs/ledger.md). A FIFO queue remembers `dedup_id` for five minutes all the same.
        """
        self._check_type(queue, "a message is sent to", "AWS::SQS::Queue")
        given = {"MessageGroupId": group_id, "MessageDeduplicationId": dedup_id, "DelaySeconds": delay_s}
        sent = {
            "MessageBody": _as_text(body),
            "MessageAttributes": {name: _attribute(value) for name, value in (attributes or {}).items()},
            **{name: value for name, value in given.items() if value is not None},
        }
        return self._sent.send(queue, sent)

    def clean_up(self) -> None:
        """
        Take everything away, the last first.

        Each piece is tried; those that fail are reported together. A stage that was closed or left took its data along.
        """
        if not self._stage.is_here:
            self._undo.clear()
            self._sent.forget()
        count, troubles = len(self._undo) + len(self._sent), self._sent.take_back()
        lost, stays = self._lost(), set[str]()
        while self._undo:
            what, line = self._undo.pop()
            try:
                self._put_back(line, lost)
            except Exception as trouble:  # noqa: BLE001 (the others must be taken away all the same)
                troubles.append((what, trouble))
                stays.add(line.entry.detail.get("claim", ""))
        troubles += self._release(stays)
        if troubles:
            lines = [f"  {what}: {type(trouble).__name__}: {trouble}" for what, trouble in troubles]
            head = f"{len(troubles)} of {plural(count, 'piece')} of test data could not be taken away:"
            raise StagefrightError("\n".join([head, *lines])) from troubles[0][1]

    def _put_back(self, line: Line | Unwritten, lost: set[str]) -> None:
        if line.entry.detail.get("claim") in lost:
            raise StagefrightError(_LOST)
        kind_named(line.entry.kind).undo(line.entry, self._stage)
        line()

    @property
    def _claims_of_stage(self) -> Claims | None:
        """What keeps others from the data; None on a stage that nobody else can reach."""
        return getattr(self._stage, "claims", None)

    def _lost(self) -> set[str]:
        """The claims that ran out while this process stood still, and that somebody else has by now."""
        claims = self._claims_of_stage
        return claims.lost(self._claims) if claims is not None and self._undo else set()

    def _release(self, stays: set[str]) -> list[Trouble]:
        """Let go of the claims, except on what is not as it was: nobody is to build on that before a sweep has brought it back."""
        claims, names = self._claims_of_stage, list(self._claims)
        self._claims.clear()
        if claims is None or not self._stage.is_here:
            return []
        claims.abandon([name for name in names if name in stays])
        try:
            claims.release([name for name in names if name not in stays])
        except Exception as trouble:  # noqa: BLE001 (they run out by themselves, and the ledger has them)
            return [(plural(len(names), "claim"), trouble)]
        return []

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

    def _claim(self, *things: Thing) -> dict[str, str]:
        """Hold things until the end of the test, if others can reach the stage; gives what the ledger is to say of the first."""
        claims = self._claims_of_stage
        if claims is not None:
            wanted = [thing for thing in things if thing.parameter not in self._claims]
            self._claims |= dict.fromkeys(claims.hold(wanted))
        return self._claimed(things[0].kind, things[0].name, things[0].key) if things else {}

    def _claimed(self, kind: str, name: str, key: Any) -> dict[str, str]:
        """By which claim a sweep sees whether a living run has a thing in hand."""
        if not self._claims:
            return {}
        parameter = Thing(kind, name, key).parameter
        return {"claim": parameter} if parameter in self._claims else {}

    def _note(self, kind: str, name: str, *, before: Any, wrote: str | None, **detail: Any) -> Line | Unwritten:
        """Announce what is about to be made, in the ledger of a stage that has one: a local stage ends with its process."""
        ledger = getattr(self._stage, "ledger", None)
        if ledger is not None:
            line: Line = ledger.note(kind, name, before=before, wrote=wrote, **detail)
            return line
        return Unwritten.of(kind, name, before, wrote, detail)

    def _make(self, what: str, line: Line | Unwritten, *steps: Callable[[], Any]) -> None:
        """Make what was announced. It is taken away even if nobody knows whether it was made; not if AWS refused to make it."""
        self._undo.append((what, line))
        for count, step in enumerate(steps):
            try:
                step()
            except Exception as error:
                if count == 0 and is_refusal(error):
                    self._undo.pop()
                    line()
                raise

    def _tags(self) -> dict[str, Any]:
        """The tags of something new on a stage that others may find: `Tags=[...]`."""
        run = getattr(self._stage, "run", None)
        tags = {} if run is None else run.tags(self._stage.name)
        return {"Tags": tag_list(tags)} if tags else {}

    def _check_type(self, name: str, act: str, *types: str) -> None:
        """Refuse a resource of the template that is none of these; AWS would only say that there is no queue of that name."""
        known = self._stage.resources
        resource = known.get(self._stage.name_of(name))
        if resource is None or resource.type in types:
            return
        fitting = ", ".join(one for one, resource in known.items() if resource.type in types) or "none"
        raise UsageError(f"{name} is an {resource.type}, and {act} an {types[0]}. The stage has: {fitting}.")

    def _physical(self, name: str) -> str:
        meant = self._stage.name_of(name)
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


_LOST = (
    "its claim ran out while this process stood still, and somebody else may hold it now; what was there before stands in the ledger, and "
    "`stagefright sweep` brings it back once nobody does"
)


@dataclass(frozen=True, slots=True)
class _Item:
    """An item that is to be put."""

    given: Mapping[str, Any]
    stored: dict[str, Any]
    """As DynamoDB types it."""
    key: dict[str, Any]

    @classmethod
    def of(cls, table: str, schema: Mapping[str, str], item: Mapping[str, Any]) -> Self:
        """Raises `UsageError` for one without the whole key."""
        stored = {name: serialized(table, name, value) for name, value in item.items()}
        check_key(table, schema, item, stored)
        return cls(item, stored, {attribute: stored[attribute] for attribute in schema})


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _attribute(value: str | float | bytes) -> dict[str, Any]:
    if isinstance(value, bytes):
        return {"DataType": "Binary", "BinaryValue": value}
    if isinstance(value, str):
        return {"DataType": "String", "StringValue": value}
    return {"DataType": "Number", "StringValue": str(value)}
