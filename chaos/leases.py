"""Leases: the flags that one run holds on a stage, from writing to healing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from stagefright.chaos.faults.fault import AnyFault
from stagefright.chaos.flags import AT_REST, is_at_rest, merge, parse
from stagefright.chaos.local import flag_name
from stagefright.chaos.stage_face import StageFace
from stagefright.errors import UsageError

ROOT = "/stagefright/"
"""Under which a flag lies that no function's variable names; nobody else writes there."""


@dataclass(frozen=True)
class _Lease:
    """A parameter that holds our flag; `before` is what it held, None if we created it."""

    name: str
    before: str | None
    strike: Callable[[], None]
    """Strikes it out of the stage's ledger, once it is healed."""


class Leases:
    """
    The flags of one run, by the logical id of the function.

    A parameter is created without overwriting, so a flag of somebody else is never lost. Two kinds may be taken over: a
    flag of ours whose lease ran out, and a foreign flag at rest (`{"isEnabled": false}`), which is put back at the end. On a
    deployed stage a flag stands in the ledger before it is written.
    """

    def __init__(self, stage: StageFace, *, owner: str, run: str, seed: int | str, lease_s: float) -> None:
        self._stage = stage
        self._owner = owner
        self._run = run
        self._seed = seed
        self._lease_s = lease_s
        self._held: dict[str, _Lease] = {}

    @property
    def held(self) -> tuple[str, ...]:
        """The functions whose flags are held, oldest first."""
        return tuple(self._held)

    def hold(self, logical_id: str, faults: Sequence[tuple[int, AnyFault]]) -> None:
        """Make the flag of a function say exactly `faults`, each with the number of its block; none releases it."""
        if not faults:
            self.release(logical_id)
            return
        text = self._text(faults)
        lease = self._held.get(logical_id)
        if lease is not None:
            self._put(lease.name, text, overwrite=True)
            return
        name = self._free_name(logical_id)
        self._held[logical_id] = self._take(name, text)

    def release(self, logical_id: str) -> None:
        """Bring a function's parameter back to what it was; nothing to do if it is not held."""
        lease = self._held.get(logical_id)
        if lease is None:
            return
        if lease.before is None:
            self._delete(lease.name)
        else:
            self._put(lease.name, lease.before, overwrite=True)
        lease.strike()
        del self._held[logical_id]

    def _text(self, numbered: Sequence[tuple[int, AnyFault]]) -> str:
        # time.time() is virtual inside a local stage, and the function compares with its own time.time().
        expires = time.time() + self._lease_s
        blocks, faults = [n for n, _ in numbered], [fault for _, fault in numbered]
        return merge(faults, blocks=blocks, owner=self._owner, run=self._run, expires=expires, seed=self._seed)

    def _free_name(self, logical_id: str) -> str:
        physical_id = self._stage.resources[logical_id].physical_id
        configuration = self._stage.client("lambda").get_function_configuration(FunctionName=physical_id)
        variables = configuration.get("Environment", {}).get("Variables", {})
        name = flag_name(self._stage.name, logical_id, variables)
        sharing = [other for other, lease in self._held.items() if lease.name == name]
        if sharing:
            raise UsageError(
                f"{logical_id} reads its flag from {name}, and so does {sharing[0]}, whose faults it holds now. "
                "Faults for either would strike both; give each function its own parameter, or plan them one by one."
            )
        return name

    def _take(self, name: str, text: str) -> _Lease:
        if (lease := self._create(name, text)) is not None:
            return lease
        found = self._value(name)
        flag = parse(found)
        if flag.is_lease and flag.expires <= time.time():
            if not name.startswith(ROOT):
                # A function's own parameter may have held something before, which the dead run's ledger knows and a sweep brings
                # back. Until then it is off for every reader.
                return self._overwrite(name, text, before=AT_REST)
            self._delete(name)
            if (lease := self._create(name, text)) is not None:
                return lease
            found = self._value(name)
        elif is_at_rest(found):
            return self._overwrite(name, text, before=found)
        raise UsageError(_taken(name, found))

    def _overwrite(self, name: str, text: str, *, before: str) -> _Lease:
        lease = _Lease(name, before, self._note(name, before=before))
        self._put(name, text, overwrite=True)
        return lease

    def _note(self, name: str, *, before: str | None) -> Callable[[], None]:
        """Announce a flag in the ledger of a deployed stage; what a local stage holds ends with its process."""
        ledger = getattr(self._stage, "ledger", None)
        if ledger is None:
            return lambda: None
        strike: Callable[[], None] = ledger.note("flag", name, before=before, flag_run=self._run)
        return strike

    def _create(self, name: str, text: str) -> _Lease | None:
        """Create the parameter; None if there is one."""
        from botocore.exceptions import ClientError

        lease = _Lease(name, None, self._note(name, before=None))
        try:
            self._put(name, text, overwrite=False)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ParameterAlreadyExists":
                raise
            lease.strike()
            return None
        return lease

    def _put(self, name: str, text: str, *, overwrite: bool) -> None:
        self._ssm().put_parameter(Name=name, Value=text, Type="String", Overwrite=overwrite)

    def _value(self, name: str) -> str:
        return str(self._ssm().get_parameter(Name=name)["Parameter"]["Value"])

    def _delete(self, name: str) -> None:
        from botocore.exceptions import ClientError

        try:
            self._ssm().delete_parameter(Name=name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ParameterNotFound":  # somebody healed it before us
                raise

    def _ssm(self) -> Any:
        return self._stage.client("ssm")


def _taken(name: str, text: str) -> str:
    flag = parse(text)
    if flag.is_lease:
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(flag.expires))
        return f"{name} holds a flag of {flag.owner} (run {flag.run}, until {until}): let that run heal it first."
    return f"{name} holds a value that Stagefright did not write, and that is not off: {text}\nSwitch it off first."
