"""How the rivals get the stack: neither expands SAM, so the template is expanded for them, and the code zipped."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

APP = Path(__file__).parent / "app"
TEMPLATE = APP / "template.yaml"
REGION = "us-east-1"
STACK = "bench"
CODE_BUCKET, CODE_KEY = "bench-code", "app.zip"


def plain_template() -> str:
    """The benchmark's SAM template as plain CloudFormation, in JSON, with its code in a bucket."""
    import boto3
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator
    from samtranslator.yaml_helper import yaml_parse

    template = yaml_parse(TEMPLATE.read_text())
    template["Globals"]["Function"]["CodeUri"] = f"s3://{CODE_BUCKET}/{CODE_KEY}"
    with contextlib.redirect_stderr(io.StringIO()):  # it prints a remark about metrics
        translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGION))
        return json.dumps(translator.translate(template, {}))


def code_zip() -> bytes:
    """The functions' code as a deployment package."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        for file in sorted((APP / "src").glob("*.py")):
            package.write(file, file.name)
    return buffer.getvalue()


def upload_code(s3: Any) -> None:
    """Put the code where the template says it is."""
    s3.create_bucket(Bucket=CODE_BUCKET)
    s3.put_object(Bucket=CODE_BUCKET, Key=CODE_KEY, Body=code_zip())


def create_stack(cloudformation: Any, template: str) -> dict[str, str]:
    """Create the stack, wait until it is there, and return physical ids by logical id."""
    cloudformation.create_stack(
        StackName=STACK, TemplateBody=template, Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"]
    )
    waiter = cloudformation.get_waiter("stack_create_complete")
    waiter.wait(StackName=STACK, WaiterConfig={"Delay": 0.02, "MaxAttempts": 2000})
    resources = cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]
    # moto lists what it skipped without an id.
    return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in resources if "LogicalResourceId" in one}


def batches(count: int) -> list[list[dict[str, str]]]:
    """`count` messages as entries for `send_message_batch`, ten at a time."""
    entries = [{"Id": str(n % 10), "MessageBody": message(n)} for n in range(count)]
    return [entries[start : start + 10] for start in range(0, count, 10)]


def message(n: int) -> str:
    """The body of message `n`."""
    return json.dumps({"id": f"item-{n}", "note": "x" * 100})
