"""Systems with schedules, on top of those of the delivery tests."""

import importlib.util
import json
from pathlib import Path

import pytest

_path = Path(__file__).parents[1] / "delivery" / "conftest.py"
_spec = importlib.util.spec_from_file_location("delivery_systems", _path)
_delivery = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_delivery)

ROLE = _delivery.ROLE


class Schedules(_delivery.System):
    """A system that knows rules with a schedule, and EventBridge Scheduler."""

    def rule(self, expression, target="Worker", *, properties=None, **settings):
        """A rule with a schedule."""
        given = {"Targets": [{"Id": "t", "Arn": self.att(target), **settings}], **(properties or {})}
        return self.resource("Events::Rule", ScheduleExpression=expression, **given)

    def schedule(self, expression, target="Worker", *, properties=None, **settings):
        """A schedule of EventBridge Scheduler; `settings` are of its target."""
        arn = target if isinstance(target, dict) else self.att(target)
        return self.resource(
            "Scheduler::Schedule",
            ScheduleExpression=expression,
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": arn, "RoleArn": ROLE, **settings},
            **(properties or {}),
        )

    def create(self, expression, arn=None, *, name="it", window=None, more=None, **settings):
        """Make a schedule by API; `settings` are of its target, which is the queue `Jobs` unless given."""
        target = {"Arn": arn or self.stage.arn("Jobs"), "RoleArn": ROLE, **settings}
        return self.client("scheduler").create_schedule(
            Name=name,
            ScheduleExpression=expression,
            FlexibleTimeWindow=window or {"Mode": "OFF"},
            Target=target,
            **(more or {}),
        )

    def universal(self, expression, action, parameters, **more):
        """Make a schedule with a universal target."""
        text = parameters if isinstance(parameters, str) else json.dumps(parameters)
        return self.create(expression, f"arn:aws:scheduler:::aws-sdk:{action}", Input=text, **more)

    def names(self):
        return [schedule["Name"] for schedule in self.client("scheduler").list_schedules()["Schedules"]]

    def arrivals(self, resource="Jobs"):
        """When something arrived at a queue or a topic, in seconds since the stage stood."""
        return [round(record.at - self.began, 3) for record in self.records("event", resource)]

    def texts(self, queue="Jobs"):
        return [message["Body"] for message in self.messages(queue)]


@pytest.fixture
def system(tmp_path):
    """A system that is closed after the test."""
    made = Schedules(tmp_path)
    yield made
    made.close()


@pytest.fixture
def jobs(system):
    """A system of two queues, `Jobs` and `Dead`."""
    system.up(Jobs=system.queue(), Dead=system.queue())
    return system
