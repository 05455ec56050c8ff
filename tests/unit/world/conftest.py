"""Small systems for the world's own tests: functions as text, each in a folder of its own, and whatever else stands beside them."""

from __future__ import annotations

import json
import textwrap

import pytest

from stagefright import open_stage

ROLE = "arn:aws:iam::123456789012:role/worker"


class Systems:
    """Opens stages and closes them when the test is over."""

    def __init__(self, directory):
        self.directory = directory
        self.open_stages = []

    def open(self, functions=None, *, resources=None, seed=0, timeout=3, layers=None, **settings):
        """
        A stage of functions, given as the text of their `app.py` or as a mapping of file names to texts.

        A mapping may say `Timeout` and other properties of the function too: whatever is not a file name.
        """
        template = {"Resources": dict(resources or {"Idle": {"Type": "AWS::SQS::Queue"}})}
        for name, files in (layers or {}).items():
            template["Resources"][name] = self._layer(name, files)
        for name, given in (functions or {}).items():
            template["Resources"][name] = self._function(name, given, timeout)
        path = self.directory / "template.json"
        path.write_text(json.dumps(template))
        stage = open_stage("unit", template=path, seed=seed, **settings)
        self.open_stages.append(stage)
        return stage

    def function(self, body, **options):
        """A stage of one function, `Fn`, and how to ask it: `ask(event)` gives its answer, or raises what it raised."""
        stage = self.open({"Fn": body}, **options)

        def ask(event=None):
            answer = stage.invoke("Fn", event)
            assert answer.error is None, f"{answer.error}: {answer.error_message}\n{answer.payload}"
            return answer.payload

        return stage, ask

    def close(self):
        for stage in reversed(self.open_stages):
            stage.close()

    def _function(self, name, given, timeout):
        given = {"app.py": given} if isinstance(given, str) else given
        files = {key: text for key, text in given.items() if "." in key}
        properties = {key: value for key, value in given.items() if "." not in key}
        self.write(name, files)
        return {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "FunctionName": name, "Runtime": "python3.12", "Handler": "app.handler", "Role": ROLE, "Timeout": timeout,
                "Code": name, **properties,
            },
        }  # fmt: skip

    def _layer(self, name, files):
        self.write(name, files)
        return {"Type": "AWS::Lambda::LayerVersion", "Properties": {"LayerName": name, "Content": name}}

    def write(self, folder, files):
        for file, text in files.items():
            path = self.directory / folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))


@pytest.fixture
def systems(tmp_path):
    """Opens stages made of a few functions; they are closed at the end."""
    opened = Systems(tmp_path)
    yield opened
    opened.close()
