"""
The room that a function of a local stage has left in the directory for temporary files.

The directory is the machine's, so nothing is filled. While a limit holds, Python's own ways of writing (`open`, and with
it `pathlib` and `tempfile`; `os.write`, `os.sendfile` and what stands on them, such as `shutil`) fail with ENOSPC in the
function's code where its storage would be full. What grows a file counts; what `os.remove` takes away is free again.
Libraries in C that write by themselves (sqlite3) are not reached.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stagefright.chaos.faults.replacements import Replacements

Key = tuple[int, int]
"""A file: its device and its inode."""


class DiskLimit:
    """`left` bytes that the code of one function may still write."""

    def __init__(self, left: int, is_inside: Callable[[], bool]) -> None:
        self.left = left
        self.is_inside = is_inside
        self._grown: dict[Key, int] = {}

    def grant(self, fd: int, wanted: int) -> int:
        """How many of the bytes that would make the file longer may be written; none left is ENOSPC."""
        granted = min(wanted, self.left)
        if wanted > 0 and granted == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.left -= granted
        key = _key(os.fstat(fd))
        self._grown[key] = self._grown.get(key, 0) + granted
        return granted

    def give_back(self, key: Key) -> None:
        """A file is gone."""
        self.left += self._grown.pop(key, 0)


_limits: list[DiskLimit] = []
_replacements = Replacements()


def impose(limit: DiskLimit) -> None:
    """Let a limit hold from now on."""
    _limits.append(limit)
    if len(_limits) == 1:
        _hook()


def lift(is_inside: Callable[[], bool]) -> None:
    """End the newest limit of a function."""
    for limit in reversed(_limits):
        if limit.is_inside is is_inside:
            _limits.remove(limit)
            break
    if not _limits:
        _replacements.take_back()


def _limit() -> DiskLimit | None:
    """The limit of the code that runs just now, the tightest if there are several."""
    return min((limit for limit in _limits if limit.is_inside()), key=lambda limit: limit.left, default=None)


class LimitedFile(io.FileIO):
    """A file that grows no further than its limit."""

    def __init__(self, limit: DiskLimit, *args: Any) -> None:
        super().__init__(*args)
        self._limit = limit

    def write(self, data: Any) -> int:
        """Write as much as there is room for, as the kernel does; the rest of it fails at the next try."""
        view = memoryview(data).cast("B")
        inside = len(view) - _growth(self.fileno(), len(view), appends="a" in self.mode)
        granted = self._limit.grant(self.fileno(), len(view) - inside)
        return super().write(view[: inside + granted])


def _growth(fd: int, length: int, *, appends: bool) -> int:
    """How much longer a write of `length` bytes would make a file."""
    size = os.fstat(fd).st_size
    position = size if appends else os.lseek(fd, 0, os.SEEK_CUR)
    return min(length, max(0, position + length - size))


def _open(original: Callable[..., Any]) -> Callable[..., Any]:
    def open_limited(
        file: Any,
        mode: Any = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Any = None,
    ) -> Any:
        limit = _limit() if isinstance(mode, str) and set(mode) & set("wax+") else None
        if limit is None or not _is_temporary(file):
            return original(file, mode, buffering, encoding, errors, newline, closefd, opener)
        raw = LimitedFile(limit, file, mode.replace("t", "").replace("b", ""), closefd, opener)
        return _buffered(raw, mode, buffering, encoding, errors, newline)

    return open_limited


def _buffered(
    raw: LimitedFile, mode: str, buffering: int, encoding: str | None, errors: str | None, newline: str | None
) -> Any:
    """What `open` puts around a raw file."""
    if buffering == 0 and "b" in mode:
        return raw
    size = buffering if buffering > 1 else io.DEFAULT_BUFFER_SIZE
    buffer: Any = io.BufferedRandom(raw, size) if "+" in mode else io.BufferedWriter(raw, size)
    if "b" in mode:
        return buffer
    text = io.TextIOWrapper(buffer, encoding, errors, newline, line_buffering=buffering == 1)
    text.mode = mode  # type: ignore[misc]  # as the io module itself does
    return text


def _write(original: Callable[..., int]) -> Callable[..., int]:
    def write_limited(fd: int, data: Any) -> int:
        limit = _limit()
        if limit is None or not _is_temporary(fd):
            return original(fd, data)
        view = memoryview(data).cast("B")
        growth = _growth(fd, len(view), appends=False)
        return original(fd, view[: len(view) - growth + limit.grant(fd, growth)])

    return write_limited


def _send(original: Callable[..., int]) -> Callable[..., int]:
    def send_limited(out_fd: int, in_fd: int, offset: int | None, count: int, *more: Any) -> int:
        limit = _limit()
        if limit is None or not _is_temporary(out_fd):
            return original(out_fd, in_fd, offset, count, *more)
        left = max(0, os.fstat(in_fd).st_size - (offset or 0))
        wanted = min(count, left)
        return original(out_fd, in_fd, offset, limit.grant(out_fd, wanted), *more) if wanted else 0

    return send_limited


def _remove(original: Callable[..., None]) -> Callable[..., None]:
    def remove_counted(path: Any, *, dir_fd: int | None = None) -> None:
        limit = _limit()
        found = None if limit is None else os.stat(path, dir_fd=dir_fd, follow_symlinks=False)
        original(path, dir_fd=dir_fd)
        if limit is not None and found is not None and found.st_nlink == 1:
            limit.give_back(_key(found))

    return remove_counted


_HOOKS: tuple[tuple[Any, str, Callable[[Any], Any]], ...] = (
    (builtins, "open", _open),
    (io, "open", _open),
    (os, "write", _write),
    (os, "sendfile", _send),
    (os, "remove", _remove),
    (os, "unlink", _remove),
)


def _hook() -> None:
    for target, name, wrapper in _HOOKS:
        _replacements.put(target, name, wrapper)


def _is_temporary(file: Any) -> bool:
    try:
        path = Path(f"/proc/self/fd/{file}" if isinstance(file, int) else os.fsdecode(os.fspath(file))).resolve()
    except (OSError, TypeError, ValueError):
        return False
    return any(path.is_relative_to(Path(home).resolve()) for home in (tempfile.gettempdir(), "/tmp"))  # noqa: S108


def _key(found: os.stat_result) -> Key:
    return found.st_dev, found.st_ino
