"""Leases: the flags that one run holds on a stage, from writing to healing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from stagefright.chaos import termination
from stagefright.chaos.carried import APPCONFIG_VARIABLE
from stagefright.chaos.faults.fault import AnyFault
from stagefright.chaos.flags import AT_REST, is_at_rest, merge, parse
from stagefright.chaos.local import flag_name
from stagefright.chaos.runtime import FUNCTION_VARIABLE, NAME_VARIABLES, STAGE_VARIABLE, parameter_name
from stagefright.errors import UsageError
from stagefright.stage import Stage, is_deployed
from stagefright.targets.leased_parameter import create, delete, overwrite, take_over, value_of

ROOT = "/stagefright/"
"""Under which a flag lies that no function's variable names; nobody else writes there."""

FLAG = "flag"
"""The kind of a flag in the ledger."""


@dataclass
class _Lease:
    """A parameter that holds our flag."""

    name: str
    faults: Sequence[tuple[int, AnyFault]]
    written: float = 0.0
    before: str | None = None
    """What it held before; None if we created it."""
    is_sure: bool = False
    """Whether our flag is known to be there; until AWS has answered, it may be or not."""
    strike: Callable[[], None] | None = None
    """Strikes it out of the ledger."""


class Leases:
    """
    The flags of one run, by the logical id of the function.

    A parameter is created without overwriting, so a flag of somebody else is never lost. Two kinds may be taken over: a
    flag of ours whose lease ran out, and a foreign flag at rest (`{"isEnabled": false}`), which is put back at the end.
    On a deployed stage each stands in the ledger before it is written, and SIGTERM heals as SIGINT does.
    """

    def __init__(self, stage: Stage, *, owner: str, run: str, seed: int | str, lease_s: float) -> None:
        self._stage = stage
        self._owner = owner
        self._run = run
        self._seed = seed
        self._lease_s = lease_s
        self._held: dict[str, _Lease] = {}
        self._deployed = stage if is_deployed(stage) else None

    @property
    def held(self) -> tuple[str, ...]:
        """The functions whose flags are held, oldest first."""
        return tuple(self._held)

    def hold(self, logical_id: str, faults: Sequence[tuple[int, AnyFault]]) -> None:
        """Make the flag of a function say exactly `faults`, each with the number of its block; none releases it."""
        if not faults:
            self.release(logical_id)
            return
        lease = self._held.get(logical_id)
        if lease is not None:
            lease.faults = faults
            self._rewrite(lease)
            return
        text, lease = self._text(faults), _Lease(self._free_name(logical_id), faults, time.time())
        # From here on it is healed, whatever happens before AWS has answered.
        self._held[logical_id] = lease
        self._listen_for_termination()
        try:
            self._take(lease, text)
        except Exception as error:
            if _is_refusal(error):
                self._drop(logical_id)
            raise

    def release(self, logical_id: str) -> None:
        """Bring a function's parameter back to what it was; nothing to do if it is not held."""
        lease = self._held.get(logical_id)
        if lease is None:
            return
        if lease.before is not None:
            overwrite(self._ssm(), lease.name, lease.before)
        elif lease.is_sure or self._is_ours(lease.name):
            delete(self._ssm(), [lease.name])  # one that somebody healed before us is fine
        self._drop(logical_id)

    def rest(self) -> None:
        """Let go of SIGTERM if nothing is held; another thread that healed could not."""
        if self._deployed is not None and not self._held:
            termination.stop(self)

    def renew(self) -> None:
        """Write the flags anew whose lease is half over."""
        for lease in list(self._held.values()):
            if lease.is_sure and time.time() > lease.written + self._lease_s / 2:
                self._rewrite(lease)

    def _rewrite(self, lease: _Lease) -> None:
        lease.written = time.time()
        overwrite(self._ssm(), lease.name, self._text(lease.faults))

    def _drop(self, logical_id: str) -> None:
        lease = self._held.pop(logical_id)
        if lease.strike is not None:
            lease.strike()
        self.rest()

    def _listen_for_termination(self) -> None:
        if self._deployed is not None:
            termination.listen(self)

    def _text(self, numbered: Sequence[tuple[int, AnyFault]]) -> str:
        # time.time() is virtual inside a local stage, and the function compares with its own time.time().
        expires = time.time() + self._lease_s
        blocks, faults = [n for n, _ in numbered], [fault for _, fault in numbered]
        return merge(faults, blocks=blocks, owner=self._owner, run=self._run, expires=expires, seed=self._seed)

    def _free_name(self, logical_id: str) -> str:
        physical_id = self._stage.resources[logical_id].physical_id
        configuration = self._stage.client("lambda").get_function_configuration(FunctionName=physical_id)
        variables = configuration.get("Environment", {}).get("Variables", {})
        if self._deployed is not None:
            _check_reader(logical_id, configuration, self._deployed.settings.chaos_runtime)
        name = flag_name(self._stage.name, logical_id, variables)
        sharing = [other for other, lease in self._held.items() if lease.name == name]
        if sharing:
            raise UsageError(
                f"{logical_id} reads its flag from {name}, and so does {sharing[0]}, whose faults it holds now. "
                "Faults for either would strike both; give each function its own parameter, or plan them one by one."
            )
        return name

    def _take(self, lease: _Lease, text: str) -> None:
        """Create the parameter, or take it over if what it holds may be."""
        # What a ledger has of a flag that was created must never be one that was refused, so it is looked first.
        if (self._deployed is None or self._is_free(lease.name)) and self._created(lease, text):
            return
        found = self._value(lease.name)
        if _has_run_out(found):
            if not lease.name.startswith(ROOT):
                # A function's own parameter may have held something before, which the dead run's ledger knows and a sweep brings
                # back. Until then it is off for every reader.
                self._overwrite(lease, text, before=AT_REST)
                return
            if self._took_over(lease, text):
                return
            found = self._value(lease.name)
        elif is_at_rest(found):
            self._overwrite(lease, text, before=found)
            return
        raise UsageError(_taken(lease.name, found))

    def _overwrite(self, lease: _Lease, text: str, *, before: str) -> None:
        self._note(lease, before=before)
        lease.before = before
        overwrite(self._ssm(), lease.name, text)
        lease.is_sure = True

    def _created(self, lease: _Lease, text: str) -> bool:
        return self._got(lease, lambda: create(self._ssm(), lease.name, text, self._tags()))

    def _took_over(self, lease: _Lease, text: str) -> bool:
        take = partial(take_over, self._ssm(), lease.name, text, self._tags(), is_over=_has_run_out)
        return self._got(lease, take)

    def _got(self, lease: _Lease, take: Callable[[], bool]) -> bool:
        """Whether a parameter that nobody else held is ours now; it stands in the ledger before, and not if somebody was first."""
        self._note(lease, before=None)
        lease.is_sure = take()
        if not lease.is_sure and lease.strike is not None:
            lease.strike()
            lease.strike = None
        return lease.is_sure

    def _note(self, lease: _Lease, *, before: str | None) -> None:
        if self._deployed is not None:
            lease.strike = self._deployed.ledger.note(FLAG, lease.name, before=before, flag_run=self._run)

    def _is_ours(self, name: str) -> bool:
        text = value_of(self._ssm(), name)
        flag = None if text is None else parse(text)
        return flag is not None and (flag.owner, flag.run) == (self._owner, self._run)

    def _is_free(self, name: str) -> bool:
        return value_of(self._ssm(), name) is None

    def _tags(self) -> Mapping[str, str]:
        return {} if self._deployed is None else self._deployed.run.tags(self._stage.name)

    def _value(self, name: str) -> str:
        return str(self._ssm().get_parameter(Name=name)["Parameter"]["Value"])

    def _ssm(self) -> Any:
        return self._stage.client("ssm")


