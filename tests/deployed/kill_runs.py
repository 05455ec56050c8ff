"""
Kills runs at random moments, sweeps once, and compares the account with what it was before.

    python tests/deployed/kill_runs.py --runs 200 --seed 1        against MiniStack
    python tests/deployed/kill_runs.py --runs 200 --url URL       against whatever answers there

Each run is a process of its own that does what runs do, round after round: it inserts and overwrites items, objects, parameters, secrets and users
(each with a claim, which the next run takes over), sends messages, makes queues, subscriptions, rules and flags, deploys and removes stacks. It is killed (SIGKILL) at a moment that the seed chooses; so
the kill meets it before, in and after its calls, and while it cleans up. The processes are forked from one that has imported
everything, and share nothing with it that speaks to the account.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from stagefright.chaos import Failure
from stagefright.chaos.leases import Leases
from stagefright.data import Data
from stagefright.settings import load_settings
from stagefright.targets import opening
from stagefright.targets.account import Account
from stagefright.targets.run import Run
from stagefright.targets.taps.peeking import batches, show_again

REGION = "us-east-1"
LEASE_S = 1
"""So short that everything is past its lease when the sweep comes; what says that a run is dead is its lock."""

KILL_WITHIN_S = 0.9
"""Between the first line of a run's ledger and its end."""

SETTLED_S = 1.0
"""A call that was under way when its run was killed is over by then."""

STANDING = """
Resources:
  Items: {Type: AWS::DynamoDB::Table, Properties: {BillingMode: PAY_PER_REQUEST, AttributeDefinitions: [{AttributeName: id, AttributeType: S}], KeySchema: [{AttributeName: id, KeyType: HASH}]}}
  Plain: {Type: AWS::S3::Bucket}
  Versioned: {Type: AWS::S3::Bucket, Properties: {VersioningConfiguration: {Status: Enabled}}}
  Rate: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: "1.00"}}
  Topic: {Type: AWS::SNS::Topic}
  Jobs: {Type: AWS::SQS::Queue}
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: shop}}
  Pool: {Type: AWS::Cognito::UserPool}
  Role:
    Type: AWS::IAM::Role
    Properties: {AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}]}}
  Worker:
    Type: AWS::Lambda::Function
    Properties: {Runtime: python3.12, Handler: app.handler, Role: !GetAtt Role.Arn, CodeUri: src, Code: src, Environment: {Variables: {FAILURE_INJECTION_PARAM: /shop/failure}}}
"""

PASSING = """
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Bucket: {Type: AWS::S3::Bucket}
  Table: {Type: AWS::DynamoDB::Table, Properties: {BillingMode: PAY_PER_REQUEST, AttributeDefinitions: [{AttributeName: id, AttributeType: S}], KeySchema: [{AttributeName: id, KeyType: HASH}]}}
"""

UNSURE = "a message with its text is there"

AT_REST = json.dumps({"isEnabled": False})
BIG = bytes(range(256)) * 8192
"""An object that is kept in a file beside the ledger: 2 MiB."""


# -- the account -------------------------------------------------------------------------------------------------------


def account_at(url: str) -> Account:
    return Account(region=REGION, endpoint_url=url)


def settings_at(url: str, project: Path, template: str, stage: str) -> Any:
    given = {"endpoint_url": url, "target": "aws", "template": str(project / template), "service": "shop"}
    return load_settings(project, stage, given, {})


def prepare(url: str, project: Path) -> None:
    """The system that the runs rehearse, with data of its own in it."""
    (project / "src").mkdir(parents=True)
    (project / "src" / "app.py").write_text("def handler(event, context):\n    return event\n")
    (project / "pyproject.toml").write_text("[tool.stagefright]\n")
    (project / "standing.yaml").write_text(STANDING.replace("CodeUri: src, ", ""))
    (project / "passing.yaml").write_text(PASSING)
    stage = opening.open_deployed("standing", settings_at(url, project, "standing.yaml", "standing"), keep=True)
    for line in stage.ledger.open_entries():
        stage.ledger.strike(line)
    stage.ledger.close()
    fill(stage)


