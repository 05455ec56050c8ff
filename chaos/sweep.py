"""
The sweep: flags that outlived their lease on a deployed account, found and put to rest.

A run heals its flags when it ends. One that was killed cannot, and leaves them behind. Our own runtime ignores them from the moment their lease
ends, but failure-lambda and chaos-lambda know no leases, and go on injecting. A flag is found under `/stagefright/`, and wherever a
function's FAILURE_INJECTION_PARAM or STAGEFRIGHT_FLAG_PARAM points. Only a flag of ours whose lease ran out is ever touched:

- under `/stagefright/` it is deleted, as the run itself would have done, unless a function's variable names it;
- a parameter that a function's variable names may belong to the function's stack, and its readers may fail without it. It stays,
  with a value that injects nothing in any reader (`flags.AT_REST`).

Where the run's ledger is at hand, it knows more: what stood there before comes back (`Flags`, the ledger's kind `flag`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from stagefright.chaos.flags import AT_REST, Flag, parse
from stagefright.chaos.leases import ROOT
from stagefright.chaos.runtime import NAME_VARIABLES
from stagefright.ledger.findings import Finding, Lease
from stagefright.ledger.kinds import Clients, Fate, State, register
from stagefright.ledger.reading import Entry
from stagefright.ledger.sweep import Wish
from stagefright.ledger.undo.answers import found as found_unless
from stagefright.ledger.undo.parameters import GONE

NAMES_PER_CALL_MAX = 10
"""What GetParameters takes at once."""

ClientMaker = Callable[[str], Any]
"""Makes a boto3 client for a service."""


@dataclass(frozen=True)
class Leftover:
    """A flag of ours in a parameter of the account."""

    name: str
    text: str
    flag: Flag
    is_named_by_function: bool

    def is_run_out(self, now: float) -> bool:
        """Whether its lease is over, so that nobody may count on it any more."""
        return self.flag.expires <= now

    @property
    def stage(self) -> str:
        """The stage, as far as the parameter's name tells it."""
        return "" if not self.name.startswith(ROOT) else self.name.removeprefix(ROOT).partition("/")[0]


def leases(client: ClientMaker, stage: str | None = None) -> list[Leftover]:
    """
    Every flag of ours in the account, held or left over, by name; those of one stage alone if it is named.

    A flag in a parameter that a function's variable names does not tell its stage, so with a stage it is found only under
    `/stagefright/<stage>/`.
    """
    ssm = client("ssm")
    named = set(_named_by_functions(client("lambda")))
    texts = dict(_under(ssm, f"{ROOT}{stage}/" if stage else ROOT))
    if stage is None:
        texts |= dict(_values(ssm, sorted(named - set(texts))))
    found = (Leftover(name, text, parse(text), name in named) for name, text in sorted(texts.items()))
    return [leftover for leftover in found if leftover.flag.is_lease]


def put_to_rest(client: ClientMaker, leftover: Leftover) -> bool:
    """Make an expired flag inject nothing; false if it has changed since it was found, and is left alone."""
    ssm = client("ssm")
    if dict(_values(ssm, [leftover.name])).get(leftover.name) != leftover.text or not leftover.is_run_out(time.time()):
        return False
    if leftover.is_named_by_function:
        ssm.put_parameter(Name=leftover.name, Value=AT_REST, Type="String", Overwrite=True)
    else:
        ssm.delete_parameter(Name=leftover.name)
    return True


def sweep_flags(client: ClientMaker, wish: Wish, *, known: Iterable[str] = ()) -> tuple[list[Finding], int]:
    """
    The flags whose lease ran out, put to rest if that is wished, and how many flags of ours there are in all.

    `known` are the parameters that a ledger has told of already.
    """
    found = leases(client, wish.stage)
    left = [one for one in found if one.is_run_out(wish.now) and one.name not in set(known)]
    wanted = [one for one in left if wish.run in (None, one.flag.run) and not wish.is_forgetful]
    return [_treat(client, one, wish) for one in wanted], len(found)


def _treat(client: ClientMaker, leftover: Leftover, wish: Wish) -> Finding:
    stage = leftover.stage
    lease = Lease(run=leftover.flag.run, owner=leftover.flag.owner, expires=leftover.flag.expires)
    if wish.protects(stage):
        fate = "protected: left alone"
    elif not wish.is_for_real:
        fate = "would be put to rest"
    else:
        fate = "put to rest" if put_to_rest(client, leftover) else "changed meanwhile: left alone"
    return Finding(f"flag {leftover.name}", kind="flag", name=leftover.name, stage=stage, head=lease, fate=fate)


class Flags:
    """
    The ledger's kind `flag`.

    A lease writes its flag anew for every fault, so what tells a flag of the run's is the run that its text names. A flag that was put to rest
    meanwhile is still the run's if something stood there before.
    """

    def look(self, entry: Entry, account: Clients) -> State:
        """Whether the run's flag is there."""
        ssm = account.client("ssm")
        parameter = found_unless(lambda: ssm.get_parameter(Name=entry.name)["Parameter"], GONE)
        now = parameter and parameter["Value"]
        if now == entry.before:
            return State(Fate.AS_BEFORE)
        if now is None:
            return State(Fate.CHANGED, "it was deleted")
        flag = parse(now)
        if flag.is_lease and flag.run == entry.detail.get("flag_run", entry.run):
            return State(Fate.DELETE if entry.before is None else Fate.RESTORE)
        if now == AT_REST:
            # What a sweep, or a run that took over, leaves of it.
            return State(Fate.DELETE if entry.before is None else Fate.RESTORE)
        if entry.before is None:
            # A lease creates without overwriting, so whatever else is here, ours is not.
            return State(Fate.FOREIGN, f"it is of run {flag.run}" if flag.is_lease else "no run wrote it")
        return State(Fate.CHANGED)

    def undo(self, entry: Entry, account: Clients) -> None:
        """Delete the parameter, or put back what was there."""
        ssm = account.client("ssm")
        if entry.before is None:
            found_unless(lambda: ssm.delete_parameter(Name=entry.name), GONE)
        else:
            ssm.put_parameter(Name=entry.name, Value=entry.before, Type="String", Overwrite=True)


register("flag", Flags)


def _under(ssm: Any, path: str) -> Iterator[tuple[str, str]]:
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=path, Recursive=True)
    for page in pages:
        yield from ((parameter["Name"], parameter["Value"]) for parameter in page["Parameters"])


def _values(ssm: Any, names: list[str]) -> Iterator[tuple[str, str]]:
    """The values of those parameters that there are; that of a SecureString comes encrypted, and is no flag of ours."""
    for start in range(0, len(names), NAMES_PER_CALL_MAX):
        reply = ssm.get_parameters(Names=names[start : start + NAMES_PER_CALL_MAX])
        yield from ((parameter["Name"], parameter["Value"]) for parameter in reply["Parameters"])


def _named_by_functions(functions: Any) -> Iterator[str]:
    for page in functions.get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            variables = function.get("Environment", {}).get("Variables", {})
            yield from (variables[name] for name in NAME_VARIABLES if variables.get(name))
