"""
Flags: a fault as stored in an SSM parameter for a function to read.

A function may read its flag with failure-lambda 0.x, with failure-lambda 1.x, with chaos-lambda or with our own
runtime, and whoever writes the flag cannot know which. So one JSON object speaks to all of them: each reader looks at
its own keys and ignores the others'.

    {"isEnabled": true, "failureMode": "latency", ...,       failure-lambda 0.x: one fault at a time
     "latency": {"enabled": true, "percentage": 100, ...},   failure-lambda 1.x: a fault per mode
     "is_enabled": true, "fault_type": "latency", ...,       chaos-lambda: one fault at a time
     "stagefright": {"version": 1, "faults": [...], ...}}    ours

A reader is told the whole plan exactly or nothing at all. A plan that cannot be said to it is off for it, and our block
says so by name (`"failure_lambda_0x": false`). A flag is a lease: our block names its owner, its run and its expiry.

This file runs inside deployed functions, so it imports the standard library and the faults only.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import chain, repeat
from typing import Any, NamedTuple

from stagefright.chaos.faults.catalogue import Unreadable, decode, encode
from stagefright.chaos.faults.fault import AnyFault, Reader, refuse, turn_of

VERSION = 1
"""The version of our block; a runtime ignores a flag whose version it does not know."""

TEXT_LENGTH_MAX = 4096
"""What a parameter of SSM's standard tier can hold."""

_SILENT_0X = {"isEnabled": False, "failureMode": "latency", "minLatency": 0, "maxLatency": 0}
_SILENT_CHAOS_LAMBDA = {"is_enabled": False, "fault_type": "latency", "delay": 0}
_SILENT_1X = {"latency": {"enabled": True, "percentage": 0, "min_latency": 0, "max_latency": 0}}
"""
With every flag disabled, failure-lambda 1.x returns before its clean-up, so an earlier denylist or disk file lives on.
A flag that is enabled for 0 % of invocations cleans up and injects nothing.
"""


AT_REST = json.dumps({"rate": 1, **_SILENT_0X, **_SILENT_1X, **_SILENT_CHAOS_LAMBDA})
"""A flag that injects nothing, whoever reads it, and that is nobody's: the proven off state of failure-lambda 1.x included."""


class Flag(NamedTuple):
    """
    What a parameter told our runtime: the faults of a function, and whose they are until when.

    `reason` says why the flag is off; it is None while the flag is on.
    """

    faults: tuple[AnyFault, ...] = ()
    blocks: tuple[int, ...] = ()
    """For each fault the number of the block that planned it."""
    owner: str = ""
    run: str = ""
    seed: int | str = 0
    expires: float = 0.0
    reason: str | None = None

    @property
    def is_on(self) -> bool:
        """Whether the faults may strike."""
        return self.reason is None

    @property
    def slots(self) -> list[tuple[int, int]]:
        """For each fault its block, and its place among those of the same block."""
        blocks = self.blocks or (0,) * len(self.faults)
        return [(block, blocks[:n].count(block)) for n, block in enumerate(blocks)]

    @property
    def is_lease(self) -> bool:
        """Whether this is a flag of ours, on or run out."""
        return self.owner != ""


def merge(
    faults: Iterable[AnyFault],
    *,
    owner: str,
    run: str,
    expires: float,
    seed: int | str = 0,
    must_drive: Iterable[Reader] = (),
    blocks: Iterable[int] = (),
) -> str:
    """
    The text of a flag that every reader takes for `faults`; no faults is the off state.

    `expires` is epoch seconds, `seed` keys the draws. If a reader in `must_drive` cannot be told the faults, they are
    refused. `blocks` numbers the blocks that planned the faults: those of a block that is new count from the start.
    """
    numbered = sorted(zip(faults, chain(blocks, repeat(0))), key=lambda pair: turn_of(pair[0]))  # noqa: B905
    ordered = [fault for fault, _ in numbered]
    must_drive = tuple(must_drive)
    refused = refusals(ordered, must_drive)
    problems = [f"{reader}: {refused[reader]}" for reader in must_drive if reader in refused]
    if not (owner and run):
        problems.append("a flag needs an owner and a run, or nobody could tell whose it is")
    block = {"version": VERSION, "faults": [encode(fault) for fault in ordered], "owner": owner, "run": run}
    block |= {"seed": seed, "expires": _iso(expires), **_marks(refused), **_blocks([n for _, n in numbered])}
    text = json.dumps({**_for_others(ordered, refused), "stagefright": block})
    if len(text) > TEXT_LENGTH_MAX:
        problems.append(f"it takes {len(text)} characters; an SSM parameter holds {TEXT_LENGTH_MAX}")
    if problems:
        refuse(f"{ordered} cannot be written as one flag", problems)
    return text


def refusals(faults: Sequence[AnyFault], must_drive: Sequence[Reader] = ()) -> dict[Reader, str]:
    """The readers that cannot be told `faults`, each with the reason; of two that exclude each other, one in `must_drive` goes first."""
    found = {}
    for reader in Reader:
        unknown = [fault for fault in faults if reader not in fault.translations()]
        said = [fault for fault in faults if fault.translations().get(reader)]
        if unknown:
            found[reader] = f"it does not know {', '.join(map(repr, unknown))}"
        elif len(said) > _room(reader, said):
            found[reader] = f"it holds one fault {_per(reader)}, not {', '.join(map(repr, said))}"
    old, new = Reader.FAILURE_LAMBDA_0X, Reader.FAILURE_LAMBDA_1X
    shared = {key for one in faults for key in one.translations().get(old, {}).keys() & _modes(faults)}
    if shared and old not in found and new not in found:
        last, first = (new, old) if old in must_drive and new not in must_drive else (old, new)
        found[last] = f"{first} reads the same key ({', '.join(sorted(shared))}) in another form"
    return found


