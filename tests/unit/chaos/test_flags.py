from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagefright.chaos import (
    Both,
    ColdStart,
    Corruption,
    Denylist,
    DiskFull,
    ErrorAfterCommit,
    Failure,
    InSequence,
    Latency,
    Noop,
    StatusCode,
    Throttle,
    Timeout,
    faults,
    merge,
    parse,
)
from stagefright.chaos.faults.catalogue import FAULTS, KINDS, WRAPPER_KINDS, WRAPPERS
from stagefright.chaos.faults.deliveries import DELIVERY_FAULTS
from stagefright.chaos.faults.fault import Reader, turn_of
from stagefright.chaos.flags import is_at_rest
from stagefright.errors import UsageError

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z
LEASE = {"owner": "tester", "run": "run-1", "expires": NOW + 60}

PLANS = [
    (),
    (Noop(),),
    (Latency(delay_ms=400),),
    (Latency(min_delay_ms=100, max_delay_ms=400.5),),
    (Timeout(),),
    (Timeout(buffer_ms=500),),
    (Failure("table is down"),),
    (Failure("no such user", error_type="KeyError"),),
    (Latency(delay_ms=400), Failure("late and wrong")),
    (Latency(delay_ms=400), Latency(delay_ms=100)),
    (Latency(delay_ms=1), Timeout(buffer_ms=1), Failure("x")),
    (StatusCode(503),),
    (StatusCode(503, body="{}"),),
    (Corruption(),),
    (Corruption(body="<html>"), Latency(delay_ms=1)),
    (ErrorAfterCommit("lost"),),
    (DiskFull(megabytes=100),),
    (DiskFull(),),
    (Denylist(["s3.*[.]amazonaws[.]com", "dynamodb"]),),
    (ColdStart(),),
    (Throttle("dynamodb", "PutItem"),),
    (Latency(delay_ms=400).with_probability(0.25),),
    (Failure("x").with_probability(0.125),),
    (Failure("x").when("detail.kind", "order"), Timeout().when("detail.kind", "slow").with_probability(0.5)),
    (Failure("x").on_call(1, 3), Failure("y").at_most(2)),
    (Failure("x").during("5m", after="1m"),),
    (InSequence(Failure("x"), Noop(), Latency(delay_ms=1)),),
    (Both(Latency(delay_ms=1), Corruption()).with_probability(0.5).at_most(3),),
]


def flag(*faults, **changes):
    return json.loads(merge(faults, **LEASE, **changes))


def is_number(low, high=float("inf")):
    return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


# failure-lambda 1.0.0: which attributes a mode has, and what each may be. Anything else drops the mode.
SCHEMA_1X = {
    "latency": {"min_latency": is_number(0), "max_latency": is_number(0)},
    "timeout": {"timeout_buffer_ms": is_number(0)},
    "diskspace": {"disk_space": is_number(1, 10_240)},
    "denylist": {"deny_list": lambda value: all(isinstance(v, str) and len(v) <= 512 for v in value)},
    "statuscode": {"status_code": is_number(100, 599)},
    "exception": {"exception_msg": lambda value: isinstance(value, str)},
    "corruption": {"body": lambda value: isinstance(value, str)},
}
OPERATORS_1X = ("eq", "exists", "startsWith", "regex")


def is_condition(value):
    ok = isinstance(value["path"], str) and value["operator"] in OPERATORS_1X
    return ok and (value["operator"] == "exists" or isinstance(value["value"], str))


EVERY_MODE_1X = {
    "match": lambda value: all(is_condition(condition) for condition in value),
    "enabled": lambda value: isinstance(value, bool),
    "percentage": lambda value: type(value) is int and 0 <= value <= 100,
}


def modes_1x(data):
    return {mode: data[mode] for mode in SCHEMA_1X if isinstance(data.get(mode), dict)}


