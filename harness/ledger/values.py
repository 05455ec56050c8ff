"""
How values are written into a ledger: as JSON, with bytes that JSON does not have, and what is large in a file beside it.

    {"$bytes": "AP8="}                       bytes
    {"$file": "run-1.jsonl.3", "sha256": …}  more bytes than a line should hold
    {"$mapping": {"$odd": 1}}                a mapping with a key that would read as one of these
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from stagefright.errors import StagefrightError

INLINE_BYTES_MAX = 1 << 20
"""As much stands in a line; more goes into a side file."""

CHUNK_BYTES = 1 << 20


class Readable(Protocol):
    """A source of bytes that is read once, such as the body of an S3 object."""

    def read(self, size: int, /) -> bytes:
        """The next bytes; none at the end."""
        ...


Keep = Callable[[Iterator[bytes]], str]
"""Writes bytes into a new side file, durably, and gives its name."""


class Damaged(StagefrightError):
    """A side file of a ledger is not what the ledger says it is."""


@dataclass(frozen=True, slots=True)
class SideFile:
    """Bytes that lie in a file beside the ledger."""

    path: Path
    sha256: str

    def open(self) -> BinaryIO:
        """Open it for reading, once it is found whole."""
        try:
            with self.path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise Damaged(f"{self.path}, where the ledger keeps what was there before: {error.strerror}.") from None
        if found != self.sha256:
            raise Damaged(f"{self.path} is not what was kept there (its SHA-256 is {found}, not {self.sha256}).")
        return self.path.open("rb")

    def read(self) -> bytes:
        """All of it."""
        with self.open() as file:
            return file.read()


def pack(value: Any, keep: Keep) -> Any:
    """A value as JSON can say it."""
    if isinstance(value, bytes | bytearray):
        return _packed_bytes(iter((bytes(value),)), keep)
    if hasattr(value, "read"):
        return _packed_bytes(_chunks(value), keep)
    if isinstance(value, Mapping):
        packed = {str(key): pack(item, keep) for key, item in value.items()}
        return {"$mapping": packed} if any(key.startswith("$") for key in packed) else packed
    if isinstance(value, list | tuple):
        return [pack(item, keep) for item in value]
    return value


def unpack(value: Any, directory: Path) -> Any:
    """The value that was packed; side files lie in `directory`."""
    if isinstance(value, list):
        return [unpack(item, directory) for item in value]
    if not isinstance(value, dict):
        return value
    if "$bytes" in value:
        return base64.b64decode(value["$bytes"])
    if "$file" in value:
        # A name, and not a path: a ledger speaks of what lies beside it and of nothing else.
        return SideFile(directory / Path(value["$file"]).name, value["sha256"])
    return {key: unpack(item, directory) for key, item in value.get("$mapping", value).items()}


def side_files(value: Any) -> Iterator[str]:
    """The names of the side files that a packed value needs."""
    if isinstance(value, list):
        for item in value:
            yield from side_files(item)
    elif isinstance(value, dict):
        if "$file" in value:
            yield value["$file"]
        for item in value.values():
            yield from side_files(item)


def _packed_bytes(chunks: Iterator[bytes], keep: Keep) -> dict[str, Any]:
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) > INLINE_BYTES_MAX:
            digest = hashlib.sha256()
            return {"$file": keep(_digested(chain((head,), chunks), digest)), "sha256": digest.hexdigest()}
    return {"$bytes": base64.b64encode(head).decode()}


def _digested(chunks: Iterator[bytes], digest: Any) -> Iterator[bytes]:
    for chunk in chunks:
        digest.update(chunk)
        yield chunk


def _chunks(source: Readable) -> Iterator[bytes]:
    while chunk := source.read(CHUNK_BYTES):
        yield chunk


def fingerprint(value: Any) -> str:
    """
    What tells a value from others without giving it away: the SHA-256 of its one canonical form.

    DynamoDB's typed values are equal if DynamoDB holds them equal: a number may come back as `1` where `1.0` went, and a set in
    another order.

    >>> fingerprint({"a": {"N": "1.0"}}) == fingerprint({"a": {"N": "1"}})
    True
    """
    canonical = json.dumps(_canonical(value), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _canonical(value: Any) -> Any:
    if isinstance(value, bytes | bytearray):
        return {"$bytes": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if len(value) == 1:
        kind, item = next(iter(value.items()))
        if kind == "N":
            return {"N": _number(item)}
        if kind == "NS" and isinstance(item, list | tuple | set | frozenset):
            return {"NS": sorted(map(_number, item))}
        if kind in ("SS", "BS") and isinstance(item, list | tuple | set | frozenset):
            return {kind: sorted((_canonical(one) for one in item), key=json.dumps)}
    return {str(key): _canonical(item) for key, item in value.items()}


def _number(text: Any) -> str:
    if not isinstance(text, str):
        return json.dumps(text)
    try:
        found = Decimal(text)
    except ArithmeticError:
        return text
    return "0" if found == 0 else str(found.normalize())