def fill(stage: Any) -> None:
    dynamodb, s3, ssm = stage.client("dynamodb"), stage.client("s3"), stage.client("ssm")
    for n in range(4):
        item = {"id": {"S": f"old-{n}"}, "price": {"N": "1.50"}, "raw": {"B": b"\0\xff"}, "tags": {"SS": ["a", "b"]}}
        dynamodb.put_item(TableName=stage.ref("Items"), Item=item)
    for bucket in ("Plain", "Versioned"):
        s3.put_object(
            Bucket=stage.ref(bucket), Key="old", Body=b"old\0\xff", ContentType="image/png", Metadata={"by": "amy"}
        )
        s3.put_object(Bucket=stage.ref(bucket), Key="big", Body=BIG)
    ssm.put_parameter(Name="/shop/key", Value="hunter2", Type="SecureString")
    ssm.put_parameter(Name="/shop/failure", Value=AT_REST, Type="String")
    stage.client("secretsmanager").create_secret(Name="shop/password", SecretString="old")
    stage.client("secretsmanager").create_secret(Name="shop/binary", SecretBinary=b"\0old")
    stage.client("sqs").send_message(QueueUrl=stage.ref("Jobs"), MessageBody="old")
    cognito = stage.client("cognito-idp")
    pool = stage.ref("Pool")
    cognito.create_group(UserPoolId=pool, GroupName="admins")
    attributes = [{"Name": "email", "Value": "old@example.test"}]
    cognito.admin_create_user(UserPoolId=pool, Username="old", UserAttributes=attributes, MessageAction="SUPPRESS")


def snapshot(account: Account) -> dict[str, Any]:
    """Everything in the account that a run can touch."""
    found: dict[str, Any] = {}
    dynamodb, s3, sns = account.client("dynamodb"), account.client("s3"), account.client("sns")
    for table in dynamodb.list_tables()["TableNames"]:
        items = dynamodb.scan(TableName=table, ConsistentRead=True)["Items"]
        found[f"table {table}"] = {item["id"]["S"]: repr(sorted(item.items())) for item in items}
    for bucket in s3.list_buckets()["Buckets"]:
        found[f"bucket {bucket['Name']}"] = objects_of(s3, bucket["Name"])
    ssm, secrets = account.client("ssm"), account.client("secretsmanager")
    for page in ssm.get_paginator("describe_parameters").paginate():
        for one in page["Parameters"]:
            value = ssm.get_parameter(Name=one["Name"], WithDecryption=True)["Parameter"]["Value"]
            found[f"parameter {one['Name']}"] = (one["Type"], value)
    for page in secrets.get_paginator("list_secrets").paginate():
        for one in page["SecretList"]:
            value = secrets.get_secret_value(SecretId=one["Name"])
            found[f"secret {one['Name']}"] = (value.get("SecretString"), value.get("SecretBinary"))
    found["messages"] = messages_of(account)
    found["queues"] = sorted(account.client("sqs").list_queues().get("QueueUrls", []))
    found["subscriptions"] = sorted(one["Endpoint"] for one in sns.list_subscriptions()["Subscriptions"])
    events = account.client("events")
    for bus in events.list_event_buses()["EventBuses"]:
        found[f"rules of {bus['Name']}"] = sorted(
            one["Name"] for one in events.list_rules(EventBusName=bus["Name"])["Rules"]
        )
    stacks = account.client("cloudformation").describe_stacks()["Stacks"]
    found["stacks"] = sorted(one["StackName"] for one in stacks if one["StackStatus"] != "DELETE_COMPLETE")
    return {**found, **users_of(account)}


def messages_of(account: Account) -> list[str]:
    """What lies in the queue of the standing system; it is shown again at once."""
    sqs = account.client("sqs")
    found = [url for url in sqs.list_queues().get("QueueUrls", ()) if "standing" in url]
    seen = [one for url in found for batch in batches(sqs, url, wait_s=0) for one in batch]
    for url in found:
        show_again(sqs, url, seen)
    return sorted(one["Body"] for one in seen)


def objects_of(s3: Any, bucket: str) -> dict[str, Any]:
    found = {}
    listed = s3.list_object_versions(Bucket=bucket)
    for one in listed.get("Versions", []):
        answer = s3.get_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])
        about = (answer["Body"].read(), answer.get("ContentType"), answer.get("Metadata"), one["IsLatest"])
        found[f"{one['Key']} {one['VersionId'] if one['VersionId'] != 'null' else ''}"] = about
    for one in listed.get("DeleteMarkers", []):
        found[f"{one['Key']} {one['VersionId']}"] = "deleted"
    return found