@pytest.mark.parametrize("plan", PLANS, ids=repr)
class TestEveryPlan:
    def test_fits_the_schema_of_failure_lambda_1x(self, plan):
        """No attribute is out of the range that 1.0.0 validates, so no mode is dropped."""
        for mode, attributes in modes_1x(flag(*plan)).items():
            schema = SCHEMA_1X[mode] | EVERY_MODE_1X
            assert set(attributes) <= set(schema)
            assert [] == [name for name, value in attributes.items() if not schema[name](value)]
            assert attributes.get("min_latency", 0) <= attributes.get("max_latency", 0)

    def test_has_all_that_0x_and_chaos_lambda_need_to_read_without_an_error(self, plan):
        """Without a rate chaos-lambda raises TypeError and 0.x never fires; a delay that is no int is ignored."""
        data = flag(*plan)

        assert {"isEnabled", "failureMode", "rate", "minLatency", "maxLatency", "is_enabled", "fault_type"} <= set(data)
        assert 0 < data["rate"] <= 1
        assert int is type(data["delay"])

    def test_comes_back_from_our_own_reader(self, plan):
        """`parse` gives the same faults in the order in which they strike."""
        read = parse(merge(plan, **LEASE, seed=7), NOW)

        assert sorted(plan, key=turn_of) == list(read.faults)
        assert ("tester", "run-1", 7, NOW + 60) == (read.owner, read.run, read.seed, read.expires)
        assert read.is_on == bool(plan)

    def test_is_told_to_a_reader_exactly_or_not_at_all(self, plan):
        """What is marked as refused is off for that reader, and what is on has every fault."""
        data = flag(*plan)
        harmful = len([fault for fault in plan if fault != Noop()])
        on_1x = [mode for mode in modes_1x(data).values() if mode["percentage"]]
        told = {
            Reader.FAILURE_LAMBDA_0X: data["isEnabled"],
            Reader.CHAOS_LAMBDA: data["is_enabled"],
            Reader.FAILURE_LAMBDA_1X: len(on_1x),
        }

        for reader, count in told.items():
            is_refused = data["stagefright"].get(reader) is False
            assert (0 if is_refused else harmful) == count


def test_one_latency_speaks_to_all_readers():
    """The merged value of chaos-formats, key for key."""
    assert {
        "rate": 1,
        "isEnabled": True,
        "failureMode": "latency",
        "minLatency": 400,
        "maxLatency": 400,
        "latency": {"enabled": True, "percentage": 100, "min_latency": 400, "max_latency": 400},
        "is_enabled": True,
        "fault_type": "latency",
        "delay": 400,
        "stagefright": {
            "version": 1,
            "faults": [{"kind": "latency", "delay_ms": 400}],
            "owner": "tester",
            "run": "run-1",
            "seed": 0,
            "expires": "2026-01-01T00:01:00Z",
        },
    } == flag(Latency(delay_ms=400))


def test_two_faults_are_not_cut_to_one_for_readers_that_hold_one():
    """0.x and chaos-lambda are switched off and marked; 1.x and ours get both."""
    data = flag(Failure("x"), Latency(delay_ms=400))

    assert (False, False) == (data["isEnabled"], data["is_enabled"])
    assert {"latency", "exception"} == set(modes_1x(data))
    assert [False, False, None] == [
        data["stagefright"].get(reader) for reader in ("failure_lambda_0x", "chaos_lambda", "failure_lambda_1x")
    ]


def test_a_reader_that_must_be_driven_and_cannot_be_is_refused_by_name():
    """Every reader's reason is in one usage error."""
    with pytest.raises(UsageError) as refused:
        flag(Timeout(), Latency(delay_ms=1), must_drive=Reader)

    assert "failure_lambda_0x: it does not know Timeout()" in str(refused.value)
    assert "chaos_lambda: it does not know Timeout()" in str(refused.value)
    assert "failure_lambda_1x" not in str(refused.value)


def test_a_denylist_is_told_to_one_of_the_two_that_share_its_key():
    """A list for 0.x, a mode for 1.x, and one key for both: to a 0.x that finds a mode it is a TypeError in the function."""
    fault = Denylist(["dynamodb"])
    new, old = flag(fault), flag(fault, must_drive=[Reader.FAILURE_LAMBDA_0X])

    assert (False, ["dynamodb"]) == (new["isEnabled"], new["denylist"]["deny_list"])
    assert new["stagefright"]["failure_lambda_0x"] is False
    assert (True, ["dynamodb"]) == (old["isEnabled"], old["denylist"])
    assert old["stagefright"]["failure_lambda_1x"] is False
    with pytest.raises(UsageError, match="failure_lambda_0x: failure_lambda_1x reads the same key \\(denylist\\)"):
        flag(fault, must_drive=[Reader.FAILURE_LAMBDA_0X, Reader.FAILURE_LAMBDA_1X])


def test_two_faults_of_one_mode_cannot_be_said_to_1x():
    """A second latency would overwrite the first."""
    with pytest.raises(UsageError, match="failure_lambda_1x: it holds one fault of each mode"):
        flag(Latency(delay_ms=1), Latency(delay_ms=2), must_drive=[Reader.FAILURE_LAMBDA_1X])


def test_off_is_the_state_in_which_1x_cleans_up():
    """Latency enabled for 0 % of invocations: with nothing enabled, 1.x keeps an old denylist."""
    data = flag()

    assert {"latency": {"enabled": True, "percentage": 0, "min_latency": 0, "max_latency": 0}} == modes_1x(data)
    assert (False, False) == (data["isEnabled"], data["is_enabled"])
    assert "it has no faults" == parse(json.dumps(data), NOW).reason


