"""The faults, one file each, behind the contract in `fault.py`."""

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
from stagefright.chaos.faults.in_sequence import InSequence
from stagefright.chaos.faults.latency import Latency
from stagefright.chaos.faults.noop import Noop
from stagefright.chaos.faults.read_timeout import ReadTimeout
from stagefright.chaos.faults.sdk_latency import SdkLatency
from stagefright.chaos.faults.service_error import ServiceError
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
    "InSequence",
    "Latency",
    "Noop",
    "ReadTimeout",
    "SdkLatency",
    "ServiceError",
    "StatusCode",
    "Throttle",
    "Timeout",
]
