"""
The faults, one file each, behind the contract in `fault.py`.

Names are imported when they are first used: a function imports the faults of its flag alone.
"""

import importlib
import typing

if typing.TYPE_CHECKING:
    from stagefright.chaos.faults.both import Both
    from stagefright.chaos.faults.cold_start import ColdStart
    from stagefright.chaos.faults.connect_timeout import ConnectTimeout
    from stagefright.chaos.faults.connection_reset import ConnectionReset
    from stagefright.chaos.faults.corruption import Corruption
    from stagefright.chaos.faults.denylist import Denylist
    from stagefright.chaos.faults.disk_full import DiskFull
    from stagefright.chaos.faults.error_after_commit import ErrorAfterCommit
    from stagefright.chaos.faults.failure import Failure
    from stagefright.chaos.faults.fault import Fault
    from stagefright.chaos.faults.http_latency import HttpLatency
    from stagefright.chaos.faults.http_refused import HttpRefused
    from stagefright.chaos.faults.http_reset import HttpReset
    from stagefright.chaos.faults.http_slow_body import HttpSlowBody
    from stagefright.chaos.faults.http_status import HttpStatus
    from stagefright.chaos.faults.in_sequence import InSequence
    from stagefright.chaos.faults.latency import Latency
    from stagefright.chaos.faults.noop import Noop
    from stagefright.chaos.faults.read_timeout import ReadTimeout
    from stagefright.chaos.faults.sdk_latency import SdkLatency
    from stagefright.chaos.faults.service_error import ServiceError
    from stagefright.chaos.faults.stale_read import StaleRead
    from stagefright.chaos.faults.status_code import StatusCode
    from stagefright.chaos.faults.throttle import Throttle
    from stagefright.chaos.faults.timeout import Timeout

__all__ = [
    "Both",
    "ColdStart",
    "ConnectTimeout",
    "ConnectionReset",
    "Corruption",
    "Denylist",
    "DiskFull",
    "ErrorAfterCommit",
    "Failure",
    "Fault",
    "HttpLatency",
    "HttpRefused",
    "HttpReset",
    "HttpSlowBody",
    "HttpStatus",
    "InSequence",
    "Latency",
    "Noop",
    "ReadTimeout",
    "SdkLatency",
    "ServiceError",
    "StaleRead",
    "StatusCode",
    "Throttle",
    "Timeout",
]

_HOMES = {
    "Both": "both",
    "ColdStart": "cold_start",
    "ConnectTimeout": "connect_timeout",
    "ConnectionReset": "connection_reset",
    "Corruption": "corruption",
    "Denylist": "denylist",
    "DiskFull": "disk_full",
    "ErrorAfterCommit": "error_after_commit",
    "Failure": "failure",
    "Fault": "fault",
    "HttpLatency": "http_latency",
    "HttpRefused": "http_refused",
    "HttpReset": "http_reset",
    "HttpSlowBody": "http_slow_body",
    "HttpStatus": "http_status",
    "InSequence": "in_sequence",
    "Latency": "latency",
    "Noop": "noop",
    "ReadTimeout": "read_timeout",
    "SdkLatency": "sdk_latency",
    "ServiceError": "service_error",
    "StaleRead": "stale_read",
    "StatusCode": "status_code",
    "Throttle": "throttle",
    "Timeout": "timeout",
}


def __getattr__(name: str) -> typing.Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