def test_a_flag_that_ssm_cannot_hold_is_refused():
    """A standard parameter holds 4,096 characters; the error says how many there are."""
    with pytest.raises(UsageError, match=r"it takes \d+ characters; an SSM parameter holds 4096"):
        flag(Failure("x" * 4096))


@pytest.mark.parametrize("nobody", [{"owner": ""}, {"run": ""}])
def test_a_flag_without_an_owner_or_a_run_is_refused(nobody):
    """A lease is somebody's."""
    with pytest.raises(UsageError, match="needs an owner and a run"):
        merge([Noop()], **LEASE | nobody)


def test_a_flag_ends_with_its_lease():
    """On until its expiry, off from then on, and still somebody's."""
    text = merge([Noop()], **LEASE)

    assert parse(text, NOW + 59.9).is_on
    ended = parse(text, NOW + 60)
    assert "its lease (owner tester, run run-1) ended at 2026-01-01T00:01:00Z" == ended.reason
    assert ended.is_lease


def test_now_is_the_time_of_the_process(clock):
    """Without a given time the clock of the process decides, which is virtual in a world."""
    text = merge([Noop()], owner="tester", run="run-1", expires=clock.now() + 1)

    assert parse(text).is_on
    clock.move_to(clock.now() + 1)
    assert not parse(text).is_on


def test_every_kind_of_fault_is_named_once():
    """Kinds are the names of faults in flags, so they are unique."""
    assert (*KINDS, *WRAPPER_KINDS) == tuple(fault.kind for fault in (*FAULTS, *WRAPPERS))
    assert len(KINDS + WRAPPER_KINDS) == len({*KINDS, *WRAPPER_KINDS})


def test_the_files_of_faults_are_in_the_catalogue():
    """A fault that is not in it would be unreadable in a flag; those of deliveries, which no flag carries, have a list of their own."""
    folder = Path(faults.__file__).parent
    found = {
        kind
        for path in folder.glob("*.py")
        for kind in re.findall(r'^    kind = "(\w+)"', path.read_text(), re.MULTILINE)
    }

    assert found == {*KINDS, *WRAPPER_KINDS, *(fault.kind for fault in DELIVERY_FAULTS)}


def test_blocks_give_each_fault_its_slot():
    """The block's number, and the place in it; other readers see nothing of it."""
    text = merge([Failure("x"), Noop(), Failure("y")], **LEASE, blocks=[3, 3, 5])

    read = parse(text, NOW)
    assert [(3, 0), (3, 1), (5, 0)] == read.slots
    assert (Noop(), Failure("x"), Failure("y")) == read.faults


def test_wrappers_are_nested_so_deep_and_no_deeper():
    """A flag from elsewhere is off; a plan of one's own is refused where it is written."""
    fault = Noop()
    for _ in range(7):
        fault = fault.at_most(1)
    assert parse(merge([fault], **LEASE), NOW).is_on
    with pytest.raises(UsageError, match="9 faults deep; 8 are the most"):
        fault.at_most(1)

    data = flag(fault)
    data["stagefright"]["faults"] = [{"kind": "at_most", "times": 1, "fault": data["stagefright"]["faults"][0]}]
    assert "its faults are more than 8 deep" == parse(json.dumps(data), NOW).reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": 2}, "its version is 2; this runtime knows 1"),
        ({"version": True}, "its version is True"),
        ({"faults": {"kind": "noop"}}, "its faults should be a list"),
        ({"faults": ["noop"]}, "a fault should be an object with a kind, not 'noop'"),
        ({"faults": [{"kind": "nope"}]}, "'nope' is not a kind of fault; known: at_most, both, cold_start, "),
        ({"faults": [{"kind": ["noop"]}]}, "['noop'] is not a kind of fault"),
        ({"faults": [{"kind": "latency"}]}, "latency: no delay is given"),
        ({"faults": [{"kind": "latency", "delay_ms": None}]}, "latency: delay_ms is None"),
        ({"faults": [{"kind": "latency", "delay_ms": 1e400}]}, "latency: delay_ms is inf"),
        ({"faults": [{"kind": "latency", "dellay_ms": 1}]}, "'dellay_ms' is not a setting of Latency"),
        ({"faults": [{"kind": "at_most", "times": 1}]}, "at_most: it wraps no fault"),
        ({"faults": [{"kind": "at_most", "times": 1, "fault": 3}]}, "a fault should be an object with a kind, not 3"),
        ({"faults": [{"kind": "both", "faults": [{"kind": "noop"}]}]}, "both: Both takes two faults or more"),
        ({"faults": [{"kind": "both", "faults": "noop"}]}, "both: Both takes two faults or more"),
        ({"faults": [{"kind": "noop", "fault": {"kind": "noop"}}]}, "'fault' is not a setting of Noop"),
        ({"faults": [{"kind": "denylist", "hosts": ["("]}]}, "denylist: a host is '(', which is no regular expression"),
        ({"blocks": [1, 2]}, "its blocks should be a number for each of the 1 faults, not [1, 2]"),
        ({"blocks": ["1"]}, "its blocks should be a number"),
        ({"owner": None}, "its owner should be text, not None"),
        ({"run": ""}, "its run should be text, not ''"),
        ({"seed": 0.5}, "its seed should be a number or text"),
        ({"expires": "2026-13-01T00:00:00Z"}, "its expires should be an instant"),
        ({"expires": "2026-01-02T00:00:00"}, "its expires should be an instant"),  # which zone?
        ({"expires": 1_800_000_000}, "its expires should be an instant"),
        ({"expires": "0001-01-01T00:00:00+23:00"}, ""),
    ],
)
def test_a_malformed_block_is_off_and_says_why(change, reason):
    """One wrong part switches the whole flag off, and the reason names the part and its value."""
    data = flag(Noop())
    data["stagefright"] |= change

    read = parse(json.dumps(data), NOW)

    assert not read.is_on
    assert reason in (read.reason or "")


