"""
A parameter of SSM as a lease: whoever creates it without overwriting holds it; once its time is over, another may take it over.

That a parameter is created without overwriting is the one thing that SSM does for one of several callers only. Taking over needs more, since
SSM overwrites and deletes whatever is there: of two who see the same lease run out, the second would take away what the first has
just taken. But SSM counts versions and keeps the old ones. So who overwrites looks at the version before its own: if that was a lease that
had run out, it is the first, and holds it; if it was one that is good, it came second, and gives back what it overwrote. Whoever reads
meanwhile sees a lease that is good, and waits. A holder therefore writes and deletes without looking, as long as its lease is good.

AWS asks to wait for 30 seconds before a deleted parameter is created again (API reference, `DeleteParameter`). A creation that is refused
although nothing is there is therefore no error here: it is tried again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from stagefright.targets.run import tag_list

GONE = ("ParameterNotFound", "ParameterVersionNotFound")

TAKEN = "ParameterAlreadyExists"

THROTTLED = ("ThrottlingException", "TooManyUpdates")
"""More calls than the account's quota allows, or two writers at once."""

THROTTLED_MAX_S = 60.0
"""How long a call is tried again, in real time, after botocore has given up: the quota of PutParameter is low, and all runs share it."""

FIRST_PAUSE_S = 0.5

NAMES_PER_CALL_MAX = 10
"""What DeleteParameters takes at once."""


def value_of(ssm: Any, name: str) -> str | None:
    """What a parameter says, or said in a version (`name:3`); None if it is not there."""
    answer = _patiently(lambda: ssm.get_parameter(Name=name), *GONE)
    return None if answer is None else str(answer["Parameter"]["Value"])


def create(ssm: Any, name: str, text: str, tags: Mapping[str, str]) -> bool:
    """Create a parameter; false if it is there, unless it says exactly `text`, because it was our call that made it."""
    given = {"Tags": tag_list(tags)} if tags else {}
    made = _patiently(lambda: ssm.put_parameter(Name=name, Value=text, Type="String", Overwrite=False, **given), TAKEN)
    # A call whose answer was lost is sent again by botocore, and meets what it made itself.
    return made is not None or value_of(ssm, name) == text


def take_over(ssm: Any, name: str, text: str, tags: Mapping[str, str], *, is_over: Callable[[str], bool]) -> bool:
    """
    Take over a parameter whose lease was seen to be over; false if somebody else was first, who then has it as before.

    `is_over` tells of a text whether its lease is over. `text` must be unlike all that was ever written.
    """
    version = overwrite(ssm, name, text)
    if version > 1:
        before = value_of(ssm, f"{name}:{version - 1}")
        if before is None or not is_over(before):
            _give_back(ssm, name, before)
            return False
    if tags:
        _tag(ssm, name, tags)
    return True


def _tag(ssm: Any, name: str, tags: Mapping[str, str]) -> None:
    """Tags cannot be given with a value that overwrites. The text says whose it is as well, so who may not tag goes on without."""
    given = {"ResourceType": "Parameter", "ResourceId": name, "Tags": tag_list(tags)}
    _patiently(lambda: ssm.add_tags_to_resource(**given), "AccessDeniedException", "InvalidResourceId")


def _give_back(ssm: Any, name: str, before: str | None) -> None:
    """Let a parameter say what it said. If its holder has deleted it meanwhile, it is not to be there."""
    if before is not None and overwrite(ssm, name, before) == 1:
        delete(ssm, [name])


def overwrite(ssm: Any, name: str, text: str) -> int:
    """Write a parameter, whatever it says; gives the version that it has now."""
    answer = _patiently(lambda: ssm.put_parameter(Name=name, Value=text, Type="String", Overwrite=True))
    return int(answer["Version"])


def delete(ssm: Any, names: list[str]) -> None:
    """Delete parameters; one that is not there is fine."""
    if len(names) == 1:  # an action of its own, which more roles may do
        _patiently(lambda: ssm.delete_parameter(Name=names[0]), *GONE)
        return
    for start in range(0, len(names), NAMES_PER_CALL_MAX):
        some = names[start : start + NAMES_PER_CALL_MAX]
        _patiently(lambda some=some: ssm.delete_parameters(Names=some))  # type: ignore[misc]


def _patiently(call: Callable[[], Any], *expected: str) -> Any:
    """What a call gives; None if it is refused with one of the codes expected. Throttled, it is tried again for a while."""
    from botocore.exceptions import ClientError

    until, pause_s = time.monotonic() + THROTTLED_MAX_S, FIRST_PAUSE_S
    while True:
        try:
            return call()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in expected:
                return None
            if code not in THROTTLED or time.monotonic() > until:
                raise
        time.sleep(pause_s)
        pause_s *= 2
