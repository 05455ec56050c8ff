"""Durations of ISO 8601, as AWS FIS writes them."""

from __future__ import annotations

import re

from stagefright.errors import ExperimentError

_DURATION = re.compile(r"P(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,6})S)?)?")
_UNITS_S = (86_400, 3_600, 60, 1)


def parse_duration(text: object) -> int:
    """
    The seconds in a duration.

    >>> parse_duration("PT5M"), parse_duration("PT1H30M"), parse_duration("P1DT1S")
    (300, 5400, 86401)
    """
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if found is None or not any(found.groups()) or str(text).endswith("T"):
        raise ExperimentError(f"{text!r} is not a duration of ISO 8601; write PT5M, PT1H30M or P1D.")
    return sum(int(count or 0) * unit_s for count, unit_s in zip(found.groups(), _UNITS_S, strict=True))


def format_duration(seconds: float) -> str:
    """
    Seconds as a duration, to the second.

    >>> format_duration(300), format_duration(5401), format_duration(0)
    ('PT5M', 'PT1H30M1S', 'PT0S')
    """
    hours, left = divmod(round(seconds), 3_600)
    minutes, left = divmod(left, 60)
    parts = ((hours, "H"), (minutes, "M"), (left, "S"))
    return "PT" + ("".join(f"{count}{unit}" for count, unit in parts if count) or "0S")