def users_of(account: Account) -> dict[str, Any]:
    cognito, found = account.client("cognito-idp"), {}
    for pool in cognito.list_user_pools(MaxResults=10)["UserPools"]:
        for user in cognito.list_users(UserPoolId=pool["Id"])["Users"]:
            name = {"UserPoolId": pool["Id"], "Username": user["Username"]}
            groups = [one["GroupName"] for one in cognito.admin_list_groups_for_user(**name)["Groups"]]
            found[f"user {user['Username']}"] = (
                sorted((one["Name"], one["Value"]) for one in user["Attributes"]),
                groups,
            )
    return found


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What is not as it was, in words."""
    told = [f"left: {key}" for key in after if key not in before]
    told += [f"lost: {key}" for key in before if key not in after]
    changed = [key for key in before if key in after and before[key] != after[key]]
    return told + [f"changed: {key}: {str(before[key])[:300]} -> {str(after[key])[:300]}" for key in changed]


# -- a run -------------------------------------------------------------------------------------------------------------


def live(url: str, project: Path, number: int, seed: str) -> None:
    """What a run does until it is killed."""
    chance = random.Random(f"{seed}/{number}")
    # One with a lease so short says at once that it lives, and the kill meets that more often than all the rest.
    lease = LEASE_S if number % 6 == 5 else 0
    run = Run.begin(f"{number:04d}{chance.getrandbits(32):08x}", lease=lease)
    account = account_at(url)
    # The pulse would make a client of its own first, which takes as long as all the rest, and every kill would meet that.
    account.another = lambda: account  # type: ignore[method-assign]
    stage = opening.attach("standing", settings_at(url, project, "standing.yaml", "standing"), run=run, account=account)
    acts = [insert, overwrite, listen, hurt, enroll, send]
    for count in range(1000):
        if number % 4 == 0:
            deploy(url, project, run, f"passing-{number}-{count}")
        with Data(stage) as data:
            chance.shuffle(acts)
            for act in acts:
                act(stage, data, f"{number}-{count}", chance)


def insert(stage: Any, data: Data, name: str, chance: random.Random) -> None:
    data.item("Items", {"id": name, "n": 1.5, "raw": b"\0", "tags": {"x", "y"}})
    data.object("Plain", name, name)
    data.object("Versioned", name, name)
    data.parameter(f"/shop/new/{name}", "1")
    data.parameter(f"/shop/secure/{name}", "1", secure=True)
    data.secret(f"shop/new-{name}", {"n": name})


def overwrite(stage: Any, data: Data, name: str, chance: random.Random) -> None:
    for _ in range(2):
        data.item("Items", {"id": f"old-{chance.randrange(4)}", "price": chance.randrange(1000)})
    for bucket in ("Plain", "Versioned"):
        data.object(bucket, chance.choice(["old", "big"]), f"new {name}")
    data.parameter("Rate", chance.random())
    data.parameter("/shop/key", name)
    data.secret("shop/password", name)
    data.secret("shop/binary", name)


def enroll(stage: Any, data: Data, name: str, chance: random.Random) -> None:
    data.user("Pool", name, password="Secret-2026!", attributes={"email": f"{name}@example.test"}, groups=["admins"])
    # MiniStack cannot delete an attribute, so none is added here; the tests on moto do.
    data.user("Pool", "old", attributes={"email": f"{name}@example.test"}, groups=["admins"])


def send(stage: Any, data: Data, name: str, chance: random.Random) -> None:
    for n in range(3):
        data.message("Jobs", f"{name}-{n}", attributes={"n": n})


def listen(stage: Any, data: Data, name: str, chance: random.Random) -> None:
    """What listeners make: queues, a subscription, a rule; taken away again, or not, so that the kill meets both."""
    stage.observe("Topic", "sns")
    stage.observe("Bus", "eventbridge", {"source": [f"shop {chance.randrange(3)}"]})
    if chance.random() < 0.7:
        stage.step_aside()


def hurt(stage: Any, data: Data, name: str, chance: random.Random) -> None:
    leases = Leases(stage, owner=stage.run.owner, run=stage.run.id, seed=0, lease_s=LEASE_S)
    leases.hold("Worker", [(1, Failure(f"down {name}"))])
    leases.hold("Worker", [(1, Failure(f"still down {name}"))])
    leases.release("Worker")


def deploy(url: str, project: Path, run: Run, name: str) -> None:
    settings = settings_at(url, project, "passing.yaml", name)
    with opening.open_deployed(name, settings, run=run) as stage:
        stage.client("s3").put_object(Bucket=stage.ref("Bucket"), Key="k", Body=b"k")


# -- the proof ---------------------------------------------------------------------------------------------------------


def kill_one(url: str, project: Path, number: int, seed: str) -> int:
    """Start a run, kill it at its moment; gives how many things it left."""
    moment_s = random.Random(f"moment/{seed}/{number}").random() * KILL_WITHIN_S
    child = os.fork()
    if child == 0:
        try:
            os.setpgid(0, 0)
            live(url, project, number, seed)
        except BaseException as error:
            (project / f"error-{number}.txt").write_text(f"{type(error).__name__}: {error}")
        finally:
            os._exit(1)
    ledgers = project / ".stagefright" / "ledger"
    until = time.monotonic() + 60
    while time.monotonic() < until and not list(ledgers.glob(f"{number:04d}*.jsonl")):
        assert os.waitpid(child, os.WNOHANG) == (0, 0), failure(project, number)
        time.sleep(0.002)
    time.sleep(moment_s)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), failure(project, number)
    return len(list(ledgers.glob(f"{number:04d}*.jsonl")))


def failure(project: Path, number: int) -> str:
    file = project / f"error-{number}.txt"
    return f"run {number} ended before it was killed: {file.read_text() if file.exists() else 'it did not say why'}"


def sweep(url: str, project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "STAGEFRIGHT_"))}
    command = [sys.executable, "-m", "stagefright.fixtures.cli", "sweep", "--endpoint-url", url, *arguments]
    return subprocess.run(
        command, cwd=project, env=variables, capture_output=True, text=True, check=False, timeout=1200
    )


def prove(url: str, runs: int, seed: str) -> dict[str, Any]:
    """Kill that many runs and sweep; gives what was measured, and what is not as it was."""
    project = Path(tempfile.mkdtemp(prefix="stagefright-kills-"))
    try:
        prepare(url, project)
        before = snapshot(account_at(url))
        begun = time.monotonic()
        files = sum(kill_one(url, project, number, seed) for number in range(runs))
        killed = time.monotonic()
        time.sleep(SETTLED_S + LEASE_S)
        dirty = differences(before, snapshot(account_at(url)))
        started = time.monotonic()
        done = sweep(url, project, "--yes")
        swept = time.monotonic()
        # Of a run that was killed before SQS had answered, nobody knows the message's id: it is told, and taken out if somebody says so.
        unsure = [line for line in done.stdout.splitlines() if UNSURE in line]
        if unsure:
            sweep(url, project, "--yes", "--changed")
        left = differences(before, snapshot(account_at(url)))
        ledgers = sorted(file.name for file in (project / ".stagefright" / "ledger").iterdir())
        return {
            "runs": runs,
            "ledgers": files,
            "differences_before_sweep": len(dirty),
            "kinds_before_sweep": sorted({text.split()[1] for text in dirty}),
            "fates": fates(done.stdout),
            "things": things(done.stdout),
            "kills_s": round(killed - begun, 1),
            "sweep_s": round(swept - started, 1),
            "exit_code": 0 if done.returncode == 1 and len(unsure) == troubles(done.stdout) else done.returncode,
            "unsure": len(unsure),
            "told": done.stdout + done.stderr,
            "left": left,
            "ledgers_left": ledgers,
        }
    finally:
        shutil.rmtree(project, ignore_errors=True)


def told_things(told: str) -> Iterator[tuple[str, str]]:
    """Of each thing in a sweep's list, what became of it and its kind; a long fate stands below its thing."""
    lines = [line for line in told.splitlines() if line.startswith("    ")]
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if not line.startswith(" " * 8):
            fate, _, what = line.strip().partition("  ")
            if not what:
                fate, what = below.strip(), line
            yield fate.partition(":")[0], what.split()[0]


def fates(told: str) -> dict[str, int]:
    return dict(Counter(fate for fate, _ in told_things(told)))


def troubles(told: str) -> int:
    """How many things a sweep could not undo, or left because they had changed."""
    return sum(count for fate, count in fates(told).items() if fate.startswith(("changed by", "failed", "in use")))


def things(told: str) -> dict[str, int]:
    return dict(Counter(kind for _, kind in told_things(told)))


def main() -> int:
    from tests.deployed.ministack import running

    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=200)
    options.add_argument("--seed", default="1")
    options.add_argument("--url")
    asked = options.parse_args()
    if asked.url:
        found = prove(asked.url, asked.runs, asked.seed)
    else:
        with running() as url:
            found = prove(url, asked.runs, asked.seed)
    told = found.pop("told")
    print(json.dumps(found, indent=2))
    if found["left"] or found["exit_code"]:
        print("\n".join(line for line in told.splitlines() if "deleted" not in line and "restored" not in line)[:8000])
    return 1 if found["left"] else 0


if __name__ == "__main__":
    sys.exit(main())
