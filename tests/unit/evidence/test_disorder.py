"""Lines and events in any order, cut and changed at random: an arrangement always, no circle, nothing lost, no traceback of ours."""

from __future__ import annotations

import json
import random
import warnings

import pytest

from stagefright.flow import Flow
from stagefright.targets.evidence.correlation import arrange

IDS = [f"8f5b0a3e-0000-4000-8000-{n:012}" for n in range(4)]
MESSAGES = ["m-0000000", "m-0000001", "m-0000002"]


def wild_line(chance):
    """A line that the platform, a runtime, an injector or code may write, sometimes with a character changed."""
    request = chance.choice(IDS)
    record = chance.choice(
        [{}, {"requestId": request}, {"requestId": request, "metrics": 3, "tracing": [1]}, {"requestId": 3}]
    )
    line = chance.choice(
        [
            f"START RequestId: {request} Version: 1",
            f"END RequestId: {request}",
            f"REPORT RequestId: {request}\tDuration: {chance.choice(['3.0', 'x', '1.2.3', ''])} ms\tStatus: {chance.choice(['timeout', 'odd'])}",
            "[ERROR] ValueError: down",
            "INIT_START Runtime Version: python:3.12",
            f"saw {request} and {chance.choice(MESSAGES)}",
            json.dumps({"type": f"platform.{chance.choice(['start', 'report', 'x'])}", "record": record}),
            json.dumps(
                {
                    "source": "stagefright",
                    "action": "inject",
                    "mode": chance.choice([None, 1]),
                    "settings": chance.choice([{}, 3]),
                }
            ),
            json.dumps(
                {
                    "Records": chance.choice(
                        [[{"eventSource": "aws:sqs", "messageId": chance.choice([*MESSAGES, 3])}], 3, [None]]
                    )
                }
            ),
        ]
    )
    if chance.random() < 0.2:
        place = chance.randrange(len(line))
        line = line[:place] + chr(chance.randrange(1, 0x3000)) + line[place + 1 :]
    return line


@pytest.mark.parametrize("seed", range(40))
def test_disorder(journal, log, event, seed):
    """Causes come before their effects in what is arranged, and everything that was observed is in it."""
    chance = random.Random(seed)
    for _ in range(40):
        at = chance.uniform(0, 100)
        if chance.random() < 0.2:
            attributes = chance.choice([{}, {"RequestID": {"StringValue": IDS[1]}, "ErrorCode": 3}])
            event(
                chance.choice("QR"),
                chance.choice(MESSAGES),
                at=at,
                body=chance.choice(["{}", None, 3]),
                attributes=attributes,
            )
        else:
            log.line(at, wild_line(chance), function=chance.choice("FG"), stream=chance.choice("st"))
    arranged = arrange(list(journal))

    assert all(record.cause is None or record.cause < record.n for record in arranged.records)
    assert set(range(len(journal))) <= set(arranged.places)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n in range(len(journal)):
            flow = Flow.of(arranged, arranged.places[n])
            assert str(flow)
            assert flow.path is not None