def _modes(faults: Sequence[AnyFault]) -> set[str]:
    return {mode for fault in faults for mode in fault.translations().get(Reader.FAILURE_LAMBDA_1X, {})}


def _marks(refused: Iterable[Reader]) -> dict[str, bool]:
    return dict.fromkeys(refused, False)


def _blocks(numbers: list[int]) -> dict[str, list[int]]:
    return {"blocks": numbers} if any(numbers) else {}


def _room(reader: Reader, said: list[AnyFault]) -> int:
    if reader is not Reader.FAILURE_LAMBDA_1X:
        return 1
    return len({mode for fault in said for mode in fault.translations()[reader]})


def _per(reader: Reader) -> str:
    return "of each mode" if reader is Reader.FAILURE_LAMBDA_1X else "at a time"


def _for_others(faults: Sequence[AnyFault], refused: dict[Reader, str]) -> dict[str, Any]:
    said: dict[Reader, dict[str, Any]] = {reader: {} for reader in Reader}
    for reader in set(Reader) - set(refused):
        for fault in faults:
            said[reader].update(fault.translations()[reader])
    flat, other = said[Reader.FAILURE_LAMBDA_0X], said[Reader.CHAOS_LAMBDA]
    modes = said[Reader.FAILURE_LAMBDA_1X]
    return {
        # `rate` is read by failure-lambda 0.x, where none means never, and by chaos-lambda, where none is a TypeError.
        "rate": 1,
        **_SILENT_0X,
        **({"isEnabled": True, **flat} if flat else {}),
        **({mode: {"enabled": True, "percentage": 100, **modes[mode]} for mode in modes} or _SILENT_1X),
        **_SILENT_CHAOS_LAMBDA,
        **({"is_enabled": True, **other} if other else {}),
    }


def parse(text: object, now: float | None = None) -> Flag:
    """
    Read a flag. Whatever is wrong with it, it is off with a reason; nothing is ever raised.

    >>> parse("{}").reason
    'it has no "stagefright" block'
    """
    try:
        return _read(text, time.time() if now is None else now)
    except (ValueError, OverflowError, RecursionError) as problem:
        return Flag(reason=str(problem) or type(problem).__name__)


def is_at_rest(text: str) -> bool:
    """
    Whether a parameter holds a foreign flag that injects nothing, as stacks deploy it: `{"isEnabled": false}`.

    A flag of ours is never at rest; it has an owner.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return False
    if not isinstance(data, dict) or "stagefright" in data:
        return False
    modes = [value for value in data.values() if isinstance(value, dict)]
    is_on = any(mode.get("enabled") and mode.get("percentage") != 0 for mode in modes)
    return not (is_on or data.get("isEnabled") or data.get("is_enabled"))


def _read(text: object, now: float) -> Flag:
    block = _block(text)
    version = block.get("version")
    if version != VERSION or isinstance(version, bool):
        raise Unreadable(f"its version is {version!r}; this runtime knows {VERSION}")
    faults = block.get("faults")
    if not isinstance(faults, list):
        raise Unreadable(f"its faults should be a list, not {faults!r}")
    decoded = tuple(decode(fault) for fault in faults)
    return _judged(
        Flag(
            faults=decoded,
            blocks=_numbers(block.get("blocks"), len(decoded)),
            owner=_words(block, "owner"),
            run=_words(block, "run"),
            seed=_seed(block.get("seed", 0)),
            expires=_instant(block.get("expires")),
        ),
        now,
    )


def _block(text: object) -> dict[str, Any]:
    if not isinstance(text, str):
        raise Unreadable(f"it should be text, not {text!r}")
    try:
        data = json.loads(text)
    except ValueError as problem:
        raise Unreadable(f"it is not JSON: {problem}") from problem
    except RecursionError:
        raise Unreadable("its JSON is nested too deeply") from None
    block = data.get("stagefright") if isinstance(data, dict) else None
    if not isinstance(block, dict):
        raise Unreadable('it has no "stagefright" block')
    return block


def _words(block: dict[str, Any], name: str) -> str:
    value = block.get(name)
    if not isinstance(value, str) or not value:
        raise Unreadable(f"its {name} should be text, not {value!r}")
    return value


def _numbers(value: object, length: int) -> tuple[int, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) != length or not all(type(number) is int for number in value):
        raise Unreadable(f"its blocks should be a number for each of the {length} faults, not {value!r}")
    return tuple(value)


def _seed(value: object) -> int | str:
    if not isinstance(value, int | str) or isinstance(value, bool):
        raise Unreadable(f"its seed should be a number or text, not {value!r}")
    return value


def _instant(value: object) -> float:
    try:
        when = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        when = None
    if when is None or when.tzinfo is None:
        raise Unreadable(f"its expires should be an instant such as 2026-11-21T03:00:00Z, not {value!r}")
    return when.timestamp()


def _judged(flag: Flag, now: float) -> Flag:
    if flag.expires <= now:
        return flag._replace(reason=f"its lease (owner {flag.owner}, run {flag.run}) ended at {_iso(flag.expires)}")
    return flag if flag.faults else flag._replace(reason="it has no faults")


def _iso(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
