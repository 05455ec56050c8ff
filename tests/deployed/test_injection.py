"""The runtime in functions that a stage deploys: with no change to their code, they obey their flags in an emulator."""

from __future__ import annotations

import pytest

from stagefright.chaos import Chaos, Failure, Latency, Throttle

SAM = """
    Transform: AWS::Serverless-2016-10-31
    Globals:
      Function:
        Runtime: python3.12
        Handler: app.handler
        Environment:
          Variables:
            GREETING: hello
    Resources:
      Worker:
        Type: AWS::Serverless::Function
        Properties:
          CodeUri: src/
"""

ECHO = """
    import os
    from helper import greeting

    def handler(event, context):
        return {"greeting": greeting(), "event": event, "handler": os.environ["_HANDLER"]}
"""


def test_a_function_of_sam(ministack_system):
    """Struck, proved, and well again."""
    system = ministack_system
    system.write("template.yaml", SAM)
    system.write("src/app.py", ECHO)
    system.write("src/helper.py", "import os\n\ndef greeting():\n    return os.environ['GREETING']\n")
    stage = system.open()
    print(system.progress)

    with Chaos(stage)(Worker=Failure("table is down")):
        assert stage.invoke("Worker", {"n": 1}).error_message == "table is down"
    assert stage.invoke("Worker", {"n": 2}).payload == {"greeting": "hello", "event": {"n": 2}, "handler": "app.handler"}
