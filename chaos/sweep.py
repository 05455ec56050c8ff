"""
The sweep: flags that outlived their lease on a deployed account, found and put to rest.

A run heals its flags when it ends. One that was killed cannot, and leaves them behind. Our own runtime ignores them from the moment their lease
ends, but failure-lambda and chaos-lambda know no leases, and go on injecting. A flag is found under `/stagefright/`, and wherever a
function's FAILURE_INJECTION_PARAM or STAGEFRIGHT_FLAG_PARAM points. Only a flag of ours whose lease ran out is ever touched:

- under `/stagefright/` it is deleted, as the run itself would have done, unless a function's variable names it;
- a parameter that a function's variable names may belong to the function's stack, and its readers may fail without it. It stays,
  with a value that injects nothing in any reader (`flags.AT_REST`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from stagefright.chaos.flags import AT_REST, Flag, parse
from stagefright.chaos.runtime import NAME_VARIABLES

ROOT = "/stagefright/"
"""Under which flags lie that no function's variable names: `/stagefright/<stage>/<logical id>`."""

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
    def whose(self) -> str:
        """Owner, run and expiry, as people read them."""
        until = datetime.fromtimestamp(self.flag.expires, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return f"owner {self.flag.owner}, run {self.flag.run}, expires {until}"


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