def _has_run_out(text: str) -> bool:
    flag = parse(text)
    return flag.is_lease and flag.expires <= time.time()


def _taken(name: str, text: str) -> str:
    flag = parse(text)
    if flag.is_lease:
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(flag.expires))
        return f"{name} holds a flag of {flag.owner} (run {flag.run}, until {until}): let that run heal it first."
    return f"{name} holds a value that Stagefright did not write, and that is not off: {text}\nSwitch it off first."


def _is_refusal(error: Exception) -> bool:
    """Whether an error says that nothing was written; after any other it may have been."""
    from botocore.exceptions import ClientError

    if isinstance(error, ClientError):
        return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)) < 500
    return isinstance(error, UsageError)


def _check_reader(logical_id: str, configuration: Mapping[str, Any], setting: str | None) -> None:
    """Refuse a plan for a deployed function that would never look at its flag."""
    variables = configuration.get("Environment", {}).get("Variables", {})
    if variables.get(APPCONFIG_VARIABLE):
        raise UsageError(
            f"{logical_id} has the variable {APPCONFIG_VARIABLE}, so failure-lambda reads its flag from AppConfig, which Stagefright does "
            "not write. Take the variable away on this stage, so that the function reads a parameter."
        )
    if parameter_name(variables) is None:
        raise UsageError(
            f"{logical_id} reads no flag: its environment has neither {' nor '.join(NAME_VARIABLES)}, nor both {STAGE_VARIABLE} and "
            f"{FUNCTION_VARIABLE}. It has: {', '.join(sorted(variables)) or 'no variables'}. {_way_to_a_reader(configuration, setting)}"
        )


def _way_to_a_reader(configuration: Mapping[str, Any], setting: str | None) -> str:
    runtime = configuration.get("Runtime", "")
    if configuration.get("PackageType") == "Image":
        return "It is a container image: put the runtime into it (stagefright vendor) with the decorator; docs/faults.md shows how."
    if not runtime.startswith("python"):
        return (
            f"Its runtime is {runtime}, and Stagefright's own is for Python: use failure-lambda, with FAILURE_INJECTION_PARAM "
            "(docs/faults.md, In deployed functions)."
        )
    chosen = "" if setting is None else f', which is "{setting}" here'
    return (
        f'A stage that Stagefright deploys has the runtime in its functions with the setting chaos_runtime = "inject"{chosen}; one '
        "that was deployed before has to be deployed anew, and what was left out, and why, was said when it was deployed. "
        "Else give it the layer (stagefright layer build) or the decorator, and one of these variables; docs/faults.md shows how."
    )
