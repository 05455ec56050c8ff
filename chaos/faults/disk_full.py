"""DiskFull: the function's /tmp has no room."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stagefright.chaos.faults.fault import Fault, Harm, Reader
from stagefright.chaos.faults.points import Invocation

MEGABYTES_MAX = 10_240
"""The most ephemeral storage that a function can have; failure-lambda 1.x takes no more."""

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class DiskFull(Fault[Invocation]):
    """
    Take `megabytes` of the function's ephemeral storage away while it runs; all that is free if none are given.

    On Lambda a file of that size is in /tmp, which is removed after the invocation. A local stage writes no such file:
    there the function may write what its `EphemeralStorage` has left, and any byte more fails with ENOSPC.

    >>> DiskFull(megabytes=500)
    DiskFull(megabytes=500)
    """

    kind = "disk_full"
    turn = 30

    megabytes: float | None = None

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """No function has more than so much."""
        wrong = super().problems(settings)
        value = settings.get("megabytes")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (is_number and 0 < value <= MEGABYTES_MAX):
            wrong.append(f"megabytes is {value!r}; it should be a number above 0, and at most {MEGABYTES_MAX}")
        return wrong

    def translations(self) -> dict[Reader, dict[str, Any]]:
        """failure-lambda takes a size only. 0.x never removes its file: it stays until the environment ends."""
        if self.megabytes is None:
            return {}
        return {
            Reader.FAILURE_LAMBDA_0X: {"failureMode": "diskspace", "diskSpace": self.megabytes},
            Reader.FAILURE_LAMBDA_1X: {"diskspace": {"disk_space": self.megabytes}},
        }

    def prepare(self, point: Invocation) -> Harm:
        """Look how much there is, and name the file after the invocation."""
        if point.storage_mb is not None:
            taken_mb = point.storage_mb if self.megabytes is None else self.megabytes
            return {"megabytes": taken_mb, "free_bytes": int(max(0, point.storage_mb - taken_mb) * MEGABYTE)}
        free = shutil.disk_usage(tempfile.gettempdir()).free
        size = free if self.megabytes is None else min(free, int(self.megabytes * MEGABYTE))
        name = f"stagefright-disk-full-{os.getpid()}-{point.nth}-{'-'.join(map(str, point.slot))}.tmp"
        return {"megabytes": size / MEGABYTE, "file": str(Path(tempfile.gettempdir(), name))}

    def strike(self, point: Invocation, harm: Harm) -> None:
        """Fill the disk."""
        if point.storage_mb is not None:
            from stagefright.chaos.faults import disk_limits

            disk_limits.impose(disk_limits.DiskLimit(harm["free_bytes"], point.is_inside))
            return
        with Path(harm["file"]).open("wb") as file, suppress(OSError):  # it is full: what was wanted
            os.posix_fallocate(file.fileno(), 0, max(1, int(harm["megabytes"] * MEGABYTE)))

    def heal(self, point: Invocation, harm: Harm) -> None:
        """Give the room back."""
        if point.storage_mb is not None:
            from stagefright.chaos.faults import disk_limits

            disk_limits.lift(point.is_inside)
            return
        Path(harm["file"]).unlink(missing_ok=True)
