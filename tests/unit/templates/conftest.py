"""What the template tests share: loading a text as a template, and a stage that answers predictably."""

from __future__ import annotations

import pytest

from stagefright.templates import load_template


class Answers:
    """A lookup whose answers show what was asked."""

    def ref(self, logical_id):
        return f"{logical_id}-id"

    def get_att(self, logical_id, attribute):
        return f"{logical_id}.{attribute}"

    def ssm(self, name, version, secure):
        return f"<{'secure ' if secure else ''}{name} {version}>"

    def secret(self, secret_id, json_key, version_stage, version_id):
        return f"<{secret_id} {json_key} {version_stage} {version_id}>"


@pytest.fixture(autouse=True)
def no_earlier_translations(tmp_path, monkeypatch):
    """The translator is asked in each test, whatever the machine has of earlier runs."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def lookup():
    """A stage that answers predictably."""
    return Answers()


@pytest.fixture
def load(tmp_path):
    """Load a text as a template; `files` are created beside it."""

    def load(text, *, name="template.yaml", files=(), exports=None, ssm=None, **parameters):
        for file in files:
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_text("")
        (tmp_path / name).write_text(text)
        return load_template(
            tmp_path / name,
            parameters=parameters,
            account="111122223333",
            region="eu-west-1",
            stack_name="dev",
            exports=exports or {},
            ssm=ssm,
        )

    return load


@pytest.fixture
def value_of(load, lookup):
    """What one value resolves to, as a property beside a table and a queue; `head` precedes the resources."""

    def value_of(value, head="", **arguments):
        text = (
            f"{head}\nResources:\n"
            "  Table: {Type: AWS::DynamoDB::Table}\n"
            "  Queue: {Type: AWS::SQS::Queue}\n"
            f"  Subject:\n    Type: AWS::SSM::Parameter\n    Properties:\n      Value: {value}\n"
        )
        template = load(text, **arguments)
        return template.resolve(template.resources["Subject"].properties, lookup).get("Value")

    return value_of