@pytest.mark.parametrize(
    "text", [None, b"{}", 1, "", "{", "[]", "{}", '"x"', '{"stagefright": 1}', "[" * 100_000, "9" * 5_000]
)
def test_what_is_no_flag_is_off_and_says_why(text):
    """Whatever a parameter holds, reading it gives a reason and no exception."""
    read = parse(text, NOW)

    assert not read.is_on
    assert read.reason
    assert not read.is_lease


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
KEYS = ("version", "faults", "owner", "run", "seed", "expires")
BROKEN_FAULT = st.fixed_dictionaries(
    {"kind": st.sampled_from(KINDS + WRAPPER_KINDS), "mystery": JSON},
    optional={
        "delay_ms": JSON,
        "buffer_ms": JSON,
        "message": JSON,
        "error_type": JSON,
        "hosts": JSON,
        "status_code": JSON,
        "service": JSON,
        "fault": JSON | st.just({"kind": "noop"}),
        "faults": JSON | st.just([{"kind": "noop"}, {"kind": "noop"}]),
        "times": JSON,
        "calls": JSON,
        "path": JSON,
        "value": JSON,
        "operator": JSON,
        "probability": JSON,
        "span_s": JSON,
    },
)
WHOLE = merge([Latency(delay_ms=400)], **LEASE)


@st.composite
def mutilated(draw):
    """A whole flag, with one part of our block missing, replaced, or holding a broken fault."""
    data = json.loads(WHOLE)
    key = draw(st.sampled_from([key for key in KEYS if key != "seed"]))
    how = draw(st.sampled_from(["missing", "broken fault", "nothing"]))
    if how == "missing":
        del data["stagefright"][key]
    elif how == "broken fault":
        data["stagefright"]["faults"] = [draw(BROKEN_FAULT)]
    else:
        data["stagefright"][key] = draw(st.none() | st.just([]) | st.just({}) | st.just(-1) | st.just(""))
    return json.dumps(data)


MALFORMED = (
    st.text().filter(lambda text: text != WHOLE)
    | JSON.map(json.dumps)
    | st.integers(min_value=0, max_value=len(WHOLE) - 1).map(lambda length: WHOLE[:length])
    | JSON.map(lambda block: json.dumps({"stagefright": block}))
    | mutilated()
)


@settings(max_examples=1000, deadline=None)
@given(MALFORMED)
def test_a_thousand_malformed_flags_are_off_with_a_reason(text):
    """Text, JSON of any shape, cut flags and flags with one part broken: off, a reason, never an exception."""
    read = parse(text, NOW)

    assert not read.is_on
    assert re.search(r"\w", read.reason or "")


@pytest.mark.parametrize(
    ("text", "at_rest"),
    [
        ('{"isEnabled": false, "failureMode": "latency"}', True),
        ('{"is_enabled": false}', True),
        ('{"latency": {"enabled": false}, "exception": {"enabled": false}}', True),
        ('{"latency": {"enabled": true, "percentage": 0}}', True),
        ("{}", True),
        ('{"isEnabled": true}', False),
        ('{"is_enabled": true}', False),
        ('{"latency": {"enabled": true}}', False),
        ('{"latency": {"enabled": false}, "exception": {"enabled": true, "percentage": 1}}', False),
        (merge([Noop()], **LEASE), False),
        ("not JSON", False),
        ("[]", False),
        ("[" * 100_000, False),
    ],
)
def test_a_foreign_flag_at_rest_is_told_from_one_that_is_on(text, at_rest):
    """Only a value that certainly injects nothing may be taken over."""
    assert at_rest is is_at_rest(text)
